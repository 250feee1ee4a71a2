"""The steps of updates that a device reports; the newest are kept.

Not audited: they are the device's own data and decide nothing.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeGuard

from django.db.models import Count, F, Max, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from devices import device_time, records
from devices.models import Device, UpdateEvent
from portal import rows

# The newest updates, by the event that was received last, and the newest events of each.
MOST_UPDATES = 20
MOST_OF_AN_UPDATE = 200

_ID = re.compile(r".{1,128}", re.DOTALL)
_CORRELATION = re.compile(r"[A-Za-z0-9_-]{1,128}")

# How many characters are kept of a text; what is longer is cut. Members that are not named here are nobody's business.
EVENT = {"correlationId": 128, "ecu": 256, "targetName": 256, "version": 256, "success": 16, "details": 2000}
EVENT_TYPE = {"id": 256, "version": 256}
_LARGEST = 2**53


def report(device: Device, items: Iterable[Any]) -> None:
    """Keep the events that can be read and are not known yet; the others are skipped without a word.

    An event whose time cannot be read happened now. However many are sent, it takes a handful of statements.
    """
    read: dict[str, UpdateEvent] = {}
    for event in _readable(device, items, timezone.now()):
        read.setdefault(event.event_id, event)
    if not read:
        return
    with records.storing(device):
        kept = UpdateEvent.objects.filter(device=device)
        known = set(kept.filter(event_id__in=read).values_list("event_id", flat=True))
        if new := [event for event_id, event in read.items() if event_id not in known]:
            rows.insert(new)
            _prune(device)


def _readable(device: Device, items: Iterable[Any], now: datetime) -> Iterator[UpdateEvent]:
    for item in items:
        event = item.get("event") if isinstance(item, dict) else None
        if not isinstance(event, dict):
            continue
        event_id, correlation_id = item.get("id"), event.get("correlationId")
        if _fits(event_id, _ID) and _fits(correlation_id, _CORRELATION):
            yield UpdateEvent(
                device=device,
                event_id=event_id,
                correlation_id=correlation_id,
                body={"event": _known(event, EVENT), "eventType": _known(item.get("eventType"), EVENT_TYPE)},
                device_time=device_time.read(item.get("deviceTime")) or now,
                received_at=now,
            )


def _fits(value: object, form: re.Pattern[str]) -> TypeGuard[str]:
    return isinstance(value, str) and form.fullmatch(value) is not None


def _known(sent: object, members: Mapping[str, int]) -> dict[str, Any]:
    """The known members that are plain values, long texts cut, so that no event is larger than a few kilobytes."""
    said = sent if isinstance(sent, dict) else {}
    return {
        name: value[:most] if isinstance(value, str) else value
        for name, most in members.items()
        if isinstance(value := said.get(name), str | bool) or (type(value) is int and abs(value) <= _LARGEST)
    }


def _prune(device: Device) -> None:
    """Remove the updates that are too many, and of each the events that are."""
    kept = UpdateEvent.objects.filter(device=device)
    updates = list(
        kept.values("correlation_id").annotate(last=Max("pk"), number=Count("pk")).order_by("-last")
    )  # fmt: skip
    if old := [update["correlation_id"] for update in updates[MOST_UPDATES:]]:
        kept.filter(correlation_id__in=old).delete()
    long = [update["correlation_id"] for update in updates[:MOST_UPDATES] if update["number"] > MOST_OF_AN_UPDATE]
    if long:
        place = Window(RowNumber(), partition_by=F("correlation_id"), order_by=F("pk").desc())
        placed = kept.filter(correlation_id__in=long).annotate(place=place)
        old_events = placed.filter(place__gt=MOST_OF_AN_UPDATE).values_list("pk", flat=True)
        kept.filter(pk__in=list(old_events)).delete()
