"""The frame as a Django app; judges before anything is served where targets may point and which roles there are."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        from django.conf import settings

        from portal import second_factor, targets

        targets.Allowed.read(settings.ROUTE_TARGETS)
        second_factor.read_roles(settings.SECOND_FACTOR_ROLES)
