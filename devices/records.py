"""The data that a device stores here: under which lock, and its inventory."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.db import transaction
from django.utils import timezone

from devices.models import Device, Inventory
from portal.refusal import Invalid, Refusal

Attributes = Mapping[str, object]

MOST_ATTRIBUTES = 1000
MOST_BYTES = 1_000_000
MOST_SEARCHED = 20_000


class NotAdmitted(Refusal):
    """What the device was granted has ended meanwhile."""

    code = "device_not_admitted"


@contextmanager
def storing(device: Device) -> Iterator[None]:
    """A transaction in which the device stores something; refused once it is not admitted any more.

    The device is locked, so that nothing is stored again behind a denial that has just destroyed it.
    """
    with transaction.atomic():
        locked = Device.objects.select_for_update().filter(pk=device.pk).first()
        if locked is None or not locked.is_admitted:
            raise NotAdmitted(f"{device} is not accepted, so it stores nothing here.")
        yield


def report_inventory(device: Device, attributes: Attributes, *, replace: bool) -> None:
    """Keep what the device reports: all of it in place of what was there, or only the members named.

    Not audited: it is the device's own data and decides nothing.
    """
    with storing(device):
        kept = Inventory.objects.select_for_update().filter(device=device).first()
        inventory = kept or Inventory(device=device)
        merged = dict(attributes) if replace else {**reported(kept), **attributes}
        if len(merged) > MOST_ATTRIBUTES:
            raise Invalid("name", f"A device may report at most {MOST_ATTRIBUTES} attributes.")
        if len(json.dumps(merged)) > MOST_BYTES:
            raise Invalid("value", f"A device may report at most {MOST_BYTES} bytes of attributes in all.")
        if kept is None or merged != inventory.attributes:
            inventory.attributes, inventory.text = merged, searched(merged)
            inventory.reported_at = timezone.now()
            inventory.save()


def reported(inventory: Inventory | None) -> Attributes:
    """What a device has reported; nothing, if what is stored was spoiled and is no object."""
    return inventory.attributes if inventory and isinstance(inventory.attributes, dict) else {}


def searched(attributes: Attributes) -> str:
    """What a search looks through: a line `name=value` for each, a list as its members; the first 20,000 characters."""
    return "\n".join(f"{name}={_plain(value)}" for name, value in attributes.items())[:MOST_SEARCHED]


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return value if isinstance(value, str) else json.dumps(value)
