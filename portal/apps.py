"""The frame as a Django app; judges where targets may point before anything is served."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        from django.conf import settings

        from portal import targets

        targets.Allowed.read(settings.ROUTE_TARGETS)
