"""What a device says of itself whenever it is served: what it runs, in four headers."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from devices import seen
from devices.models import CheckIn, Device
from portal.refusal import Invalid

LONGEST = 1024
# Where the door names a header that came and is not ASCII, which the app server does not hand on.
UNREADABLE = "x-gatehouse-unreadable"

# The fields of CheckIn by the headers that fill them.
HEADERS: Mapping[str, str] = {
    "x-ats-target": "target",
    "x-ats-tags": "tag",
    "x-ats-dockerapps": "apps",
    "x-ats-ostreehash": "ostree_hash",
}


def read(headers: Mapping[str, str]) -> dict[str, str]:
    """What was said, by field: present and empty clears, absent keeps. `headers` are looked up in any case."""
    said = {}
    if unreadable := headers.get(UNREADABLE):
        raise Invalid(unreadable, f"{unreadable} takes at most {LONGEST} printable ASCII characters.")
    for header, field in HEADERS.items():
        value = headers.get(header)
        if value is None:
            continue
        if len(value) > LONGEST or not (value.isascii() and value.isprintable()):
            raise Invalid(header, f"{header} takes at most {LONGEST} printable ASCII characters.")
        said[field] = value
    return said


def note(device: Device, kept: Mapping[str, str] | None, said: Mapping[str, str], now: datetime) -> None:
    """Remember what was said if it is news, and once a minute that the device was there.

    `kept` is what was said before, None if nothing ever was.
    """
    changed = any(value != (kept or {}).get(field, "") for field, value in said.items())
    if not changed:
        seen.note(device, now)
        return
    with transaction.atomic():
        # The device first and locked by the UPDATE, so that nothing is written behind a denial or a purge.
        present = Device.objects.present().filter(pk=device.pk).update(last_seen=now)
        if present:
            CheckIn.objects.update_or_create(device=device, defaults=said)
    device.last_seen = now
