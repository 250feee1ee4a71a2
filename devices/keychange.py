"""A known device with a new key: what is opened, what closes it, and what the decision brings."""

from collections.abc import Callable, Collection

from django.db import transaction
from django.utils import timezone

from devices import admission, keys
from devices.models import Device, Introduction, KeyChange, KeyChangeRequest, RetiredKey
from portal import audit, outbox, text
from portal.actor import Actor
from portal.refusal import NotFound, Refusal

MOST_OPEN = 5

Verb = Callable[..., None]


class NotOpen(Refusal):
    """Somebody has decided on the request before."""

    code = "key_change_not_open"


class Unknown(NotFound):
    code = "key_change_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such key change; look at the list, or at the device, again.")


def find(number: int) -> KeyChangeRequest:
    """The request with this number, and its device."""
    request = KeyChangeRequest.objects.select_related("device").filter(pk=number).first()
    if request is None:
        raise Unknown
    return request


def is_retired(device: Device, fingerprint: str) -> bool:
    """Whether this key was refused or replaced for this device; it then opens no request."""
    return RetiredKey.objects.filter(device=device, fingerprint=fingerprint).exists()


def propose(device: Device, key: keys.Key, *, by: Actor) -> KeyChangeRequest | None:
    """Open a request, unless one is open for this key, five are open for this device, or the key is retired."""
    if not _may_open(device, key):
        return None
    with transaction.atomic():
        # Asked again under the lock on the device, so that no sixth request is opened, nor one of a denied device.
        locked = Device.objects.select_for_update().filter(pk=device.pk, fingerprint=device.fingerprint).first()
        if locked is None or locked.is_denied or not _may_open(locked, key):
            return None
        request = KeyChangeRequest.objects.create(
            device=device,
            present_fingerprint=device.fingerprint,
            new_fingerprint=key.fingerprint,
            new_key=key.pem,
            seen_from=by.address,
        )
        facts = {"present_fingerprint": device.fingerprint, "new_fingerprint": key.fingerprint}
        audit.record(by, "key_change.opened", ("device", device.pk), after=facts)
        outbox.put("key_change.opened", {"device": device.pk, **facts})
    return request


@transaction.atomic
def accept(request: KeyChangeRequest, *, by: Actor, reason: str = "") -> None:
    """Make the new key the device's key. What was granted to the old key ends; the old key opens no request again."""
    text.check("reason", reason, most=500)
    device = request.device
    if device.is_denied:
        raise admission.Denied(device)
    # The device before its request, as everywhere, so that two who change both never wait for each other.
    replaced = Device.objects.unchanged(device).update(
        fingerprint=request.new_fingerprint, revision=device.revision + 1, epoch=device.epoch + 1
    )
    _close(request, KeyChange.ACCEPTED, by)
    if not replaced:
        raise NotOpen(f"{device} has changed since you looked; look again, then decide.")
    Introduction.objects.filter(device=device).update(key=request.new_key)
    retire(device, request.present_fingerprint)
    supersede([device.pk])
    audit.record(
        by,
        "key_change.accepted",
        ("device", device.pk),
        before={"fingerprint": request.present_fingerprint},
        after={"fingerprint": request.new_fingerprint},
        reason=reason,
    )
    device.refresh_from_db()


@transaction.atomic
def refuse(request: KeyChangeRequest, *, by: Actor, reason: str = "") -> None:
    """Turn the new key down for good."""
    text.check("reason", reason, most=500)
    _close(request, KeyChange.REFUSED, by)
    retire(request.device, request.new_fingerprint)
    refused = {"new_fingerprint": request.new_fingerprint}
    audit.record(by, "key_change.refused", ("device", request.device_id), after=refused, reason=reason)


def supersede(devices: Collection[str]) -> None:
    """Close what is open of devices that have another key or are denied; recorded with the change that does so."""
    KeyChangeRequest.objects.filter(device__in=devices, state=KeyChange.OPEN).update(
        state=KeyChange.SUPERSEDED, decided_at=timezone.now()
    )


def retire(device: Device, fingerprint: str) -> None:
    """Remember that this key is no longer wanted for this device."""
    if fingerprint:
        RetiredKey.objects.get_or_create(device=device, fingerprint=fingerprint)


def _may_open(device: Device, key: keys.Key) -> bool:
    if is_retired(device, key.fingerprint):
        return False
    wanting = KeyChangeRequest.objects.filter(device=device, state=KeyChange.OPEN)
    open_for = list(wanting.values_list("new_fingerprint", flat=True))
    return key.fingerprint not in open_for and len(open_for) < MOST_OPEN


def _close(request: KeyChangeRequest, state: KeyChange, by: Actor) -> None:
    closed = KeyChangeRequest.objects.filter(pk=request.pk, state=KeyChange.OPEN).update(
        state=state, decided_at=timezone.now(), decided_by=str(by)
    )
    try:
        request.refresh_from_db()
    except KeyChangeRequest.DoesNotExist:
        raise admission.Unknown(request.device_id) from None
    if not closed:
        who = f" by {request.decided_by}" if request.decided_by else ""
        raise NotOpen(f"This key change is {request.state}{who} already.")
