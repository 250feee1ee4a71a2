"""A known device with a new key: what is opened, what closes it, and what the decision brings."""

from collections.abc import Callable, Collection

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from devices import admission, keys
from devices.models import Device, Introduction, KeyChange, KeyChangeRequest, RetiredKey
from portal import audit, outbox, text
from portal.actor import Actor
from portal.refusal import NotFound, Refusal
from portal.topics import Topic

MOST_OPEN = 5

Verb = Callable[..., None]


class NotOpen(Refusal):
    """Somebody has decided on the request before."""

    code = "key_change_not_open"


class TooManyOpen(Refusal):
    """The device has proven as many keys as may wait."""

    code = "too_many_key_changes"

    def __init__(self, device: Device) -> None:
        super().__init__(f"{MOST_OPEN} key changes of {device} wait for a decision already; have one of them decided.")


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
        return _open(device, key, by)


@transaction.atomic
def prove(device: Device, key: keys.Key, *, by: Actor) -> KeyChangeRequest:
    """Open a request for which the present key has vouched, or mark the one that is open for this key so.

    Where five are open it takes the place of the oldest that is not proven, so that strangers cannot keep the device
    from its next key. Refused if all five are proven.
    """
    locked = Device.objects.select_for_update().filter(pk=device.pk, fingerprint=device.fingerprint).first()
    if locked is None:
        raise NotOpen(f"{device} has another key since; use that one.")
    if locked.is_denied:
        raise admission.Denied(locked)
    waiting = list(KeyChangeRequest.objects.filter(device=device, state=KeyChange.OPEN).order_by("pk"))
    if known := next((each for each in waiting if each.new_fingerprint == key.fingerprint), None):
        return _vouch(known, by)
    if len(waiting) >= MOST_OPEN:
        given_up = next((each for each in waiting if not each.proven), None)
        if given_up is None:
            raise TooManyOpen(device)
        _supersede(KeyChangeRequest.objects.filter(pk=given_up.pk))
    return _open(device, key, by, proven=True)


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
    outbox.put(Topic.KEY_CHANGE_ACCEPTED, {"device": device.pk, "fingerprint": request.new_fingerprint, "by": str(by)})
    device.refresh_from_db()


@transaction.atomic
def refuse(request: KeyChangeRequest, *, by: Actor, reason: str = "") -> None:
    """Turn the new key down for good."""
    text.check("reason", reason, most=500)
    # The device before its request here too; at the commit PostgreSQL asks for it once more, for the retired key.
    Device.objects.select_for_update().filter(pk=request.device_id).first()
    _close(request, KeyChange.REFUSED, by)
    retire(request.device, request.new_fingerprint)
    refused = {"new_fingerprint": request.new_fingerprint}
    audit.record(by, "key_change.refused", ("device", request.device_id), after=refused, reason=reason)


def supersede(devices: Collection[str]) -> None:
    """Close what is open of devices that have another key or are denied; recorded with the change that does so."""
    _supersede(KeyChangeRequest.objects.filter(device__in=devices))


def retire(device: Device, fingerprint: str) -> None:
    """Remember that this key is no longer wanted for this device."""
    if fingerprint:
        RetiredKey.objects.get_or_create(device=device, fingerprint=fingerprint)


def _supersede(requests: QuerySet[KeyChangeRequest]) -> None:
    requests.filter(state=KeyChange.OPEN).update(state=KeyChange.SUPERSEDED, decided_at=timezone.now())


def _open(device: Device, key: keys.Key, by: Actor, *, proven: bool = False) -> KeyChangeRequest:
    request = KeyChangeRequest.objects.create(
        device=device,
        present_fingerprint=device.fingerprint,
        new_fingerprint=key.fingerprint,
        new_key=key.pem,
        seen_from=by.address,
        proven=proven,
    )
    facts = {"present_fingerprint": device.fingerprint, "new_fingerprint": key.fingerprint, "proven": proven}
    audit.record(by, "key_change.opened", ("device", device.pk), after=facts)
    outbox.put(Topic.KEY_CHANGE_OPENED, {"device": device.pk, **facts})
    return request


def _vouch(request: KeyChangeRequest, by: Actor) -> KeyChangeRequest:
    if KeyChangeRequest.objects.filter(pk=request.pk, proven=False).update(proven=True):
        request.proven = True
        proven = {"new_fingerprint": request.new_fingerprint, "proven": True}
        audit.record(by, "key_change.proven", ("device", request.device_id), after=proven)
    return request


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
