"""What is told on the page of a device about the apps that have a token on it."""

from typing import Any

from devices.models import Device
from devices.sections import section
from portal.scopes import Scope
from tokens import apps_listing
from tokens.models import App

SHOWN = 20


@section("tokens/_installed_apps.html", Scope.APPS_READ)
def installed_apps(device: Device) -> dict[str, Any] | None:
    """None where no app is registered at all, so that there is none to install."""
    found = apps_listing.on_device(device, SHOWN + 1)
    if not found and not App.objects.registered().exists():
        return None
    return {"installed": found[:SHOWN], "more": len(found) > SHOWN}
