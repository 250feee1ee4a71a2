"""How the apps on a device are, as it reports; the newest reports are kept.

Not audited: it is the device's own data and decides nothing.
"""

from typing import Any

from devices import device_time, records
from devices.models import AppState, Device
from portal.refusal import Invalid

MOST = 10

APP = ("uri", "state")
SERVICE = ("name", "hash", "health", "image", "logs", "state", "status")
_OSTREE = 1024


def report(device: Device, sent: Any) -> None:
    """Keep a report, `{"deviceTime", "ostree", "apps": {name: {"uri", "state", "services": [{…}]}}}`.

    Members that are null or unknown are as if they were not there; texts stay as long as they were sent.
    """
    if not isinstance(sent, dict):
        raise Invalid("body", "Send a JSON object with 'deviceTime', 'ostree' and 'apps'.")
    at = device_time.read(sent.get("deviceTime"))
    if at is None:
        raise Invalid("deviceTime", "'deviceTime' is a moment with its offset, such as 2026-11-25T12:00:00Z.")
    ostree = _texts("ostree", sent, ("ostree",)).get("ostree", "")
    if len(ostree) > _OSTREE:
        raise Invalid("ostree", f"'ostree' takes at most {_OSTREE} characters.")
    apps = {name: _app(f"apps.{name}"[:100], app) for name, app in _object("apps", sent.get("apps")).items()}
    with records.storing(device):
        AppState.objects.create(device=device, ostree=ostree, apps=apps, device_time=at)
        reports = AppState.objects.filter(device=device)
        reports.filter(pk__in=list(reports.order_by("-pk").values_list("pk", flat=True)[MOST:])).delete()


def _app(where: str, sent: object) -> dict[str, Any]:
    members = _object(where, sent)
    services = [] if members.get("services") is None else members["services"]
    if not isinstance(services, list):
        raise Invalid(where, "The 'services' of an app are a list.")
    return {
        **_texts(where, members, APP),
        "services": [_texts(where, _object(where, service), SERVICE) for service in services],
    }


def _object(where: str, sent: object) -> dict[str, Any]:
    if sent is None:
        return {}
    if not isinstance(sent, dict):
        raise Invalid(where, "This is a JSON object.")
    return sent


def _texts(where: str, members: dict[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    """The named members that are there; one that is no text is refused."""
    said = {name: members[name] for name in names if members.get(name) is not None}
    for name, value in said.items():
        if not isinstance(value, str):
            raise Invalid(where, f"'{name}' is text.")
    return said
