"""A device has come with a certificate: whether it is served, and if not, what it waits for.

The certificate says who it is; the pair of its id and its key is the device (contracts: satellite, B2).
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils import timezone

from devices import arrival, keychange, seen, shutdown_heard
from devices.enrolment import Candidate
from devices.keys import Key
from devices.models import Device, Introduction, Status
from portal import rows
from portal.actor import Actor
from portal.refusal import Refusal

Said = Mapping[str, str]


class NotServed(Refusal):
    """The device is known by name and not served; it is told why, and when it is worth asking again (seconds)."""

    status = 403
    waits = (3600, 3600)
    sentence = ""

    def __init__(self, device_id: str, key: Key) -> None:
        super().__init__(self.sentence.format(device=device_id))
        least, most = self.waits
        self.retry_after = least + secrets.randbelow(most - least + 1)
        self.details = {"retry_after": self.retry_after, "device": device_id, "fingerprint": key.fingerprint}


class DeviceDenied(NotServed):
    code = "device_denied"
    sentence = "Device {device} is on the denied list until an administrator restores it."


class TooManyWaiting(NotServed):
    status, code, waits = 429, "too_many_waiting", (300, 300)
    sentence = "Too many devices wait for a decision already; device {device} may ask again in five minutes."


class KeyChangePending(NotServed):
    code, waits = "key_change_pending", (300, 300)
    sentence = "Device {device} is known with another key; this one waits until an administrator accepts it."


class KeyRefused(NotServed):
    code = "key_refused"
    sentence = "This key was refused or replaced for device {device}; let it use its present key, or make a new one."


class DevicePending(NotServed):
    # Spread, so that a fleet that was switched on at once does not come back at once.
    code, waits = "device_pending", (60, 90)
    sentence = "Device {device} waits until an administrator admits it."


class DeviceRejected(NotServed):
    code = "device_rejected"
    sentence = "Device {device} was rejected; it is served when an administrator accepts it."


@dataclass(frozen=True)
class Contact:
    """A device that is served, its key, and what it said at its last check-in, by field; None if it never spoke."""

    device: Device
    key: Key
    said: Said | None


def meet(device_id: str, key: Key, *, ca: str, address: str) -> Contact:
    """Judge a device that has proved `key` and is called `device_id` by the device CA with the fingerprint `ca`.

    An unknown one is created, a preauthorized one accepted, another key opens a key change request. One that has to
    wait costs one look, and at most one write a minute. Of a denied one nothing is stored. One that said that it powers
    off has not, if it comes.
    """
    contact = arrival.settle(lambda: _judge(device_id, key, ca, address), named=device_id)
    device = contact.device
    if device.is_admitted:
        return contact
    if device.is_denied:
        raise DeviceDenied(device_id, key)
    seen.waiting.note(device, timezone.now())
    raise (DeviceRejected if device.status == Status.REJECTED else DevicePending)(device_id, key)


def _judge(device_id: str, key: Key, ca: str, address: str) -> Contact:
    """The record after what follows from its being asked for; another key is refused here."""
    found = _look(device_id)
    if found is None:
        try:
            return Contact(arrival.create(Candidate(device_id, {}, ca), key, address=address), key, None)
        except arrival.TooManyWaiting:
            raise TooManyWaiting(device_id, key) from None
    device, said, executing = found
    if executing is not None and device.fingerprint == key.fingerprint:
        shutdown_heard.note(executing)
    if device.is_denied or (device.is_admitted and device.fingerprint == key.fingerprint):
        return Contact(device, key, said)
    by = Actor.device(device_id, address)
    if device.fingerprint != key.fingerprint:
        if keychange.is_retired(device, key.fingerprint):
            raise KeyRefused(device_id, key)
        keychange.propose(device, key, by=by)
        raise KeyChangePending(device_id, key)
    arrival.follow(device, Candidate(device_id, _members(device), ca), by=by)
    return Contact(device, key, said)


def _look(device_id: str) -> tuple[Device, Said | None, int | None] | None:
    """The device, its last check-in, and which shutdown it said that it carries out, in one look past the ORM: every
    call of every device begins with it."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK, [device_id])
        row: Any = cursor.fetchone()
    if row is None:
        return None
    columns = len(_COLUMNS)
    device = Device.from_db(connection.alias, _COLUMNS, [rows.aware(value) for value in row[:columns]])
    *said, executing = row[columns:]
    return device, None if said[0] is None else dict(zip(_SAID, said, strict=True)), executing


_COLUMNS = [field.attname for field in Device._meta.concrete_fields]
_SAID = ("target", "tag", "apps", "ostree_hash")
_LOOK = (
    f"SELECT {', '.join(f'd.{name}' for name in _COLUMNS)}, {', '.join(f'c.{name}' for name in _SAID)}, "  # noqa: S608
    f"({shutdown_heard.UNHEARD}) "
    "FROM devices_device d LEFT JOIN devices_checkin c ON c.device_id = d.id WHERE d.id = %s"
)


def _members(device: Device) -> Mapping[str, Any]:
    """What a device that waits says it is, beside its certificate; most that come with one say nothing."""
    said = Introduction.objects.filter(device=device).first() if device.identity_digest else None
    return said.named() if said else {}
