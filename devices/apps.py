"""The devices app; when Django starts it puts the fleet on the overview, and shutdowns there and on a device's page."""

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    name = "devices"

    def ready(self) -> None:
        import devices.overview
        import devices.shutdown_panels  # noqa: F401
