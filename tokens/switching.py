"""Switching off and on what holds secrets, revoking it for good, and deleting its row."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from portal import audit, outbox, text
from portal.actor import Actor
from portal.refusal import Refusal
from portal.topics import Topic
from tokens import held, kinds, revocation
from tokens.models import Holder, Named


class DisableFirst(Refusal):
    code = "disable_first"


@held.told
@transaction.atomic
def disable(holder: Holder, *, by: Actor, reason: str, seen: int | None = None) -> Any:
    """Refuse it and what it has bought until it is enabled again; what is disabled already stays so."""
    text.check("reason", reason, least=1, most=500)
    locked = held.lock(holder, seen)
    held.refuse_ended(locked, expired_too=True)
    if locked.disabled_at is None:
        held.write(locked, disabled_at=timezone.now(), disabled_by=str(by), disabled_reason=reason)
        revocation.refuse(Named.SUBJECT, [locked.subject])
        held.tell(locked, "disabled", by, reason, {"disabled": False}, {"disabled": True})
    return locked


@held.told
@transaction.atomic
def enable(holder: Holder, *, by: Actor, reason: str = "", seen: int | None = None) -> Any:
    """Give back exactly what disabling took, tokens that have not expired included."""
    text.check("reason", reason, most=500)
    locked = held.lock(holder, seen)
    held.refuse_ended(locked, expired_too=True)
    if locked.disabled_at is not None:
        held.write(locked, disabled_at=None, disabled_by="", disabled_reason="")
        revocation.take_back(locked.subject)
        held.tell(locked, "enabled", by, reason, {"disabled": True}, {"disabled": False})
    return locked


@held.told
@transaction.atomic
def revoke(holder: Holder, *, by: Actor, reason: str, seen: int | None = None) -> Any:
    """End it for good, from any state, with all that it has bought; what is revoked already stays so."""
    text.check("reason", reason, least=1, most=500)
    locked = held.lock(holder, seen)
    if locked.revoked_at is None:
        end_for_good([locked], by, reason)
    return locked


def end_for_good(locked: Sequence[Holder], by: Actor, reason: str) -> None:
    """The same for rows of one kind that the surrounding transaction has locked, and that are not revoked."""
    if not locked:
        return
    now = timezone.now()
    held.end_all(locked, now, held.REVOKED)
    held.write(*locked, revoked_at=now, revoked_by=str(by), revoked_reason=reason)
    held.tell_all(locked, "revoked", by, reason, {"revoked": False}, {"revoked": True})


@held.told
@transaction.atomic
def delete(holder: Holder, *, by: Actor, seen: int | None = None) -> None:
    """Remove the row of what is disabled, revoked or expired; the history stays, and its name is free again."""
    now, locked = timezone.now(), held.lock(holder, seen)
    if not (locked.revoked_at or locked.disabled_at or locked.expires_at <= now):
        raise DisableFirst(f"{locked} is live; disable or revoke it first, then delete it.")
    held.end_all([locked], now, held.DELETED)
    subject, state = kinds.subject(locked), locked.state()
    noun = kinds.of(locked).noun
    locked.delete()
    audit.record(by, f"{noun}.deleted", subject, before={"state": state})
    outbox.put(Topic(f"{noun}.deleted"), {noun: subject[1], "by": str(by)})
