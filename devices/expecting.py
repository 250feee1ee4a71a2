"""Devices that are expected: what is asked of one before it comes, and what stands in its way."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db.models import Q

from devices import admission, keys
from devices.identity import Identity
from devices.keys import Key
from devices.models import ID, Device, Introduction, Status
from portal import audit, outbox, rows
from portal.actor import Actor
from portal.refusal import Invalid, Refusal
from portal.topics import Topic

_ID = re.compile(ID)


class AlreadyKnown(Refusal):
    """The id or the identity belongs to a device in some status."""

    code = "device_exists"

    def __init__(self, device: Device) -> None:
        super().__init__(f"{device} is {device.status} already and has this id or identity; decide about that one.")
        self.device = device

    def is_met(self, expected: "Expected") -> bool:
        """Whether the device that is known is just what was asked for: expected under this id, with this key."""
        asked = (expected.id, Status.PREAUTHORIZED, expected.key.fingerprint)
        return (self.device.pk, self.device.status, self.device.fingerprint) == asked


@dataclass(frozen=True)
class Expected:
    """A device that may be preauthorized as far as it can be told without the others: its id, identity and key."""

    id: str
    identity: Identity | None
    key: Key


def expect(identity: Identity, key: str) -> Expected:
    """A device with an identity, whose digest is its id; a private key and one that proves nothing are refused."""
    return Expected(identity.digest, identity, _usable(key))


def expect_id(device_id: str, key: str) -> Expected:
    """The same for a device that has no identity: its id is the CN of the certificate that it will come with."""
    if not _ID.fullmatch(device_id):
        raise Invalid("id", "An id is 1 to 128 of A-Z a-z 0-9 _ : -.")
    return Expected(device_id, None, _usable(key))


def preauthorize_all(expected: Sequence[Expected], *, by: Actor) -> list[Device]:
    """Create these devices in the surrounding transaction, which has seen that nothing is in their way."""
    devices, said, changes, told = [], [], [], []
    # By their ids, so that two lists of the same devices never wait for each other.
    for one in sorted(expected, key=lambda one: one.id):
        device = Device(
            id=one.id,
            status=Status.PREAUTHORIZED,
            identity_digest=one.identity.digest if one.identity else "",
            fingerprint=one.key.fingerprint,
        )
        text, members = (one.identity.text, one.identity.members) if one.identity else ("", {})
        said.append(Introduction(device=device, text=text, members=members, key=one.key.pem))
        devices.append(device)
        after = {"status": device.status, "identity": text, "fingerprint": device.fingerprint}
        changes.append(audit.Change(("device", device.pk), after=after))
        facts = {"device": device.pk, "fingerprint": device.fingerprint, "identity": dict(members)}
        told.append({**facts, "by": str(by)})
    rows.insert(said)
    rows.insert(devices)
    audit.record_all(by, "device.preauthorized", changes)
    outbox.put_all(Topic.DEVICE_PREAUTHORIZED, told)
    return devices


def in_the_way(ids: Collection[str]) -> dict[str, Refusal]:
    """Why no device may be created with these ids: one has it as its id or as the digest of its identity.

    A denied one is named before others.
    """
    known = Device.objects.filter(Q(pk__in=ids) | Q(identity_digest__in=ids)).order_by("pk")
    found: dict[str, Refusal] = {}
    for device in sorted(known, key=lambda device: not device.is_denied):
        refusal = admission.Denied(device) if device.is_denied else AlreadyKnown(device)
        for taken in {device.pk, device.identity_digest}.intersection(ids):
            found.setdefault(taken, refusal)
    return found


def refuse_private(key: str) -> None:
    """Refuse a private key that was pasted by mistake; it is neither kept nor logged."""
    if keys.is_private(key):
        raise Invalid("key", "This is a private key; submit the public one, and make the device a new pair.")


def _usable(key: str) -> Key:
    refuse_private(key)
    try:
        return keys.read(key)
    except keys.Unusable as unusable:
        raise Invalid("key", f"The key cannot be used: {unusable}.") from unusable
