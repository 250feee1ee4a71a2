"""The data that a device stores here: its inventory."""

import json
from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from devices.models import Device, Inventory
from portal.refusal import Invalid, Refusal

Attributes = Mapping[str, object]

MOST_ATTRIBUTES = 1000
MOST_BYTES = 1_000_000


class NotAdmitted(Refusal):
    """What the device was granted has ended meanwhile."""

    code = "device_not_admitted"


def report_inventory(device: Device, attributes: Attributes, *, replace: bool) -> None:
    """Keep what the device reports: all of it in place of what was there, or only the members named.

    Not audited: it is the device's own data and decides nothing.
    """
    with transaction.atomic():
        # Locked, so that nothing is stored again behind a denial that has just destroyed it.
        locked = Device.objects.select_for_update().filter(pk=device.pk).first()
        if locked is None or not locked.is_admitted:
            raise NotAdmitted(f"{device} is not accepted, so it stores nothing here.")
        inventory, _ = Inventory.objects.select_for_update().get_or_create(device=device)
        merged = dict(attributes) if replace else {**inventory.attributes, **attributes}
        if len(merged) > MOST_ATTRIBUTES:
            raise Invalid("name", f"A device may report at most {MOST_ATTRIBUTES} attributes.")
        if len(json.dumps(merged)) > MOST_BYTES:
            raise Invalid("value", f"A device may report at most {MOST_BYTES} bytes of attributes in all.")
        if merged != inventory.attributes:
            inventory.attributes, inventory.reported_at = merged, timezone.now()
            inventory.save()
