"""The devices app; puts the fleet on the overview when Django starts."""

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    name = "devices"

    def ready(self) -> None:
        import devices.overview  # noqa: F401
