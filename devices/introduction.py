"""A device has proved a key and says who it is: which record speaks for it, and what follows."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from devices import arrival, keychange, seen, submission
from devices.enrolment import Candidate
from devices.identity import Identity
from devices.keys import Key
from devices.models import Device, Status
from portal import audit
from portal.actor import Actor


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
    return arrival.settle(lambda: _judge(identity, key, address), named=identity.digest)


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


def _judge(identity: Identity, key: Key, address: str) -> Outcome:
    device = speaker(identity, key)
    if device is None:
        candidate = Candidate(identity.digest, identity.members)
        return Outcome(arrival.create(candidate, key, identity=identity, address=address), proved=True)
    if device.is_denied:
        return Outcome(device, proved=False)
    by = Actor.device(device.pk, address)
    if device.fingerprint != key.fingerprint:
        keychange.propose(device, key, by=by)
        return Outcome(device, proved=False)
    seen.note(device, timezone.now())
    if not device.identity_digest:
        _take_identity(device, identity, key)
    arrival.follow(device, Candidate(device.pk, identity.members), by=by)
    return Outcome(device, proved=True)


@transaction.atomic
def _take_identity(device: Device, identity: Identity, key: Key) -> None:
    """A record that came with a certificate alone takes the identity that its own key claims."""
    taken = Device.objects.unchanged(device).update(identity_digest=identity.digest, revision=F("revision") + 1)
    if taken:
        submission.describe(device, identity, key.pem)
        by = Actor.device(device.pk)
        audit.record(by, "device.identified", ("device", device.pk), before={}, after={"identity": identity.text})
    device.refresh_from_db()
