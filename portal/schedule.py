"""What the worker does again and again. Each run is claimed by its row, so that two workers never do it twice."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event

from django.db import Error, transaction
from django.utils import timezone

from portal.models import ScheduledJob

log = logging.getLogger("gatehouse.worker")


@dataclass(frozen=True)
class Job:
    name: str
    seconds: float
    run: Callable[[], object]


_jobs: dict[str, Job] = {}
_companions: dict[str, Callable[[Event], None]] = {}


def every(seconds: float, name: str) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """Register a function that the worker runs about every so many seconds, once over all workers."""

    def register(run: Callable[[], object]) -> Callable[[], object]:
        _jobs[name] = Job(name, seconds, run)
        return run

    return register


def jobs() -> list[Job]:
    return list(_jobs.values())


def beside(name: str) -> Callable[[Callable[[Event], None]], Callable[[Event], None]]:
    """Register a function for what may take long: it runs in a thread of its own until the event says to stop."""

    def register(run: Callable[[Event], None]) -> Callable[[Event], None]:
        _companions[name] = run
        return run

    return register


def companions() -> dict[str, Callable[[Event], None]]:
    return dict(_companions)


def run_due() -> int:
    """Run each job that is due; a job that fails is logged and comes again, and the others go on."""
    ran = 0
    for job in _due():
        if claim(job):
            ran += 1
            try:
                job.run()
            except Exception:  # One broken job must not stop deadlines and notices of others.
                log.exception("The job %s failed; it runs again in %s s.", job.name, job.seconds)
    return ran


def _due() -> list[Job]:
    """Those that look due. To look costs one question; to claim each would lock the database each time."""
    try:
        due_at = dict(ScheduledJob.objects.values_list("name", "due_at"))
    except Error:
        log.warning("No job runs: the database does not answer.")
        return []
    now = timezone.now()
    return [job for job in jobs() if job.name not in due_at or not now < due_at[job.name] <= _latest(job, now)]


def _latest(job: Job, now: datetime) -> datetime:
    """A job that is due later than this was put off by a clock that was ahead then."""
    return now + timedelta(seconds=2 * job.seconds)


def claim(job: Job) -> bool:
    """Move the job's due time on; of several workers exactly one succeeds."""
    now = timezone.now()
    following = now + timedelta(seconds=job.seconds)
    row = ScheduledJob.objects.filter(name=job.name)
    try:
        with transaction.atomic():
            if row.filter(due_at__lte=now).update(due_at=following):
                return True
            # A clock that was set back must not put a job off for hours.
            row.filter(due_at__gt=_latest(job, now)).update(due_at=following)
            _, is_new = row.get_or_create(defaults={"name": job.name, "due_at": following})
            return is_new
    except Error:
        log.warning("The job %s could not be claimed: the database does not answer.", job.name)
        return False
