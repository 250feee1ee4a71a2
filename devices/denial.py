"""The denied list: deny refuses a device everywhere, restore gives back its record, purge removes it."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from devices import admission, keychange, shutdown_cancel
from devices.admission import NOT_LOOKED_AT
from devices.models import AppState, Device, DeviceConfig, Inventory, SystemInfo, UpdateEvent
from portal import audit, outbox, text
from portal.actor import Actor
from portal.refusal import NotFound, Refusal, Stale
from portal.topics import Topic

# What denying destroys; the record, its keys, its check-in and the audit trail stay.
STORED = (DeviceConfig, UpdateEvent, AppState, Inventory, SystemInfo)

FREE, DENIED = {"denied": False}, {"denied": True}


class AlreadyDenied(Refusal):
    code = "device_denied"


class NotOnDeniedList(NotFound):
    code = "not_on_denied_list"


class Changed(Stale):
    """The device is not what the person looked at."""

    code = "device_changed"


@transaction.atomic
def deny(device: Device, *, by: Actor, reason: str = "", seen: int | None = None) -> None:
    """Refuse the device at every door from its next request on, and destroy what it stored."""
    text.check("reason", reason, most=500)
    if refusal := _refusal(device, seen):
        raise refusal
    _update(device, seen, **_denied(by, reason))
    _destroy([device.pk])
    shutdown_cancel.withdraw([device.pk], shutdown_cancel.DENIED, by=by)
    audit.record(by, "device.denied", ("device", device.pk), before=FREE, after=DENIED, reason=reason)
    outbox.put(Topic.DEVICE_DENIED, {"device": device.pk, "by": str(by), "reason": reason})


@transaction.atomic
def deny_all(
    devices: Iterable[Device], *, by: Actor, reason: str = "", seen: Mapping[str, int] = NOT_LOOKED_AT
) -> dict[str, Refusal]:
    """The same for many devices, which the transaction has locked; the refusals of those that stay as they are."""
    text.check("reason", reason, most=500)
    refusals = {device.pk: _refusal(device, seen.get(device.pk)) for device in devices}
    denied = [device_id for device_id, refusal in refusals.items() if refusal is None]
    if denied:
        Device.objects.filter(pk__in=denied).update(revision=F("revision") + 1, **_denied(by, reason))
        _destroy(denied)
        shutdown_cancel.withdraw(denied, shutdown_cancel.DENIED, by=by)
        changes = [audit.Change(("device", device_id), FREE, DENIED) for device_id in denied]
        audit.record_all(by, "device.denied", changes, reason=reason)
        outbox.put_all(Topic.DEVICE_DENIED, [{"device": pk, "by": str(by), "reason": reason} for pk in denied])
    return {device_id: refusal for device_id, refusal in refusals.items() if refusal}


@transaction.atomic
def restore(device: Device, *, by: Actor, reason: str = "", seen: int | None = None) -> None:
    """Take the device off the denied list. Its record counts again as it was; what it had stored is gone."""
    text.check("reason", reason, most=500)
    if not device.is_denied:
        raise NotOnDeniedList(f"{device} is not on the denied list.")
    _update(device, seen, denied_at=None, denied_by="", denied_reason="")
    audit.record(by, "device.restored", ("device", device.pk), before=DENIED, after=FREE, reason=reason)
    outbox.put(Topic.DEVICE_RESTORED, {"device": device.pk, "by": str(by)})


@transaction.atomic
def purge(device: Device, *, by: Actor, reason: str = "", seen: int | None = None) -> None:
    """Remove the record, denied or not; a device that then comes with this id is new."""
    text.check("reason", reason, most=500)
    if seen is not None and seen != device.revision:
        raise Changed(_changed(device))
    key = device.pk
    before = {"status": device.status, "denied": device.is_denied, "fingerprint": device.fingerprint}
    # Locked first: a removal is guarded only where Django reads what it takes along, and then goes by the id alone.
    locked = Device.objects.unchanged(device).select_for_update().first()
    if locked is None:
        admission.read_again(device)
        raise Changed(_changed(device))
    locked.delete()
    shutdown_cancel.withdraw([key], shutdown_cancel.NOT_ACCEPTED, by=by)
    shutdown_cancel.forget(key)
    audit.record(by, "device.purged", ("device", key), before=before, reason=reason)
    outbox.put(Topic.DEVICE_PURGED, {"device": key, "by": str(by)})


@transaction.atomic
def deny_by_id(device_id: str, *, by: Actor) -> bool:
    """Deny the device, whatever happens to it in this moment; False if there is none that is not denied already."""
    device = Device.objects.present().select_for_update().filter(pk=device_id).first()
    if device is not None:
        deny(device, by=by)
    return device is not None


@transaction.atomic
def restore_by_id(device_id: str, *, by: Actor) -> bool:
    """Restore the device, whatever happens to it in this moment; False if it is not on the denied list."""
    device = Device.objects.denied().select_for_update().filter(pk=device_id).first()
    if device is not None:
        restore(device, by=by)
    return device is not None


def _refusal(device: Device, seen: int | None) -> Refusal | None:
    """Why the device as it was read may not be denied, if it may not."""
    if device.is_denied:
        return AlreadyDenied(_already(device))
    return Changed(_changed(device)) if seen not in (None, device.revision) else None


def _denied(by: Actor, reason: str) -> dict[str, Any]:
    counted = {"epoch": F("epoch") + 1, "denials": F("denials") + 1}
    return {"denied_at": timezone.now(), "denied_by": str(by), "denied_reason": reason, **counted}


def _destroy(denied: Collection[str]) -> None:
    for stored in STORED:
        stored.objects.filter(device__in=denied).delete()
    keychange.supersede(denied)


def _update(device: Device, seen: int | None, **facts: object) -> None:
    stale = seen is not None and seen != device.revision
    if stale or not Device.objects.unchanged(device).update(revision=device.revision + 1, **facts):
        admission.read_again(device)
        raise Changed(_changed(device))
    device.refresh_from_db()


def _already(device: Device) -> str:
    return f"{device} is on the denied list already, by {device.denied_by} at {device.denied_at:%Y-%m-%d %H:%M:%S} UTC."


def _changed(device: Device) -> str:
    if device.is_denied:
        return _already(device)
    who = f", by {device.decided_by} at {device.decided_at:%Y-%m-%d %H:%M:%S} UTC" if device.decided_at else ""
    return f"{device} has changed since you looked: it is {device.status}{who}. Look again, then decide."
