"""The devices app; tells the portal of the fleet and of shutdowns: on the overview and in the rows of the audit."""

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    name = "devices"

    def ready(self) -> None:
        import devices.overview
        import devices.restoring
        import devices.shutdown_panels
        import devices.subjects  # noqa: F401
