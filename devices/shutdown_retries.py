"""What of a shutdown may be ordered anew: each device that did not go off, once."""

from collections.abc import Collection
from uuid import UUID

from devices.models import ShutdownJob, ShutdownTarget, TargetState
from devices.shutdown_states import RETRIED


def retriable(job: ShutdownJob) -> list[str]:
    """The ids of those of its devices that did not go off and were not ordered anew; none while it is under way."""
    found = failed(job) if job.is_final else []
    return sorted(set(found) - set(later(job, found)))


def failed(job: ShutdownJob) -> list[str]:
    """The ids of those of its devices that did not go off, whether they were ordered anew or not."""
    return list(job.targets.filter(state__in=RETRIED).order_by("device_id").values_list("device_id", flat=True))


def later(job: ShutdownJob, devices: Collection[str], *, but: UUID | None = None) -> dict[str, UUID]:
    """Which of these were ordered anew, and in which shutdown; one that was cancelled before it was claimed is none."""
    anew = ShutdownTarget.objects.filter(job__retry_of=job, device_id__in=devices).exclude(job=but)
    return dict(anew.exclude(state=TargetState.CANCELLED).order_by("pk").values_list("device_id", "job_id"))
