"""What shutdowns left behind on a device: those it was part of, and that it is off by command until it is seen."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import OuterRef, Subquery

from devices.models import Device, ShutdownTarget, TargetState
from devices.shutdown_heard import SLACK

LATEST = 10


@dataclass(frozen=True)
class Off:
    """A device went off by command of a person, a token or an app, in this shutdown."""

    by: str
    since: datetime
    job: UUID


def mark(devices: Iterable[Device]) -> None:
    """Put beside each device as `off` whether it is off by command; one question for all."""
    known = list(devices)
    went = _went_last(device.pk for device in known)
    for device in known:
        device.off = _off(device, went.get(device.pk))  # type: ignore[attr-defined]


def of(device: Device) -> list[ShutdownTarget]:
    """The latest shutdowns that the device was part of, the newest first."""
    return list(ShutdownTarget.objects.filter(device_id=device.pk).select_related("job").order_by("-pk")[:LATEST])


def _went_last(ids: Iterable[str]) -> dict[str, ShutdownTarget]:
    """When each device went off by command the last time; one step in an index for each, however long its history."""
    own = ShutdownTarget.objects.filter(device_id=OuterRef("pk"), is_former=False)
    succeeded = own.filter(state=TargetState.SUCCEEDED)
    last = Device.objects.filter(pk__in=list(ids)).values(last=Subquery(succeeded.order_by("-pk").values("pk")[:1]))
    return {target.device_id: target for target in ShutdownTarget.objects.filter(pk__in=last).select_related("job")}


def _off(device: Device, target: ShutdownTarget | None) -> Off | None:
    """It went off, and has not been seen since, give or take 10 s for a request that was under way."""
    since = (target.executing_at or target.finished_at) if target else None
    if target is None or since is None or (device.last_seen and device.last_seen > since + SLACK):
        return None
    return Off(target.job.requested_by, since, target.job_id)
