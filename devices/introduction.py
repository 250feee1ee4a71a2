"""A device has proved a key and says who it is: which record speaks for it, and what follows."""

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from devices import counts, enrolment, keychange, submission
from devices.identity import Identity
from devices.keys import Key
from devices.models import SEEN_NOTED_EVERY, Device, Introduction, Status
from portal import audit, outbox, rows
from portal.actor import Actor
from portal.refusal import Refusal

MOST_WAITING = 50_000
ATTEMPTS = 10


class TooManyWaiting(Refusal):
    """Nobody decides on so many; the device may come again later."""

    status, code = 429, "too_many_waiting"
    retry_after = 300

    def __init__(self) -> None:
        super().__init__("Too many devices are waiting for a decision; ask again in five minutes.")


class Contended(Refusal):
    """Others kept changing the same record; a client that tries again will be served."""

    status, code = 503, "device_contended"
    retry_after = 1


@dataclass(frozen=True)
class Outcome:
    """The record that speaks for the identity, and whether the key that was proved is the record's own."""

    device: Device
    proved: bool

    @property
    def is_admitted(self) -> bool:
        return self.proved and self.device.is_admitted


def introduce(identity: Identity, key: Key, *, address: str) -> Outcome:
    """Judge a device that has proved `key` and claims `identity` (Mender's auth requests).

    An unknown one is created, a preauthorized one accepted, another key opens a key change request. A device that
    repeats itself creates nothing; that it was seen is noted at most once a minute. Of a denied one nothing is stored.
    """
    for _ in range(ATTEMPTS):
        try:
            return _judge(identity, key, address)
        except (IntegrityError, Device.DoesNotExist):
            pass  # The record was created, or purged, by somebody else in this moment; look again.
    raise Contended(f"The record of {identity.digest} is being changed by others; ask again.")


def speaker(identity: Identity, key: Key) -> Device | None:
    """The record that answers for an identity: a denied one before all, then the one that has the key, accepted before
    others, then the one whose id is the digest, then the smallest id."""
    claiming = list(Device.objects.raw(_CLAIMING, [identity.digest, identity.digest]))
    return min(
        claiming,
        key=lambda device: (
            not device.is_denied,
            device.fingerprint != key.fingerprint,
            device.fingerprint == key.fingerprint and device.status != Status.ACCEPTED,
            device.pk != identity.digest,
            device.pk,
        ),
        default=None,
    )


# As text, for every device that asks comes here: the ORM took three times as long to write this as SQLite to find it.
_CLAIMING = "SELECT * FROM devices_device WHERE identity_digest = %s OR id = %s"


def note_seen(device: Device, now: datetime) -> None:
    """Remember when the device was last there, at most once a minute."""
    if not device.was_seen_lately(now):
        late = Q(last_seen=None) | Q(last_seen__lt=now - SEEN_NOTED_EVERY) | Q(last_seen__gt=now)
        Device.objects.filter(late, pk=device.pk).update(last_seen=now)


def _judge(identity: Identity, key: Key, address: str) -> Outcome:
    device = speaker(identity, key)
    if device is None:
        return Outcome(_create(identity, key, address), proved=True)
    if device.is_denied:
        return Outcome(device, proved=False)
    by = Actor.device(device.pk, address)
    if device.fingerprint != key.fingerprint:
        keychange.propose(device, key, by=by)
        return Outcome(device, proved=False)
    note_seen(device, timezone.now())
    if not device.identity_digest:
        _take_identity(device, identity, key)
    if device.status == Status.PREAUTHORIZED or (device.status == Status.PENDING and enrolment.lets_in()):
        _let_in(device, by)
    return Outcome(device, proved=True)


def _create(identity: Identity, key: Key, address: str) -> Device:
    status = Status.ACCEPTED if enrolment.lets_in() else Status.PENDING
    # Asked before the transaction, which others wait for: a few over the limit do no harm.
    if status == Status.PENDING and counts.in_tab(status) >= MOST_WAITING:
        raise TooManyWaiting
    return _created(identity, key, status, address)


@transaction.atomic
def _created(identity: Identity, key: Key, status: Status, address: str) -> Device:
    now = timezone.now()
    by = Actor.device(identity.digest, address)
    device = Device(
        id=identity.digest,
        status=status,
        identity_digest=identity.digest,
        fingerprint=key.fingerprint,
        request_time=now,
        last_seen=now,
        decided_at=now if status == Status.ACCEPTED else None,
        decided_by="enrolment" if status == Status.ACCEPTED else "",
    )
    # In this order, as from the device on, which is counted, no other is let in before this one is.
    rows.insert([Introduction(device=device, text=identity.text, members=identity.members, key=key.pem)])
    rows.insert([device])
    after = {"status": status, "identity": identity.text, "fingerprint": key.fingerprint}
    audit.record(
        by, f"device.{'enrolled' if status == Status.ACCEPTED else 'asked'}", ("device", device.pk), after=after
    )
    outbox.put(
        f"device.{status}", {"device": device.pk, "fingerprint": key.fingerprint, "identity": dict(identity.members)}
    )
    return device


@transaction.atomic
def _let_in(device: Device, by: Actor) -> None:
    """Accept a device that was expected, or that the rules let in; somebody who decides meanwhile is not overruled."""
    before = device.status
    accepted = Device.objects.unchanged(device).update(
        status=Status.ACCEPTED, revision=F("revision") + 1, decided_at=timezone.now(), decided_by="enrolment"
    )
    if accepted:
        audit.record(
            by, "device.enrolled", ("device", device.pk), before={"status": before}, after={"status": Status.ACCEPTED}
        )
        outbox.put("device.accepted", {"device": device.pk, "by": "enrolment"})
    device.refresh_from_db()


@transaction.atomic
def _take_identity(device: Device, identity: Identity, key: Key) -> None:
    """A record that came with a certificate alone takes the identity that its own key claims."""
    taken = Device.objects.unchanged(device).update(identity_digest=identity.digest, revision=F("revision") + 1)
    if taken:
        submission.describe(device, identity, key.pem)
        by = Actor.device(device.pk)
        audit.record(by, "device.identified", ("device", device.pk), before={}, after={"identity": identity.text})
    device.refresh_from_db()
