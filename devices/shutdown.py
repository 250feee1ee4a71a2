"""Shutdowns are ordered here, and ordered anew for the devices of an earlier one that did not go off."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Q, Sum

from devices import shutdown_askers, shutdown_fields, shutdown_refusals, shutdown_retries, shutdown_start
from devices.models import ID, Device, JobState, ShutdownJob, ShutdownTarget, TargetState, Via
from devices.shutdown_askers import Asker
from devices.shutdown_fields import Order
from portal import audit, clock, outbox, rows
from portal.actor import Actor
from portal.models import User
from portal.refusal import Invalid
from portal.roles import SCOPES
from portal.scopes import Scope
from portal.topics import Topic

COUNTED_FOR = timedelta(minutes=10)
# So many unknown ids are named in a refusal.
NAMED = 20
DECIDED_WITHIN = timedelta(hours=24)


def find(job_id: UUID) -> ShutdownJob:
    """The shutdown with this id."""
    job = ShutdownJob.objects.filter(pk=job_id).first()
    if job is None:
        raise shutdown_refusals.Unknown
    return job


@transaction.atomic
def order(
    wanted: Order,
    *,
    by: Actor,
    via: Via,
    confirm_count: int | None = None,
    retry_of: ShutdownJob | None = None,
    key: UUID | None = None,
    app: str = "",
    installation: str = "",
) -> ShutdownJob:
    """Order the shutdown of these devices, frozen now, each of which goes off at most once.

    From two devices on `confirm_count` must be their number. One device that cannot be shut down is a refusal; among
    several it is skipped. From `SHUTDOWN_APPROVAL_FROM` devices on, together with what the same person or the same app
    ordered without approval in the last ten minutes, another person has to approve it. Ordered twice under one `key`,
    as by a double click, it is the same. `app` and `installation` are those of the app on the device that asks.
    """
    now = clock.now()
    # Of two orders at once the second counts the first. What an app on a device asks for its own device is its own.
    asker = Asker(None) if via == Via.EDGE_APP else shutdown_askers.of(by, lock=True)
    if key is not None and (made := ShutdownJob.objects.filter(pk=key).first()):
        return _same(made, wanted, by)
    shutdown_fields.judge(wanted, now)
    confirm(len(wanted.devices), confirm_count)
    devices = shutdown_start.lock_devices(wanted.devices)
    refuse_unknown(wanted, devices)
    unfit = shutdown_start.unfit(devices)
    refuse_unfit(devices, unfit)
    needs_second = needs_approval(len(devices) - len(unfit), asker=asker, now=now, start_at=wanted.start_at)
    job = ShutdownJob(
        id=key or uuid4(),
        state=_first_state(wanted, needs_approval=needs_second),
        reason=wanted.reason.strip(),
        via=via,
        requested_by=str(by),
        requester_id=by.owner,
        credential=asker.credential,
        credential_owner_id=asker.person if asker.credential else None,
        app=app,
        installation=installation,
        execute_now=wanted.execute_now,
        max_ack_seconds=wanted.max_ack_seconds,
        ttl_seconds=wanted.ttl_seconds,
        device_count=len(devices),
        created_at=now,
        start_at=wanted.start_at,
        needs_approval=needs_second,
        decide_by=min(filter(None, (now + DECIDED_WITHIN, wanted.start_at))) if needs_second else None,
        retry_of=retry_of,
    )
    starts = job.state == JobState.RUNNING
    if starts:
        job.started_at, job.expires_at = now, now + timedelta(seconds=wanted.ttl_seconds)
    job.save(force_insert=True)
    rows.insert([_target(job, device, unfit.get(device.pk, ("", None))[0], now) for device in devices])
    facts = {
        "devices": len(devices), "skipped": len(unfit), "max_ack_seconds": job.max_ack_seconds,
        "execute_now": job.execute_now, "start_at": job.start_at, "approval": needs_second,
    }  # fmt: skip
    subject = ("shutdown", str(job.pk))
    told = [
        audit.Change(("device", each.pk), after={"shutdown": subject[1]}) for each in devices if each.pk not in unfit
    ]
    audit.record_all(by, "shutdown.requested", [audit.Change(subject, after=facts), *told], reason=job.reason)
    outbox.put(
        Topic.SHUTDOWN_REQUESTED, {**message(job), "by": str(by), "reason": job.reason, "approval": needs_second}
    )
    if starts:
        tell_started(job, by)
    return job


@transaction.atomic
def retry(
    job: ShutdownJob,
    *,
    by: Actor,
    via: Via,
    reason: str,
    confirm_count: int | None = None,
    devices: Sequence[str] | None = None,
    ttl_seconds: int | None = None,
    key: UUID | None = None,
) -> ShutdownJob:
    """Order it anew for those of its devices that failed, expired, were skipped or stayed unconfirmed, or for some.

    Each is ordered anew once: of what does not go off then, that later shutdown is the one to retry.
    """
    # As it stands now; of two retries at once the second sees the first.
    job = ShutdownJob.objects.select_for_update().get(pk=find(job.pk).pk)
    if not job.is_final:
        raise shutdown_refusals.StillRunning
    failed = shutdown_retries.failed(job)
    later = shutdown_retries.later(job, failed, but=key)
    if devices is not None:
        shutdown_fields.devices(devices)
        if strange := sorted(set(devices) - set(failed)):
            raise Invalid("devices", f"Of this shutdown {', '.join(strange[:20])} is not to be retried.")
        failed = list(devices)
    if not failed:
        raise shutdown_refusals.NothingToRetry
    left = [each for each in failed if each not in later]
    if not left or (devices is not None and left != failed):
        raise shutdown_refusals.AlreadyRetried(*next((each, later[each]) for each in failed if each in later))
    wanted = Order(
        left,
        reason,
        max_ack_seconds=job.max_ack_seconds,
        execute_now=job.execute_now,
        ttl_seconds=job.ttl_seconds if ttl_seconds is None else ttl_seconds,
    )
    return order(wanted, by=by, via=via, confirm_count=confirm_count, retry_of=job, key=key)


def confirm(number: int, said: int | None) -> None:
    """Refuse an order for several devices whose number was not said, or another one."""
    if (number > 1 and said != number) or said not in (None, number):
        raise shutdown_refusals.CountMismatch(number)


def message(job: ShutdownJob) -> dict[str, object]:
    """What every message about the shutdown as a whole says."""
    return {"shutdown": str(job.pk), "devices": job.device_count}


def tell_started(job: ShutdownJob, by: Actor) -> None:
    after = {"expires_at": job.expires_at}
    audit.record(by, "shutdown.started", ("shutdown", str(job.pk)), after=after)
    outbox.put(Topic.SHUTDOWN_STARTED, message(job))


def refuse_unknown(wanted: Order, devices: Sequence[Device]) -> None:
    """Refuse an order that names devices which are not there; these are the ones that were found."""
    if unknown := sorted(set(wanted.devices) - {device.pk for device in devices}):
        named = ", ".join(
            each if re.fullmatch(ID, each, re.ASCII) else "with an id of odd characters" for each in unknown[:NAMED]
        )
        more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
        raise Invalid("devices", f"There is no device {named}{more}; check the ids.")


def refuse_unfit(devices: Sequence[Device], unfit: dict[str, tuple[str, ShutdownJob | None]]) -> None:
    """Refuse an order of which nothing is left."""
    if len(unfit) < len(devices):
        return
    device = devices[0]
    code, other = unfit[device.pk]
    first = shutdown_refusals.standing(device.pk, code, device.status, other)
    if len(devices) == 1:
        raise first
    raise shutdown_refusals.NothingToDo(str(first))


def approvers(*, but: Any) -> bool:
    """Whether anybody else may approve."""
    roles = [role for role, scopes in SCOPES.items() if Scope.SHUTDOWNS_APPROVE in scopes]
    return User.objects.filter(is_active=True, role__in=roles).exclude(pk=but).exists()


def needs_approval(number: int, *, asker: Asker, now: datetime, start_at: datetime | None = None) -> bool:
    """Whether an order for so many devices has to be approved; refused where nobody else could."""
    least = settings.SHUTDOWN_APPROVAL_FROM
    if not least or not asker.is_known:
        return False
    begins = start_at or now
    own = ShutdownJob.objects.filter(asker.own(), needs_approval=False)
    # Orders of other days that are to begin together are one to the fleet.
    together = Q(state=JobState.SCHEDULED, start_at__range=(begins - COUNTED_FOR, begins + COUNTED_FOR))
    lately = own.filter(Q(created_at__gt=now - COUNTED_FOR) | together)
    ordered = lately.aggregate(devices=Sum("device_count", default=0))["devices"]
    if number + ordered < least:
        return False
    if not approvers(but=asker.person):
        raise shutdown_refusals.NoSecondApprover(number + ordered)
    return True


def _same(made: ShutdownJob, wanted: Order, by: Actor) -> ShutdownJob:
    """What was ordered under this key, if it was this."""
    is_this = (
        made.requester_id == by.owner
        and made.reason == wanted.reason.strip()
        and made.start_at == wanted.start_at
        and (made.max_ack_seconds, made.execute_now, made.ttl_seconds)
        == (wanted.max_ack_seconds, wanted.execute_now, wanted.ttl_seconds)
        and set(made.targets.values_list("device_id", flat=True)) == set(wanted.devices)
    )
    if not is_this:
        raise shutdown_refusals.KeyReused
    return made


def _first_state(wanted: Order, *, needs_approval: bool) -> JobState:
    if needs_approval:
        return JobState.AWAITING_APPROVAL
    return JobState.SCHEDULED if wanted.start_at else JobState.RUNNING


def _target(job: ShutdownJob, device: Device, code: str, now: datetime) -> ShutdownTarget:
    if code:
        return ShutdownTarget(job=job, device_id=device.pk, state=TargetState.SKIPPED, code=code, finished_at=now)
    if job.state != JobState.RUNNING:
        return ShutdownTarget(job=job, device_id=device.pk, state=TargetState.WAITING)
    return ShutdownTarget(
        job=job, device_id=device.pk, state=TargetState.QUEUED, queued_at=now, expires_at=job.expires_at
    )
