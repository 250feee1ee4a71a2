"""The apps on a device learn of a shutdown from its claim on, and acknowledge it; none of them can veto it."""

from django.db import transaction

from devices import shutdown_ids, shutdown_refusals
from devices.installed import App
from devices.models import ShutdownAck, ShutdownTarget, TargetState
from devices.shutdown_states import NOT_CLAIMED
from portal import audit, clock, outbox, text
from portal.actor import Actor
from portal.topics import Topic


def pending(device_id: str) -> ShutdownTarget | None:
    """What the apps on this device are to be told of."""
    claimed = ShutdownTarget.objects.filter(device_id=device_id, state=TargetState.CLAIMED)
    return claimed.select_related("job").first()


def find(device_id: str, job_id: str) -> ShutdownTarget:
    """The part of this shutdown that is for the device on which an app asks, whoever ordered it.

    Of one that has not begun no app knows.
    """
    there = ShutdownTarget.objects.filter(job=shutdown_ids.read(job_id), device_id=device_id, is_former=False)
    target = there.exclude(state=TargetState.WAITING).select_related("job").first()
    if target is None:
        raise shutdown_refusals.UnknownForDevice
    return target


@transaction.atomic
def acknowledge(target: ShutdownTarget, app: App, *, by: Actor, detail: str = "") -> ShutdownAck:
    """Say that this app is ready; said again it changes nothing. One that came after the claim may say so too."""
    text.check("detail", detail, most=200)
    locked = ShutdownTarget.objects.select_for_update().select_related("job").get(pk=target.pk)
    if locked.state in NOT_CLAIMED:
        raise shutdown_refusals.NotClaimed(locked)
    found = locked.acks.filter(installation=app.installation).first()
    if found is not None and found.acknowledged_at:
        return found
    if locked.state != TargetState.CLAIMED:
        raise shutdown_refusals.TooLate("The device powers off already, or the shutdown has ended.")
    ack, _ = ShutdownAck.objects.update_or_create(
        target=locked,
        installation=app.installation,
        defaults={"app": app.name, "version": app.version, "detail": detail, "acknowledged_at": clock.now()},
    )
    facts = {"shutdown": str(locked.job_id), "app": app.name}
    audit.record(by, "shutdown.acknowledged", ("device", locked.device_id), after={**facts, "detail": detail})
    outbox.put(Topic.SHUTDOWN_ACKNOWLEDGED, {"device": locked.device_id, **facts})
    return ack
