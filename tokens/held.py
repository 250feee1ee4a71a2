"""What every verb about a held secret does: lock its holder, end secrets and what they bought, write, tell.

Every verb locks the holder's row, so that of two at once the second meets what the first has made, and is told.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar

from django.db.models import F
from django.utils import timezone

from portal import audit, outbox
from portal.actor import Actor
from portal.refusal import NotFound, Refusal, Stale
from portal.topics import Topic
from tokens import kinds, refused, revocation
from tokens.models import HeldSecret, Holder, Named

ROTATED, FORCED, OVERLAP_ENDED, CANCELLED, REVOKED, DELETED, EXPIRED = (
    "a rotation",
    "a forced rotation",
    "the end of its overlap",
    "the cancelling of its rotation",
    "revocation",
    "deletion",
    "its age",
)


class Gone(NotFound):
    def __init__(self) -> None:
        super().__init__("It has been deleted meanwhile; the list shows what there is.")


class Changed(Stale):
    """It is not what was looked at."""

    code = "changed"


class Ended(Refusal):
    code = "credential_ended"


Verb = TypeVar("Verb", bound=Callable[..., Any])


def told(verb: Verb) -> Verb:
    """Make a refusal of the verb stand in the history of its holder."""

    @wraps(verb)
    def judged(holder: Holder, *args: Any, **how: Any) -> Any:
        of_kind = refused.told(f"{kinds.of(holder).noun}.{verb.__name__}", kinds.subject)
        return of_kind(verb)(holder, *args, **how)

    return judged  # type: ignore[return-value]


def lock(holder: Holder, seen: int | None = None) -> Any:
    """The row as it is now, locked to the end of the transaction; one that has changed since `seen` is a refusal."""
    locked = type(holder).objects.select_for_update().filter(pk=holder.pk).first()
    if locked is None:
        raise Gone
    if seen not in (None, locked.revision):
        raise Changed(f"{locked} has changed since you looked; look again, then decide.")
    return locked


def settle(locked: Holder, now: datetime) -> int:
    """Write down which secrets have ended by themselves; how many did. The row is locked."""
    passed = [one for one in locked.secrets.all() if one.slot is not None and one.end <= now]
    for secret in passed:
        end(secret, secret.end, _why_by_itself(secret))
        tell(locked, "secret_expired", Actor.worker(), "", None, {"secret": secret.pk, "ended_at": secret.end})
    return len(passed)


def _why_by_itself(secret: HeldSecret) -> str:
    rotated = secret.ends_at is not None and secret.ends_at < secret.expires_at
    return ROTATED if rotated else EXPIRED


def refuse_ended(locked: Holder, *, expired_too: bool = False) -> None:
    if locked.revoked_at:
        raise Ended(f"{locked} was revoked by {locked.revoked_by} at {moment(locked.revoked_at)}; issue another.")
    if locked.is_dead:
        raise Ended(f"{locked} ended when its device was denied or removed; install the app anew.")
    if expired_too and locked.expires_at <= timezone.now():
        # What is disabled is not rotated, so nothing brings that back.
        advice = "delete it, and make another" if locked.disabled_at else "rotate it to bring it back"
        raise Ended(f"{locked} expired at {moment(locked.expires_at)}; {advice}.")


def end(secret: HeldSecret, at: datetime, why: str, *, tokens_too: bool = False) -> None:
    secret.slot, secret.ended_at, secret.ended_why = None, at, why
    if tokens_too:
        end_tokens([secret])
    secret.save(update_fields=["slot", "ended_at", "ended_why", "generation"])


def end_all(locked: Sequence[Holder], now: datetime, why: str) -> None:
    """End every secret of these, which are of one kind, and what those have bought that were live lately enough for it
    to be good still.

    A client id may be issued again, so what was bought is named by its grants; an installation's subject never is.
    """
    kind = kinds.of(locked[0])
    rows = kind.secret._default_manager
    lately = [secret for each in locked for secret in live_lately(each, now)]
    # The subject of one that was revoked before may be another's by now, who is perhaps disabled.
    revocation.take_back(*(each.subject for each in locked if each.revoked_at is None))
    if kind.subject_comes_again:
        _end_what_these_bought(kind, lately)
    else:
        revocation.refuse(Named.SUBJECT, [each.subject for each in locked])
    # Nearly all end now; the others ended by themselves, and nobody has written that down yet.
    ends: dict[tuple[datetime, str], list[str]] = {}
    for secret in lately:
        if secret.slot is not None:
            ended = (secret.end, _why_by_itself(secret)) if secret.end <= now else (now, why)
            ends.setdefault(ended, []).append(secret.pk)
    for (at, because), these in ends.items():
        rows.filter(pk__in=these).update(slot=None, ended_at=at, ended_why=because)


def end_what_was_bought(locked: Sequence[Holder]) -> None:
    """End what the secrets of these, which are of one kind, have bought, and let them live on."""
    now = timezone.now()
    if locked:
        _end_what_these_bought(kinds.of(locked[0]), [secret for each in locked for secret in live_lately(each, now)])


def _end_what_these_bought(kind: kinds.Kind, secrets: Sequence[HeldSecret]) -> None:
    end_tokens(secrets)
    rows = kind.secret._default_manager.filter(pk__in=[secret.pk for secret in secrets])
    rows.update(generation=F("generation") + 1)


def end_tokens(secrets: Sequence[HeldSecret]) -> None:
    """What they have bought is refused from now on, at the gateway's nodes too; who calls this saves them."""
    revocation.refuse(Named.GRANT, [_grant(secret) for secret in secrets])
    for secret in secrets:
        secret.generation += 1


def _grant(secret: HeldSecret) -> str:
    device = getattr(secret.holder, "device", None)
    return revocation.grant(secret, device.epoch if device else 0)


def live_lately(locked: Holder, now: datetime) -> list[HeldSecret]:
    """The secrets whose access tokens may be good still."""
    ended = now - revocation.LONGEST
    return [one for one in locked.secrets.all() if one.slot is not None or one.ended_at > ended]


def write(*locked: Holder, **facts: Any) -> None:
    """Write the same facts of each, which are of one kind, and count the change."""
    for holder in locked:
        for name, value in {**facts, "revision": holder.revision + 1}.items():
            setattr(holder, name, value)
    of_these = type(locked[0]).objects.filter(pk__in=[holder.pk for holder in locked])
    of_these.update(**facts, revision=F("revision") + 1)


def tell(
    locked: Holder, what: str, by: Actor, reason: str, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    tell_all([locked], what, by, reason, before, after)


def tell_all(
    locked: Sequence[Holder],
    what: str,
    by: Actor,
    reason: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    """The same of each, which are of one kind."""
    verb = Topic(f"{kinds.of(locked[0]).noun}.{what}")
    subjects = [kinds.subject(each) for each in locked]
    audit.record_all(by, verb, [audit.Change(subject, before, after) for subject in subjects], reason=reason)
    outbox.put_all(verb, [{noun: name, "by": str(by)} for noun, name in subjects])


def moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
