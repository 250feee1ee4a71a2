"""The admission of a device: which decision may follow which status, and how one is made."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from devices import shutdown_cancel
from devices.models import Device, Status
from portal import audit, outbox, text
from portal.actor import Actor
from portal.refusal import NotFound, Refusal
from portal.topics import Topic

PENDING, ACCEPTED, REJECTED = Status.PENDING, Status.ACCEPTED, Status.REJECTED

DECISIONS: Mapping[str, tuple[Status, ...]] = {
    PENDING: (ACCEPTED, REJECTED),
    ACCEPTED: (REJECTED,),
    REJECTED: (ACCEPTED,),
    Status.PREAUTHORIZED: (),
}
NOT_LOOKED_AT: Mapping[str, int] = MappingProxyType({})


class NotPossible(Refusal):
    """The device is in another state than this needs, or in another than was seen."""

    code = "admission_not_possible"


class Denied(Refusal):
    """The device is on the denied list, where no admission is decided."""

    code = "device_denied"

    def __init__(self, device: Device) -> None:
        super().__init__(f"{device} is on the denied list; restore it first.")


class Unknown(NotFound):
    code = "device_not_found"

    def __init__(self, device_id: str) -> None:
        super().__init__(f"There is no device {device_id}; check the id, and the denied list.")


def find(device_id: str, among: QuerySet[Device] | None = None) -> Device:
    """The device of this id, of all or of those `among` which it may be."""
    devices = Device.objects.all() if among is None else among
    device: Device | None = devices.filter(pk=device_id).first()
    if device is None:
        raise Unknown(device_id)
    return device


def decisions(device: Device) -> tuple[Status, ...]:
    """What may be decided about this device now."""
    return () if device.is_denied else DECISIONS[device.status]


@transaction.atomic
def decide(device: Device, decision: Status, *, by: Actor, reason: str = "", seen: int | None = None) -> None:
    """Admit or reject a device. Of two people deciding at once, the second is refused and told who was first.

    `seen` is the revision that the person looked at; a device that has changed since is not decided on. Rejecting ends
    what the device was granted.
    """
    text.check("reason", reason, most=500)
    if refusal := _refusal(device, decision, seen):
        raise refusal
    before = device.status
    decided = Device.objects.unchanged(device).update(**_decided(decision, by))
    read_again(device)
    if not decided:
        raise Denied(device) if device.is_denied else NotPossible(_standing(device, decision, stale=True))
    if decision == REJECTED:
        shutdown_cancel.withdraw([device.pk], shutdown_cancel.NOT_ACCEPTED, by=by)
    audit.record(
        by,
        f"device.{decision}",
        ("device", device.pk),
        before={"status": before},
        after={"status": decision},
        reason=reason,
    )
    outbox.put(Topic(f"device.{decision}"), {"device": device.pk, "by": str(by)})


@transaction.atomic
def decide_all(
    devices: Iterable[Device], decision: Status, *, by: Actor, reason: str = "", seen: Mapping[str, int] = NOT_LOOKED_AT
) -> dict[str, Refusal]:
    """The same for many devices, which the transaction has locked; the refusals of those that stay as they are."""
    text.check("reason", reason, most=500)
    changes, refusals = [], {}
    for device in devices:
        if refusal := _refusal(device, decision, seen.get(device.pk)):
            refusals[device.pk] = refusal
        else:
            changes.append(audit.Change(("device", device.pk), {"status": device.status}, {"status": decision}))
    decided = [device_id for _, device_id in (change.subject for change in changes)]
    if decided:
        Device.objects.filter(pk__in=decided).update(**_decided(decision, by))
        if decision == REJECTED:
            shutdown_cancel.withdraw(decided, shutdown_cancel.NOT_ACCEPTED, by=by)
        audit.record_all(by, f"device.{decision}", changes, reason=reason)
        outbox.put_all(Topic(f"device.{decision}"), [{"device": device_id, "by": str(by)} for device_id in decided])
    return refusals


def _refusal(device: Device, decision: Status, seen: int | None) -> Refusal | None:
    """Why this may not be decided about the device as it was read, if it may not."""
    if device.is_denied:
        return Denied(device)
    stale = seen is not None and seen != device.revision
    if stale or decision not in DECISIONS[device.status]:
        return NotPossible(_standing(device, decision, stale=stale))
    return None


def _decided(decision: Status, by: Actor) -> dict[str, Any]:
    return {
        "status": decision,
        "revision": F("revision") + 1,
        "epoch": F("epoch") + int(decision == REJECTED),
        "decided_at": timezone.now(),
        "decided_by": str(by),
    }


def read_again(device: Device) -> None:
    """Take what the database says now; a device that was purged meanwhile is unknown."""
    try:
        device.refresh_from_db()
    except Device.DoesNotExist:
        raise Unknown(device.pk) from None


def _standing(device: Device, decision: Status, *, stale: bool) -> str:
    """Where the device stands and who brought it there, so that a person knows what happened meanwhile."""
    who = f", by {device.decided_by} at {device.decided_at:%Y-%m-%d %H:%M:%S} UTC" if device.decided_at else ""
    if stale:
        return f"{device} has changed since you looked: it is {device.status}{who}. Look again, then decide."
    return f"{device} is {device.status}{who}, so it cannot become {decision}."
