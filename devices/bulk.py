"""The same decision on many devices, in batches: each wholly or not at all, and one refused device voids no other."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, transaction

from devices import admission, denial, filters
from devices.admission import NOT_LOOKED_AT
from devices.models import Device, Status
from portal import text
from portal.access import ScopeMissing
from portal.actor import Actor
from portal.failures import Unavailable, is_outage
from portal.refusal import Invalid, Refusal
from portal.scopes import Scope

MOST = 10_000
# What a batch holds locked, others wait for: 200 devices take some 30 ms.
BATCH = 200
# Between two batches those get their turn who wait for it; without a pause the next batch would be there first.
PAUSE = 0.003

Verb = Callable[[Sequence[Device], Actor, str, Mapping[str, int]], dict[str, Refusal]]


@dataclass(frozen=True)
class Decision:
    """A verb that may be said about many devices, the scope that it needs, and where it brings a device."""

    scope: Scope
    brings: str
    verb: Verb


DECISIONS: Mapping[str, Decision] = {
    "accept": Decision(
        Scope.DEVICES_ADMIT,
        Status.ACCEPTED,
        lambda devices, by, reason, seen: admission.decide_all(
            devices, Status.ACCEPTED, by=by, reason=reason, seen=seen
        ),
    ),
    "reject": Decision(
        Scope.DEVICES_ADMIT,
        Status.REJECTED,
        lambda devices, by, reason, seen: admission.decide_all(
            devices, Status.REJECTED, by=by, reason=reason, seen=seen
        ),
    ),
    "deny": Decision(
        Scope.DEVICES_DELETE,
        "denied",
        lambda devices, by, reason, seen: denial.deny_all(devices, by=by, reason=reason, seen=seen),
    ),
}


@dataclass(frozen=True)
class Outcome:
    """What became of one device: its status, or why it was refused."""

    id: str
    status: str
    code: str = ""
    error: str = ""


def refuse_without_scope(decision: Decision, by: Actor) -> None:
    """Refuse who may not say this about a device; some decisions need more than others."""
    if not by.may(decision.scope):
        raise ScopeMissing(decision.scope)


def decide(ids: Iterable[str], decision: Decision, *, by: Actor, reason: str = "") -> list[Outcome]:
    """Decide on each device in turn; an id that is named twice is decided on once.

    If the database goes away meanwhile, what is done stays done, and the outcomes say which devices it did not reach.
    """
    refuse_without_scope(decision, by)
    text.check("reason", reason, most=500)
    left, outcomes = list(dict.fromkeys(ids)), list[Outcome]()
    while left:
        try:
            outcomes += decide_batch(left[:BATCH], decision, by=by, reason=reason)
        except DatabaseError as gone:
            if not is_outage(gone):
                raise
            return outcomes + [_not_reached(device_id) for device_id in left]
        left = left[BATCH:]
        time.sleep(PAUSE if left else 0)
    return outcomes


@transaction.atomic
def decide_batch(
    ids: Sequence[str], decision: Decision, *, by: Actor, reason: str = "", seen: Mapping[str, int] = NOT_LOOKED_AT
) -> list[Outcome]:
    """Decide on these in one transaction, and say in their order what became of each.

    `seen` holds the revisions that a person looked at; a device that has changed since is not decided on.
    """
    locked = Device.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    devices = {device.pk: device for device in locked}
    refusals = decision.verb(list(devices.values()), by, reason, seen)
    return [_outcome(device_id, devices.get(device_id), refusals.get(device_id), decision) for device_id in ids]


def matching(wanted: Mapping[str, Any]) -> list[str]:
    """The ids of all present devices that pass the filters of the list, frozen as they are now."""
    devices = filters.narrow(Device.objects.present(), wanted)
    found = list(devices.order_by("pk").values_list("pk", flat=True)[: MOST + 1])
    if len(found) > MOST:
        raise Invalid("filter", f"More than {MOST:,} devices match; narrow the filter, or decide in several steps.")
    return found


def _outcome(device_id: str, device: Device | None, refusal: Refusal | None, decision: Decision) -> Outcome:
    if device is None:
        refusal = admission.Unknown(device_id)
    if refusal is None:
        return Outcome(device_id, decision.brings)
    return Outcome(device_id, device.standing if device else "", refusal.code, str(refusal))


def _not_reached(device_id: str) -> Outcome:
    return Outcome(device_id, "", Unavailable.code, "The database did not answer; decide on this device again.")
