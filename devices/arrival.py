"""A device has proved its key, at whatever door: its record is made, or follows from what was decided beforehand."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from devices import counts, enrolment
from devices.enrolment import Candidate, Ruling
from devices.identity import Identity
from devices.keys import Key
from devices.models import Device, Introduction, Status
from portal import audit, outbox, rows
from portal.actor import Actor
from portal.refusal import Refusal
from portal.topics import Topic

MOST_WAITING = 50_000
ATTEMPTS = 10
VERBS = {Status.PENDING: "device.asked", Status.ACCEPTED: "device.enrolled", Status.REJECTED: "device.rejected"}

Found = TypeVar("Found")


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

    def __init__(self, named: str) -> None:
        super().__init__(f"The record of {named} is being changed by others; ask again.")


def settle(judge: Callable[[], Found], *, named: str) -> Found:
    """Judge a device anew while its record is created or purged, or the rule changed, by somebody else meanwhile."""
    for _ in range(ATTEMPTS):
        try:
            return judge()
        except (IntegrityError, Device.DoesNotExist, enrolment.RuleChanged):
            pass
    raise Contended(named)


def create(candidate: Candidate, key: Key, *, identity: Identity | None = None, address: str) -> Device:
    """Make the record of a device that is unknown, in the status that the rules say; call it within `settle`.

    Without an identity it came with a certificate alone. One more that would wait is refused while too many do.
    """
    ruling = enrolment.ruling(candidate)
    # Asked before the transaction, which others wait for: a few over the limit do no harm.
    if ruling.status == Status.PENDING and counts.in_tab(ruling.status) >= MOST_WAITING:
        raise TooManyWaiting
    return _created(candidate, key, identity, ruling, Actor.device(candidate.id, address))


def follow(device: Device, candidate: Candidate, *, by: Actor) -> None:
    """Accept a device that was expected, and ask the rules about one that waits; call it within `settle`."""
    if device.is_denied:
        return
    if device.status == Status.PREAUTHORIZED:
        _decide(device, Ruling(Status.ACCEPTED, "enrolment"), by)
    elif device.status == Status.PENDING:
        ruling = enrolment.ruling(candidate)
        if ruling.status != Status.PENDING:
            _decide(device, ruling, by)


@transaction.atomic
def _created(candidate: Candidate, key: Key, identity: Identity | None, ruling: Ruling, by: Actor) -> Device:
    now = timezone.now()
    is_decided = ruling.status != Status.PENDING
    device = Device(
        id=candidate.id,
        status=ruling.status,
        identity_digest=identity.digest if identity else "",
        fingerprint=key.fingerprint,
        request_time=now,
        last_seen=now,
        decided_at=now if is_decided else None,
        decided_by=ruling.by,
    )
    text, members = (identity.text, identity.members) if identity else ("", {})
    # In this order, as from the device on, which is counted, no other is let in before this one is.
    rows.insert([Introduction(device=device, text=text, members=members, key=key.pem, ca=candidate.ca)])
    rows.insert([device])
    enrolment.count(ruling)
    after = {"status": ruling.status, "identity": text, "fingerprint": key.fingerprint, **_came_from(candidate)}
    audit.record(by, VERBS[ruling.status], ("device", device.pk), after={**after, **_named(ruling)})
    told = {"device": device.pk, "fingerprint": key.fingerprint, "identity": dict(members)}
    outbox.put(Topic(f"device.{ruling.status}"), {**told, "by": ruling.by} if is_decided else told)
    return device


@transaction.atomic
def _decide(device: Device, ruling: Ruling, by: Actor) -> None:
    """Do what the rules say about a known device; somebody who decides meanwhile is not overruled."""
    before = device.status
    decided = Device.objects.unchanged(device).update(
        status=ruling.status, revision=F("revision") + 1, decided_at=timezone.now(), decided_by=ruling.by
    )
    if decided:
        enrolment.count(ruling)
        after = {"status": ruling.status, **_named(ruling)}
        audit.record(by, VERBS[ruling.status], ("device", device.pk), before={"status": before}, after=after)
        outbox.put(Topic(f"device.{ruling.status}"), {"device": device.pk, "by": ruling.by})
    device.refresh_from_db()


def _came_from(candidate: Candidate) -> dict[str, Any]:
    return {"ca": candidate.ca} if candidate.ca else {}


def _named(ruling: Ruling) -> dict[str, Any]:
    return {"rule": ruling.rule.name} if ruling.rule else {}
