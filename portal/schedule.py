"""What the worker does again and again. Each run is claimed by its row, so that two workers never do it twice."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
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
    for job in jobs():
        if claim(job):
            ran += 1
            try:
                job.run()
            except Exception:  # One broken job must not stop deadlines and notices of others.
                log.exception("The job %s failed; it runs again in %s s.", job.name, job.seconds)
    return ran


def claim(job: Job) -> bool:
    """Move the job's due time on; of several workers exactly one succeeds."""
    now = timezone.now()
    following = now + timedelta(seconds=job.seconds)
    try:
        with transaction.atomic():
            moved = ScheduledJob.objects.filter(name=job.name, due_at__lte=now).update(due_at=following)
            # A clock that was set back must not put a job off for hours.
            stuck = not moved and ScheduledJob.objects.filter(
                name=job.name, due_at__gt=now + timedelta(seconds=2 * job.seconds)
            ).update(due_at=following)
            if not moved and not stuck and not ScheduledJob.objects.filter(name=job.name).exists():
                ScheduledJob.objects.create(name=job.name, due_at=following)
                return True
    except Error:
        log.warning("The job %s could not be claimed: the database does not answer.", job.name)
        return False
    return bool(moved)
