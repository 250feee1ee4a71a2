"""A second person approves a shutdown of many devices, or refuses it."""

from collections.abc import Callable

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from devices import shutdown, shutdown_cancel, shutdown_fields, shutdown_refusals, shutdown_start
from devices.models import JobState, ShutdownJob, TargetState
from portal import audit, clock, outbox
from portal.actor import Actor
from portal.scopes import Scope
from portal.topics import Topic


@transaction.atomic
def approve(
    job: ShutdownJob,
    *,
    by: Actor,
    confirm_count: int | None = None,
    unchanged: Callable[[ShutdownJob], None] = lambda locked: None,
) -> ShutdownJob:
    """Let it start: now, or at its time. The one who ordered it cannot, in person or by a token, nor can an app.

    `confirm_count` must be the number of its devices. `unchanged` refuses, of the locked one, what is not what was
    looked at.
    """
    # The devices before the job, as everything locks them.
    devices = shutdown_start.lock_devices(_waiting(job))
    now, locked = clock.now(), _lock(job)
    unchanged(locked)
    _judge(locked, by)
    shutdown.confirm(locked.device_count, confirm_count)
    if locked.decide_by is not None and locked.decide_by <= now:
        raise shutdown_refusals.TooLate("This shutdown was to be approved earlier and has expired; order it anew.")
    locked.approver_id, locked.decided_by, locked.decided_at = by.owner, str(by), now
    locked.state = JobState.SCHEDULED
    locked.save(update_fields=["approver", "decided_by", "decided_at", "state"])
    starts = locked.start_at is None
    if starts:
        shutdown_start.start(locked, devices, now)
    audit.record(by, "shutdown.approved", ("shutdown", str(locked.pk)), after={"devices": locked.device_count})
    outbox.put(Topic.SHUTDOWN_APPROVED, {**shutdown.message(locked), "by": str(by)})
    if starts:
        shutdown.tell_started(locked, by)
    return locked


@transaction.atomic
def refuse(
    job: ShutdownJob, *, by: Actor, reason: str, unchanged: Callable[[ShutdownJob], None] = lambda locked: None
) -> ShutdownJob:
    """Do not let it start; nobody can approve it afterwards. `unchanged` is asked as by `approve`."""
    shutdown_fields.reason(reason)
    now, locked = clock.now(), _lock(job)
    unchanged(locked)
    _judge(locked, by)
    locked.targets.filter(state=TargetState.WAITING).update(
        state=TargetState.CANCELLED, code=shutdown_cancel.REQUESTED, finished_at=now
    )
    locked.decided_by, locked.decided_at = str(by), now
    locked.state, locked.finished_at = JobState.REFUSED, now
    locked.save(update_fields=["decided_by", "decided_at", "state", "finished_at"])
    audit.record(by, "shutdown.refused", ("shutdown", str(locked.pk)), reason=reason)
    outbox.put(Topic.SHUTDOWN_REFUSED, {**shutdown.message(locked), "by": str(by), "reason": reason})
    return locked


def awaiting(most: int, *, by: Actor) -> "list[ShutdownJob]":
    """What this person may approve or refuse, the oldest first."""
    return list(_awaiting(by).order_by("created_at")[:most])


def how_many_await(*, by: Actor) -> int:
    """How many shutdowns this person may approve or refuse; none for who may not approve."""
    return _awaiting(by).count() if by.may(Scope.SHUTDOWNS_APPROVE) else 0


def _awaiting(by: Actor) -> "QuerySet[ShutdownJob]":
    own = Q(requester=by.owner) | Q(credential_owner=by.owner) if by.owner is not None else Q(pk=None)
    # An older one is past its `decide_by`; state and age are indexed together.
    lately = ShutdownJob.objects.filter(created_at__gt=timezone.now() - shutdown.DECIDED_WITHIN)
    return lately.filter(state=JobState.AWAITING_APPROVAL).exclude(own)


def _judge(job: ShutdownJob, by: Actor) -> None:
    if job.state != JobState.AWAITING_APPROVAL:
        raise shutdown_refusals.NotAwaiting(job)
    if by.owner is None:
        raise shutdown_refusals.NoPerson
    if job.is_of(by.owner):
        raise shutdown_refusals.SamePerson(job)


def _waiting(job: ShutdownJob) -> list[str]:
    return list(job.targets.filter(state=TargetState.WAITING).values_list("device_id", flat=True))


def _lock(job: ShutdownJob) -> ShutdownJob:
    return ShutdownJob.objects.select_for_update().get(pk=job.pk)
