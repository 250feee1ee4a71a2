"""A management client submits or preauthorizes a device in its place (seed 002, `PUT /devices/{id}`)."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from devices import admission, keychange, keys
from devices.identity import Identity
from devices.models import Device, Introduction, Status
from portal import audit, outbox
from portal.actor import Actor
from portal.refusal import Invalid, Refusal


class AlreadyKnown(Refusal):
    """The id or the identity belongs to a device in some status."""

    code = "device_exists"

    def __init__(self, device: Device) -> None:
        super().__init__(f"{device} is {device.status} already and has this id or identity; decide about that one.")


def submit(device_id: str, identity: Identity, key: str, *, by: Actor) -> Device:
    """Create the device as pending, or replace what it says of itself and make it pending again.

    What the device was granted ends. A device on the denied list, under this id or this identity, is refused.
    `key` may be any text but a private key.
    """
    _judge(key)
    try:
        with transaction.atomic():
            return _submit(device_id, identity, key, by)
    except IntegrityError:
        # Somebody else created it in this moment; now it is there to be replaced.
        with transaction.atomic():
            return _submit(device_id, identity, key, by)


def _submit(device_id: str, identity: Identity, key: str, by: Actor) -> Device:
    device = Device.objects.select_for_update().filter(pk=device_id).first()
    refuse_denied(device_id, identity)  # Under the lock, so that a denial in this moment is not overwritten.
    now, fingerprint = timezone.now(), keys.fingerprint(key)
    facts = {"identity_digest": identity.digest, "fingerprint": fingerprint, "request_time": now}
    before = None
    if device is None:
        device = Device.objects.create(id=device_id, **facts)
    else:
        before = {"status": device.status, "identity": _text_of(device), "fingerprint": device.fingerprint}
        Device.objects.filter(pk=device_id).update(
            status=Status.PENDING,
            revision=device.revision + 1,
            epoch=device.epoch + 1,
            decided_at=None,
            decided_by="",
            **facts,
        )
        if device.fingerprint != fingerprint:
            keychange.retire(device, device.fingerprint)
            device.retired_keys.filter(fingerprint=fingerprint).delete()
        keychange.supersede([device.pk])
        device.refresh_from_db()
    describe(device, identity, key)
    after = {"status": Status.PENDING, "identity": identity.text, "fingerprint": fingerprint}
    audit.record(by, "device.submitted", ("device", device_id), before=before, after=after)
    outbox.put("device.pending", {"device": device_id, "fingerprint": fingerprint, "identity": dict(identity.members)})
    return device


def preauthorize(identity: Identity, key: str, *, by: Actor) -> Device:
    """Create the device as preauthorized: accepted when it proves this key. Its id is its identity's digest."""
    return _expect(identity.digest, identity, key, by)


def preauthorize_id(device_id: str, key: str, *, by: Actor) -> Device:
    """The same for a device that has no identity: its id is the CN of the certificate that it will come with."""
    return _expect(device_id, None, key, by)


def _expect(device_id: str, identity: Identity | None, key: str, by: Actor) -> Device:
    _judge(key)
    try:
        proven = keys.read(key)
    except keys.Unusable as unusable:
        raise Invalid("key", f"The key cannot be used: {unusable}.") from unusable
    said = {"text": identity.text, "members": identity.members} if identity else {}
    try:
        with transaction.atomic():
            refuse_known(device_id)
            device: Device = Device.objects.create(
                id=device_id,
                status=Status.PREAUTHORIZED,
                identity_digest=identity.digest if identity else "",
                fingerprint=proven.fingerprint,
            )
            Introduction.objects.create(device=device, key=key, **said)
            after = {"status": device.status, "identity": said.get("text", ""), "fingerprint": proven.fingerprint}
            audit.record(by, "device.preauthorized", ("device", device.pk), after=after)
    except IntegrityError as taken:
        raise AlreadyKnown(
            Device.objects.filter(pk=device_id).first() or Device(id=device_id, status=Status.PREAUTHORIZED)
        ) from taken
    return device


def refuse_known(device_id: str) -> None:
    """Refuse an id that a device has as its id or as the digest of its identity; a denied one is named first."""
    known = Device.objects.claiming(device_id)
    if denied := known.denied().first():
        raise admission.Denied(denied)
    if other := known.first():
        raise AlreadyKnown(other)


def describe(device: Device, identity: Identity, key: str) -> None:
    """Keep what the device says of itself, in place of what it said before."""
    Introduction.objects.update_or_create(
        device=device, defaults={"text": identity.text, "members": identity.members, "key": key}
    )


def refuse_denied(device_id: str, identity: Identity) -> None:
    """Refuse an id or an identity, in any spelling, that is on the denied list."""
    listed = Device.objects.denied()
    if denied := (listed.filter(pk=device_id) | listed.claiming(identity.digest)).first():
        raise admission.Denied(denied)


def _judge(key: str) -> None:
    if keys.is_private(key):
        raise Invalid("key", "This is a private key; submit the public one, and make the device a new pair.")


def _text_of(device: Device) -> str:
    said = Introduction.objects.filter(device=device).first()
    return said.text if said else ""
