"""Which apps are on devices, for those who tell them before a device goes off."""

from collections.abc import Collection, Mapping

from django.db.models import F
from django.utils import timezone

from devices.installed import App, source
from tokens.models import InstalledApp


@source
def on(devices: Collection[str]) -> Mapping[str, list[App]]:
    """Those whose token opens something on these devices, in one look."""
    live = InstalledApp.objects.live(timezone.now()).filter(device__in=devices, denials=F("device__denials"))
    found: dict[str, list[App]] = {}
    for device_id, *app in live.values_list("device_id", "pk", "app__name", "version__version"):
        found.setdefault(device_id, []).append(App(*app))
    return found


def find(installation: str) -> InstalledApp | None:
    """What is installed there now, by the id of the installation, with its app and its version."""
    found: InstalledApp | None = (
        InstalledApp.objects.select_related("app", "version").filter(pk=installation, revoked_at=None).first()
    )
    return found
