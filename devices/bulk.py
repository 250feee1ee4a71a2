"""The same decision on many devices: each by the one rule and in a transaction of its own, so one no voids no other."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from devices import admission, denial, search
from devices.models import Device, Status
from portal.actor import Actor
from portal.refusal import Invalid, Refusal
from portal.scopes import Scope

MOST = 1000

Verb = Callable[[Device, Actor, str], None]


@dataclass(frozen=True)
class Decision:
    """A verb that may be said about many devices, and the scope that it needs."""

    scope: Scope
    verb: Verb


DECISIONS: Mapping[str, Decision] = {
    "accept": Decision(
        Scope.DEVICES_ADMIT, lambda device, by, reason: admission.decide(device, Status.ACCEPTED, by=by, reason=reason)
    ),
    "reject": Decision(
        Scope.DEVICES_ADMIT, lambda device, by, reason: admission.decide(device, Status.REJECTED, by=by, reason=reason)
    ),
    "deny": Decision(Scope.DEVICES_DELETE, lambda device, by, reason: denial.deny(device, by=by, reason=reason)),
}


@dataclass(frozen=True)
class Outcome:
    """What became of one device: its status, or why it was refused."""

    id: str
    status: str
    code: str = ""
    error: str = ""


def decide(ids: Iterable[str], decision: Decision, *, by: Actor, reason: str = "") -> list[Outcome]:
    """Decide on each device in turn; an id that is named twice is decided on once."""
    return [_one(device_id, decision, by, reason) for device_id in dict.fromkeys(ids)]


def matching(status: str, wanted: str) -> list[str]:
    """The ids of all present devices of this status (any, if empty) that the search finds, frozen as they are now."""
    devices = Device.objects.present()
    if status:
        devices = devices.filter(status=status)
    found = list(search.find(devices, wanted).order_by("pk").values_list("pk", flat=True)[: MOST + 1])
    if len(found) > MOST:
        raise Invalid("filter", f"More than {MOST} devices match; narrow the filter, or decide in several steps.")
    return found


def _one(device_id: str, decision: Decision, by: Actor, reason: str) -> Outcome:
    device = Device.objects.filter(pk=device_id).first()
    try:
        if device is None:
            raise admission.Unknown(device_id)
        decision.verb(device, by, reason)
    except Refusal as refusal:
        return Outcome(device_id, device.status if device else "", refusal.code, str(refusal))
    return Outcome(device_id, "denied" if device.is_denied else device.status)
