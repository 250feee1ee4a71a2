"""A device enrols as the ORM's own documentation would have it done: the same rules and rows, one model at a time."""

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from devices.arrival import MOST_WAITING, TooManyWaiting
from devices.identity import Identity
from devices.keys import Key
from devices.models import Device, Introduction, Status
from portal import audit, request_id
from portal.actor import Actor
from portal.models import AuditEvent, AuditHead, Outbox


@transaction.atomic
def introduce(identity: Identity, key: Key, *, address: str) -> Device:
    claiming = Q(identity_digest=identity.digest) | Q(pk=identity.digest)
    known = Device.objects.select_for_update().filter(claiming).first()
    if known:
        return known
    if Device.objects.filter(denied_at=None, status=Status.PENDING).count() >= MOST_WAITING:
        raise TooManyWaiting
    now = timezone.now()
    device, _ = Device.objects.get_or_create(
        id=identity.digest,
        defaults={
            "status": Status.PENDING,
            "identity_digest": identity.digest,
            "fingerprint": key.fingerprint,
            "request_time": now,
            "last_seen": now,
        },
    )
    Introduction.objects.update_or_create(
        device=device, defaults={"text": identity.text, "members": dict(identity.members), "key": key.pem}
    )
    after = {"status": Status.PENDING, "identity": identity.text, "fingerprint": key.fingerprint}
    append(Actor.device(device.pk, address), "device.asked", device, after)
    body = {"device": device.pk, "fingerprint": key.fingerprint, "identity": dict(identity.members)}
    Outbox.objects.create(topic="device.pending", body=body)
    return device


def append(by: Actor, verb: str, device: Device, after: dict[str, str]) -> None:
    head = AuditHead.objects.select_for_update().get()
    last = AuditEvent.objects.order_by("-number").first()
    event = AuditEvent(
        number=last.number + 1 if last else 1,
        at=timezone.now(),
        actor=by.name,
        actor_kind=by.kind,
        address=by.address,
        verb=verb,
        subject_kind="device",
        subject_id=device.pk,
        after=after,
        request_id=request_id.current(),
    )
    event.mac = audit.link(last.mac if last else "", event)
    event.save()
    head.number, head.mac = event.number, event.mac
    head.save()
