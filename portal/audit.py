"""The audit trail: every change is recorded in its own transaction, in a chain whose links are keyed.

Each row's `mac` is an HMAC over the row and the mac of the row before it, under a key that is not in the database.
Changing, removing or inserting a row breaks the chain from there on; `audit_verify` says where.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils import timezone

from portal import request_id, rows, sealing
from portal.actor import Actor
from portal.models import AuditEvent, AuditHead
from portal.refusal import Refusal

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """What happened to one subject, its kind and id; `before` and `after` hold what changed and no secret."""

    subject: tuple[str, str]
    before: Facts | None = None
    after: Facts | None = None


def record(
    by: Actor,
    verb: str,
    subject: tuple[str, str],
    *,
    before: Facts | None = None,
    after: Facts | None = None,
    reason: str = "",
) -> None:
    """Append a row for a change that the surrounding transaction makes; `verb` reads `device.accepted`.

    Called last in a transaction, but for `outbox.put`: from here to its end no other change commits, so what is put
    into the outbox behind it is numbered in the order of the commits.
    """
    record_all(by, verb, [Change(subject, before, after)], reason=reason)


def record_all(by: Actor, verb: str, changes: Iterable[Change], *, reason: str = "") -> None:
    """Append a row for each of many changes that the surrounding transaction makes."""
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("An audit row belongs into the transaction of its change.")
    number, mac = _locked_head()
    events, now, request = [], timezone.now(), request_id.current()
    for change in changes:
        event = AuditEvent(
            number=number + 1,
            at=now,
            actor=by.name,
            actor_kind=by.kind,
            credential=by.credential,
            address=by.address,
            verb=verb,
            subject_kind=change.subject[0],
            subject_id=change.subject[1],
            before=_plain(change.before),
            after=_plain(change.after),
            reason=reason,
            request_id=request,
        )
        event.mac = link(mac, event)
        number, mac = event.number, event.mac
        events.append(event)
    rows.insert(events)
    with transaction.get_connection().cursor() as cursor:
        cursor.execute(_MOVE_HEAD, [number, mac])


# Through the cursor and not the ORM: every change waits here for every other, and the ORM would be most of the wait.
_HEAD = "SELECT number, mac FROM portal_audithead WHERE id = 1"
_MOVE_HEAD = "UPDATE portal_audithead SET number = %s, mac = %s WHERE id = 1"


def _locked_head() -> tuple[int, str]:
    connection = transaction.get_connection()
    with connection.cursor() as cursor:
        cursor.execute(f"{_HEAD} FOR UPDATE" if connection.features.has_select_for_update else _HEAD)
        number, mac = cursor.fetchone()
    return number, mac


def link(previous: str, event: AuditEvent) -> str:
    """The mac of a row that follows the row with the mac `previous`."""
    facts = [
        previous, event.number, event.at.isoformat(timespec="microseconds"), event.actor, event.actor_kind,
        event.credential, event.address, event.verb, event.subject_kind, event.subject_id, event.before, event.after,
        event.reason, event.request_id,
    ]  # fmt: skip
    return sealing.mac("audit", json.dumps(facts, sort_keys=True, separators=(",", ":")).encode())


@dataclass(frozen=True)
class Verdict:
    """What verifying found: how many rows, the last mac, and the first row that is wrong, if one is."""

    rows: int
    mac: str
    broken_at: int | None

    @property
    def holds(self) -> bool:
        return self.broken_at is None


class TooLong(Refusal):
    """More rows than whoever asks can wait for."""

    code = "audit_trail_too_long"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"The audit trail has more than {most:,} rows, too many to check while a page waits; let an operator run "
            "audit_verify on the host."
        )


def verify(*, most: int | None = None) -> Verdict:
    """Walk the whole chain: what is appended meanwhile fits too, and the head that was read first stands within it.

    Refused if the chain has more than `most` rows.
    """
    if most is not None and AuditEvent.objects.filter(number__gt=most).exists():
        raise TooLong(most)
    head = AuditHead.objects.get()
    previous, number, met = "", 0, not head.number and not head.mac
    for event in AuditEvent.objects.order_by("number").iterator(chunk_size=2000):
        number += 1
        if event.number != number or event.mac != link(previous, event):
            return Verdict(number, previous, number)
        previous = event.mac
        met |= (number, previous) == (head.number, head.mac)
    return Verdict(number, previous, None if met else number + 1)


def _plain(facts: Facts | None) -> Any:
    """The facts as they will come back from the database, so that the mac fits later too."""
    return None if facts is None else json.loads(json.dumps(facts, cls=DjangoJSONEncoder))
