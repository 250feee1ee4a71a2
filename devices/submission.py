"""A management client submits or preauthorizes a device in its place (seed 002, `PUT /devices/{id}`)."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from devices import admission, expecting, keychange, keys, shutdown_cancel
from devices.expecting import Expected
from devices.identity import Identity
from devices.models import Device, Introduction, Status
from portal import audit, outbox
from portal.actor import Actor
from portal.topics import Topic


def submit(device_id: str, identity: Identity, key: str, *, by: Actor) -> Device:
    """Create the device as pending, or replace what it says of itself and make it pending again.

    What the device was granted ends, and a shutdown that it has not claimed. A device on the denied list, under this id
    or this identity, is refused. `key` may be any text but a private key.
    """
    expecting.refuse_private(key)
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
        shutdown_cancel.withdraw([device.pk], shutdown_cancel.NOT_ACCEPTED, by=by)
        device.refresh_from_db()
    describe(device, identity, key)
    after = {"status": Status.PENDING, "identity": identity.text, "fingerprint": fingerprint}
    audit.record(by, "device.submitted", ("device", device_id), before=before, after=after)
    outbox.put(
        Topic.DEVICE_PENDING, {"device": device_id, "fingerprint": fingerprint, "identity": dict(identity.members)}
    )
    return device


def preauthorize(identity: Identity, key: str, *, by: Actor) -> Device:
    """Create the device as preauthorized: accepted when it proves this key. Its id is its identity's digest."""
    return preauthorize_expected(expecting.expect(identity, key), by=by)


def preauthorize_id(device_id: str, key: str, *, by: Actor) -> Device:
    """The same for a device that has no identity."""
    return preauthorize_expected(expecting.expect_id(device_id, key), by=by)


def preauthorize_expected(expected: Expected, *, by: Actor) -> Device:
    """The same for one that is known to be fit."""
    try:
        with transaction.atomic():
            if refusal := expecting.in_the_way([expected.id]).get(expected.id):
                raise refusal
            return expecting.preauthorize_all([expected], by=by)[0]
    except IntegrityError as taken:
        raise expecting.AlreadyKnown(
            Device.objects.filter(pk=expected.id).first() or Device(id=expected.id, status=Status.PREAUTHORIZED)
        ) from taken


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


def _text_of(device: Device) -> str:
    said = Introduction.objects.filter(device=device).first()
    return said.text if said else ""
