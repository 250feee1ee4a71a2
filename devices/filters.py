"""What the list of devices over REST can be narrowed and ordered by.

A filter that few devices pass is turned into their ids, which an index finds; of one that many pass, the next page is
met soon on the way through the list in its own order.
"""

import re
from collections.abc import Mapping
from typing import Any

from devices import counts, search
from devices.models import Device, DeviceQuerySet, Status
from portal import parameters
from portal.parameters import Line, Moment, Parameter, Word

ORDERS = ("id", "request_time", "-request_time", "last_seen", "-last_seen")

_FINGERPRINT = re.compile(r"[0-9a-f]{64}|[0-9a-f]{2}(:[0-9a-f]{2}){31}", re.ASCII)


class Fingerprint(Parameter):
    """The SHA-256 of a key in hex, in either of the two spellings that people copy."""

    def read(self, sent: str) -> str:
        if not _FINGERPRINT.fullmatch(sent.lower()):
            raise self.refuse(
                f"'{self.name}' is a SHA-256: 64 hex digits, with a colon after every second one or none."
            )
        return sent.lower().replace(":", "")

    def shape(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^([0-9A-Fa-f]{64}|[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31})$"}


STATUS = Word(name="status", description="Only devices of this status.", words=Status.values, lookup="status")
SEARCH = Line(
    name="q",
    description="The beginning of an id or a fingerprint, or 3 or more characters of the identity or of an attribute.",
)
ORDERING = Word(
    name="ordering",
    description="By which member the list is ordered, with `-` the other way round; ties by id. "
    "A device that was never seen comes before all others.",
    words=ORDERS,
    usual="id",
)
FILTERS = (
    STATUS,
    SEARCH,
    Fingerprint(name="fingerprint", description="Only devices with this key.", lookup="fingerprint"),
    Moment(name="asked_after", description="Only those that asked then or later.", lookup="request_time__gte"),
    Moment(name="asked_before", description="Only those that asked before then.", lookup="request_time__lt"),
    Moment(name="seen_after", description="Only those last seen then or later.", lookup="last_seen__gte"),
    Moment(name="seen_before", description="Only those last seen before then.", lookup="last_seen__lt"),
)


def narrow(devices: DeviceQuerySet, wanted: Mapping[str, Any]) -> DeviceQuerySet:
    """The devices that pass every filter."""
    if conditions := parameters.conditions(FILTERS, wanted):
        devices = devices.filter(**conditions)
    if conditions.keys() - {STATUS.lookup}:
        few = list(_indexed(conditions).values_list("pk", flat=True)[: search.FEW + 1])
        devices = devices.filter(pk__in=few) if len(few) <= search.FEW else devices
    return search.find(devices, wanted.get(SEARCH.name, ""))


def total(wanted: Mapping[str, Any]) -> int | None:
    """How many devices pass; None under a filter for which no count is kept."""
    if any(each.name in wanted for each in FILTERS if each is not STATUS):
        return None
    return counts.by_tab()[wanted.get(STATUS.name, counts.ALL)]


def _indexed(conditions: Mapping[str, Any]) -> DeviceQuerySet:
    found: DeviceQuerySet = Device.objects.filter(**conditions)
    # The index of keys leaves out devices without one, and is used only where the query says so too.
    return found.exclude(fingerprint="") if "fingerprint" in conditions else found
