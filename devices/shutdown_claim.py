"""The device's side of a shutdown: it learns of one, claims it with a nonce, and reports.

At most once: the claim is one guarded update of one row. A device acts only on the answer to its own claim, and its
nonce does not outlive a reboot.
"""

import hashlib
import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, Q

from devices import installed, shutdown_askers, shutdown_cancel, shutdown_finish, shutdown_ids, shutdown_refusals
from devices.models import OPEN, Device, ShutdownAck, ShutdownTarget, TargetState
from devices.shutdown_states import WAS_CLAIMED
from portal import audit, clock, outbox, rows, text
from portal.actor import Actor
from portal.models import User
from portal.refusal import Invalid
from portal.topics import Topic

NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")


@dataclass(frozen=True)
class Waiting:
    """A claimed shutdown as the device sees it: the seconds its apps have left, who of them has acknowledged, and which
    it waits for."""

    target: ShutdownTarget
    ack_seconds: int
    apps: list[ShutdownAck]
    missing: list[ShutdownAck]
    proceed: bool


def next_for(device: Device) -> ShutdownTarget | None:
    """What the device may claim, if anything is queued for it; one indexed question."""
    target = ShutdownTarget.objects.filter(device_id=device.pk, state__in=OPEN).select_related("job").first()
    if target is None:
        return None
    now = clock.now()
    is_ready = target.state == TargetState.QUEUED and target.expires_at is not None and target.expires_at > now
    return target if is_ready else None


def find(device: Device, job_id: str) -> ShutdownTarget:
    """The part of this shutdown that is for this device; before its start the device need not know of it."""
    asked = ShutdownTarget.objects.filter(job=shutdown_ids.read(job_id), device_id=device.pk, is_former=False)
    target = asked.exclude(state=TargetState.WAITING).select_related("job").first()
    if target is None:
        raise shutdown_refusals.UnknownForDevice
    return target


def claim(target: ShutdownTarget, nonce: str, *, by: Actor) -> Waiting:
    """Take the order: from here on it cannot be cancelled. The same nonce again is the same claim, another is refused.

    It is cancelled instead if the account of who ordered or approved it is not active any more, or the credentials of
    the app that ordered it are disabled or revoked.
    """
    if not NONCE.fullmatch(nonce):
        raise Invalid("claim", "A claim is 16 to 64 of A-Z a-z 0-9 _ and -.")
    digest = hashlib.sha256(nonce.encode()).hexdigest()
    if not (target.state in WAS_CLAIMED and target.nonce == digest):
        now = _claim(target, digest, by)
        target.refresh_from_db()
        if not (target.state in WAS_CLAIMED and target.nonce == digest):
            raise shutdown_refusals.gone(target, now)
    return waiting(target)


def waiting(target: ShutdownTarget) -> Waiting:
    """How far its apps are. Whoever is not on the device any more is not waited for, and at the deadline nobody is."""
    now, acks = clock.now(), list(target.acks.all())
    # Of a second that has begun the whole is theirs.
    left = max(0, math.ceil((target.deadline - now).total_seconds())) if target.deadline else 0
    if target.state not in WAS_CLAIMED:
        return Waiting(target, left, acks, [], proceed=False)
    # A device that lost its place and has it again asks on.
    waits = left and not target.released_at and target.state in (TargetState.CLAIMED, TargetState.UNCONFIRMED)
    missing = awaited(target, acks) if waits else []
    return Waiting(target, left, acks, missing, proceed=not missing)


def progress(target: ShutdownTarget) -> Waiting:
    """The same for the device that asks for it: once told that it may power off, it is not told otherwise."""
    told = waiting(target)
    if told.proceed and told.ack_seconds and target.state == TargetState.CLAIMED and not target.released_at:
        ShutdownTarget.objects.filter(pk=target.pk, released_at=None).update(released_at=clock.now())
    return told


def awaited(target: ShutdownTarget, acks: list[ShutdownAck]) -> list[ShutdownAck]:
    """Those that have not acknowledged and are still on the device."""
    missing = [ack for ack in acks if ack.acknowledged_at is None]
    if not missing:
        return []
    there = {app.installation for app in installed.on([target.device_id])[target.device_id]}
    return [ack for ack in missing if ack.installation in there]


@dataclass(frozen=True)
class Report:
    """What a device says of it: `executing`, `succeeded` or `failed`, and why; its own time is kept and never used."""

    state: str
    code: str = ""
    detail: str = ""
    device_time: str = ""


REPORTED = (TargetState.EXECUTING, TargetState.SUCCEEDED, TargetState.FAILED)


@transaction.atomic
def report(target: ShutdownTarget, said: Report, *, by: Actor) -> TargetState:
    """Take down what the device says; said again it changes nothing."""
    if said.state not in REPORTED:
        raise Invalid("state", f"A report says one of {', '.join(REPORTED)}.")
    for name, value, most in (
        ("code", said.code, 64),
        ("detail", said.detail, 500),
        ("device_time", said.device_time, 64),
    ):
        text.check(name, value, most=most)
    wanted, now = TargetState(said.state), clock.now()
    facts = {"code": said.code, "detail": said.detail, "device_time": said.device_time, "reported_at": now}
    if shutdown_finish.move(target, wanted, now, by=by, **facts):
        return wanted
    target.refresh_from_db()
    if target.state == wanted or (wanted == TargetState.EXECUTING and target.executing_at and target.reported_at):
        return TargetState(target.state)
    if target.claimed_at is None:
        raise shutdown_refusals.NotClaimed(target)
    raise shutdown_refusals.AlreadyReported(target)


@transaction.atomic
def _claim(target: ShutdownTarget, digest: str, by: Actor) -> datetime:
    """Claim it, or cancel it; nothing if it is not queued any more. When that was."""
    job, now = target.job, clock.now()
    stands = shutdown_askers.stand(job.credential)
    behind_it = User.objects.filter(pk__in=[job.requester_id, job.approver_id], is_active=False)
    apps = installed.on([target.device_id])[target.device_id]
    wait = 0 if job.execute_now or not apps else job.max_ack_seconds
    queued = ShutdownTarget.objects.filter(pk=target.pk, state=TargetState.QUEUED, expires_at__gt=now)
    # No join here: only conditions on the row itself are asked again after a wait for its lock.
    claimed = stands and queued.filter(~Q(Exists(behind_it))).update(
        state=TargetState.CLAIMED, nonce=digest, claimed_at=now, deadline=now + timedelta(seconds=wait)
    )
    if not claimed:
        if not stands or behind_it.exists():
            shutdown_cancel.for_inactive(target, by=by)
        return now
    rows.insert(
        [
            ShutdownAck(
                target=target,
                installation=app.installation,
                app=app.name,
                version=app.version,
                acknowledged_at=now if app.installation == job.installation else None,
            )
            for app in apps
        ]
    )
    after = {"shutdown": str(job.pk), "apps": [app.name for app in apps], "ack_seconds": wait}
    audit.record(by, "shutdown.claimed", ("device", target.device_id), after=after)
    outbox.put(Topic.SHUTDOWN_CLAIMED, {"shutdown": str(job.pk), "device": target.device_id})
    return now
