"""The start of a shutdown: each device that can have the order is given it, the others are skipped.

Whoever starts one has locked its devices first and then the job, in this order, as everything does that needs both.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import QuerySet

from devices.models import OPEN, Device, JobState, ShutdownJob, ShutdownTarget, Status, TargetState
from devices.shutdown_states import outcome

Targets = QuerySet[ShutdownTarget, ShutdownTarget]


def lock_devices(ids: Collection[str]) -> list[Device]:
    """The devices of these ids; until the transaction ends none is denied, rejected or removed."""
    return list(Device.objects.select_for_update().filter(pk__in=ids).order_by("pk"))


def unfit(devices: Collection[Device], *, but: ShutdownJob | None = None) -> dict[str, tuple[str, ShutdownJob | None]]:
    """Of which of these locked devices none can be shut down now, by id: the code, and the shutdown in the way."""
    others = ShutdownTarget.objects.filter(device_id__in=[device.pk for device in devices], state__in=OPEN)
    if but is not None:
        others = others.exclude(job=but)
    in_the_way = {target.device_id: target.job for target in others.select_related("job")}
    found: dict[str, tuple[str, ShutdownJob | None]] = {}
    for device in devices:
        if device.is_denied:
            found[device.pk] = ("device_denied", None)
        elif device.status != Status.ACCEPTED:
            found[device.pk] = ("device_not_accepted", None)
        elif job := in_the_way.get(device.pk):
            found[device.pk] = ("open_job", job)
    return found


def start(job: ShutdownJob, devices: Collection[Device], now: datetime) -> None:
    """Queue what waits; the devices and the job are locked. A device that was removed since is skipped."""
    job.state, job.started_at = JobState.RUNNING, now
    job.expires_at = now + timedelta(seconds=job.ttl_seconds)
    waiting = job.targets.filter(state=TargetState.WAITING)
    why = unfit(devices, but=job)
    fit = {device.pk for device in devices} - set(why)
    for code in {code for code, _ in why.values()}:
        ids = [device_id for device_id, (each, _) in why.items() if each == code]
        waiting.filter(device_id__in=ids).update(state=TargetState.SKIPPED, code=code, finished_at=now)
    waiting.exclude(device_id__in=fit).update(state=TargetState.SKIPPED, code="device_not_accepted", finished_at=now)
    waiting.update(state=TargetState.QUEUED, queued_at=now, expires_at=job.expires_at)
    close(job, now)
    job.save(update_fields=["state", "started_at", "expires_at", "finished_at"])


def settle(job: ShutdownJob, now: datetime) -> None:
    """End the job, which is locked, if none of its devices is under way any more; a late report may mend its end."""
    before = job.state
    close(job, now)
    if job.state != before:
        job.save(update_fields=["state", "finished_at"])


def close(job: ShutdownJob, now: datetime) -> None:
    """Give it the end that its devices came to, still to be saved; none while one of them is under way."""
    states = job.targets.order_by().values_list("state", flat=True).distinct()
    ended = outcome({TargetState(state) for state in states})
    if ended is None or job.state in (JobState.REFUSED, JobState.CANCELLED, JobState.EXPIRED):
        return
    if job.state in (JobState.AWAITING_APPROVAL, JobState.SCHEDULED):
        ended = JobState.CANCELLED  # It never began.
    job.state, job.finished_at = ended, job.finished_at or now
