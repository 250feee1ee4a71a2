"""What the clock does to shutdowns: they start, expire, stay unconfirmed, or are taken as done.

Any number of workers may do it at once: each looks again under the lock of the job.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from devices import shutdown, shutdown_finish, shutdown_start
from devices.models import Device, JobState, ShutdownJob, ShutdownTarget, TargetState
from devices.shutdown_heard import SLACK
from portal import audit, clock, outbox
from portal.actor import Actor
from portal.topics import Topic

REPORT_WITHIN = timedelta(seconds=120)
SILENT_FOR = timedelta(seconds=60)


def move_on(*, by: Actor) -> None:
    """Do what is due."""
    now = clock.now()
    decided = Q(state=JobState.AWAITING_APPROVAL, decide_by__lte=now)
    for job_id in ShutdownJob.objects.filter(decided).values_list("pk", flat=True):
        _give_up(job_id, now, by)
    due = Q(state=JobState.SCHEDULED, start_at__lte=now)
    for job_id in ShutdownJob.objects.filter(due).values_list("pk", flat=True):
        _start(job_id, now, by)
    for state, late, become in _LATE:
        targets = ShutdownTarget.objects.filter(late(now), state=state)
        for job_id in sorted(set(targets.order_by().values_list("job_id", flat=True))):
            _finish(job_id, late(now), state, become, now, by)


def _expired(now: datetime) -> Q:
    return Q(expires_at__lte=now)


def _unreported(now: datetime) -> Q:
    return Q(deadline__lte=now - REPORT_WITHIN)


def _talking(now: datetime) -> Q:
    """Those that were heard after they said that they power off."""
    heard = Device.objects.filter(pk=OuterRef("device_id"), last_seen__gt=OuterRef("executing_at") + SLACK)
    return Q(executing_at__lte=now - SILENT_FOR) & (Q(heard_at__isnull=False) | Q(Exists(heard)))


def _silent(now: datetime) -> Q:
    return Q(executing_at__lte=now - SILENT_FOR)


# In this order: who still talks is not silent.
_LATE: tuple[tuple[TargetState, Callable[[datetime], Q], TargetState], ...] = (
    (TargetState.QUEUED, _expired, TargetState.EXPIRED),
    (TargetState.CLAIMED, _unreported, TargetState.UNCONFIRMED),
    (TargetState.EXECUTING, _talking, TargetState.UNCONFIRMED),
    (TargetState.EXECUTING, _silent, TargetState.SUCCEEDED),
)


@transaction.atomic
def _finish(job_id: UUID, late: Q, state: TargetState, become: TargetState, now: datetime, by: Actor) -> None:
    job = ShutdownJob.objects.select_for_update().get(pk=job_id)
    locked = list(job.targets.select_for_update(of=("self",)).filter(late, state=state).order_by("device_id"))
    if not locked:
        return
    job.targets.filter(pk__in=[target.pk for target in locked]).update(state=become, finished_at=now)
    shutdown_start.settle(job, now)
    shutdown_finish.tell(job, [target.device_id for target in locked], become, by, {})


@transaction.atomic
def _start(job_id: UUID, now: datetime, by: Actor) -> None:
    waiting = ShutdownTarget.objects.filter(job=job_id, state=TargetState.WAITING)
    devices = shutdown_start.lock_devices(list(waiting.values_list("device_id", flat=True)))
    job = ShutdownJob.objects.select_for_update().get(pk=job_id)
    if job.state != JobState.SCHEDULED:
        return
    shutdown_start.start(job, devices, now)
    shutdown.tell_started(job, by)


@transaction.atomic
def _give_up(job_id: UUID, now: datetime, by: Actor) -> None:
    """Nobody has approved it in time."""
    job = ShutdownJob.objects.select_for_update().get(pk=job_id)
    if job.state != JobState.AWAITING_APPROVAL:
        return
    job.targets.filter(state=TargetState.WAITING).update(state=TargetState.EXPIRED, finished_at=now)
    job.state, job.finished_at = JobState.EXPIRED, now
    job.save(update_fields=["state", "finished_at"])
    audit.record(by, "shutdown.expired", ("shutdown", str(job.pk)), after={"devices": job.device_count})
    outbox.put(Topic.SHUTDOWN_EXPIRED, shutdown.message(job))
