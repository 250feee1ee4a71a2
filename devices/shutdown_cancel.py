"""What was not claimed yet is taken back: by a person, by the app that asked, or because the device lost its place.

Before the claim, cancelling always wins: both are guarded updates of one row. Of what a device without a place has
claimed nobody hears any more.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from devices import shutdown, shutdown_fields, shutdown_finish, shutdown_refusals, shutdown_start
from devices.models import ShutdownJob, ShutdownTarget, TargetState
from devices.shutdown_states import HELD, NOT_CLAIMED, UNDER_WAY
from portal import audit, clock, outbox
from portal.actor import Actor
from portal.refusal import Invalid
from portal.topics import Topic

REQUESTED, DENIED, NOT_ACCEPTED = "requested", "device_denied", "device_not_accepted"
REQUESTER_INACTIVE = "requester_inactive"


@dataclass(frozen=True)
class Cancelled:
    """Which devices stay on, and which had the order already or were through with it."""

    cancelled: list[str]
    too_late: list[str]


@transaction.atomic
def cancel(
    job: ShutdownJob,
    *,
    by: Actor,
    reason: str = "",
    devices: Sequence[str] | None = None,
    unchanged: Callable[[ShutdownJob], None] = lambda locked: None,
) -> Cancelled:
    """Cancel what is not claimed, of all its devices or of these; refused if nothing was left to cancel.

    `unchanged` refuses, of the locked one, what is not what was looked at.
    """
    if reason or by.kind != "app":
        shutdown_fields.reason(reason)
    locked = ShutdownJob.objects.select_for_update().get(pk=job.pk)
    unchanged(locked)
    asked = locked.targets.all()
    if devices is not None:
        shutdown_fields.devices(devices)
        asked = asked.filter(device_id__in=devices)
        if strange := sorted(set(devices) - set(asked.values_list("device_id", flat=True))):
            raise Invalid("devices", f"This shutdown is not for {', '.join(strange[:20])}.")
    done = _cancel(locked, asked.filter(state__in=NOT_CLAIMED), REQUESTED, by, reason, clock.now())
    if not done:
        raise shutdown_refusals.TooLate
    others = asked.exclude(device_id__in=done).exclude(state__in=(TargetState.SKIPPED, TargetState.CANCELLED))
    job.refresh_from_db()
    return Cancelled(sorted(done), sorted(others.values_list("device_id", flat=True)))


def withdraw(devices: Collection[str], code: str, *, by: Actor) -> None:
    """Cancel what these devices have not claimed, in the transaction in which they lose their place.

    What they have claimed cannot be recalled, nor can they report it: it stays unconfirmed.
    """
    under_way = ShutdownTarget.objects.filter(device_id__in=devices, state__in=UNDER_WAY)
    for job in _jobs_of(under_way):
        theirs = under_way.filter(job=job)
        _cancel(job, theirs.filter(state__in=NOT_CLAIMED), code, by, "", clock.now())
        _lose(job, theirs.filter(state__in=HELD), code, by)


def forget(device_id: str) -> None:
    """Keep the shutdowns of a device that is removed from the one that comes with its id after it."""
    ShutdownTarget.objects.filter(device_id=device_id).update(is_former=True)


@transaction.atomic
def withdraw_all(reason: str, *, by: Actor) -> int:
    """Cancel whatever no device has claimed; for how many devices."""
    return _withdraw(ShutdownTarget.objects.filter(state__in=NOT_CLAIMED), REQUESTED, by, reason)


def for_inactive(target: ShutdownTarget, *, by: Actor) -> None:
    """Cancel a queued one whose requester or approver is not active any more; its device asks for it now."""
    job = ShutdownJob.objects.select_for_update().get(pk=target.job_id)
    _cancel(job, job.targets.filter(pk=target.pk, state=TargetState.QUEUED), REQUESTER_INACTIVE, by, "", clock.now())


def _withdraw(left: "shutdown_start.Targets", code: str, by: Actor, reason: str = "") -> int:
    return sum(len(_cancel(job, left.filter(job=job), code, by, reason, clock.now())) for job in _jobs_of(left))


def _jobs_of(targets: "shutdown_start.Targets") -> "QuerySet[ShutdownJob]":
    """Their jobs, locked in one order."""
    jobs = sorted(set(targets.order_by().values_list("job_id", flat=True)))
    return ShutdownJob.objects.select_for_update().filter(pk__in=jobs).order_by("pk")


def _lose(job: ShutdownJob, held: "shutdown_start.Targets", code: str, by: Actor) -> None:
    """Give up on what devices have claimed that cannot report any more; the job is locked."""
    locked = list(held.select_for_update().order_by("device_id"))
    if not locked:
        return
    now, lost = clock.now(), ShutdownTarget.objects.filter(pk__in=[each.pk for each in locked])
    lost.update(state=TargetState.UNCONFIRMED, code=code, finished_at=now)
    shutdown_start.settle(job, now)
    shutdown_finish.tell(job, [each.device_id for each in locked], TargetState.UNCONFIRMED, by, {"code": code})


def _cancel(
    job: ShutdownJob, left: "shutdown_start.Targets", code: str, by: Actor, reason: str, now: datetime
) -> list[str]:
    """Cancel those that are left under their locks; the job is locked. Which devices they were for."""
    locked = list(left.select_for_update().order_by("device_id"))
    if not locked:
        return []
    ShutdownTarget.objects.filter(pk__in=[each.pk for each in locked]).update(
        state=TargetState.CANCELLED, code=code, finished_at=now
    )
    shutdown_start.settle(job, now)
    subject, ids = str(job.pk), [each.device_id for each in locked]
    whole = audit.Change(("shutdown", subject), after={"devices": len(ids), "code": code, "state": job.state})
    each = [audit.Change(("device", device_id), after={"shutdown": subject, "code": code}) for device_id in ids]
    audit.record_all(by, "shutdown.cancelled", [whole, *each], reason=reason)
    told = {**shutdown.message(job), "cancelled": len(ids), "code": code, "by": str(by), "reason": reason}
    outbox.put(Topic.SHUTDOWN_CANCELLED, told)
    return ids
