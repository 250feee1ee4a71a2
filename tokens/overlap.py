"""Rotating what holds secrets: a new one beside the old, until the overlap ends, is ended, or is cancelled.

At most two secrets are live, and the database says so too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from portal import text
from portal.actor import Actor
from portal.refusal import Invalid, Refusal
from portal.rfc3339 import written
from tokens import held, issuing, kinds
from tokens.models import HeldSecret, Holder

GRACE_HOURS, LONGEST_GRACE_HOURS = 24, 30 * 24
LONGEST_DAYS = 365
# A secret that was used so lately is still in use.
STILL_USED = timedelta(hours=24)


class TwoSecretsLive(Refusal):
    code = "two_secrets_live"


class HasEnded(Refusal):
    """The secret by which a client wanted to rotate lives no more."""

    status, code = 401, "unauthorized"


class NoOverlap(Refusal):
    code = "no_overlap"


class InUse(Refusal):
    """Some program shows the secret that would end; when it did so last and from where stands in the details."""

    def __init__(self, which: str, secret: HeldSecret, first: str) -> None:
        at, address = secret.last_used_at, secret.last_used_from
        moment = held.moment(at) if at else "some time"
        super().__init__(
            f"The {which} secret was used at {moment} from {address}. {first}, or confirm that it may stop."
        )
        self.details = {"last_used_at": written(at) or "", "last_used_from": address}


class OldSecretInUse(InUse):
    code = "old_secret_in_use"


class NewSecretInUse(InUse):
    code = "new_secret_in_use"


class Disabled(Refusal):
    code = "credential_disabled"


@dataclass(frozen=True)
class Rotated:
    """The holder, its new secret with the text to show once, and the one that it takes the place of, if one lives."""

    holder: Any
    secret: HeldSecret
    text: str = field(repr=False)
    replaced: HeldSecret | None


def longest_days() -> int:
    """The most days that a secret of these kinds may live here."""
    return min(LONGEST_DAYS, int(settings.TOKEN_MAX_DAYS))


def judge_days(days: int | None) -> timedelta:
    """How long a new secret lives: what was asked for, else the most."""
    most = longest_days()
    if days is not None and not 1 <= days <= most:
        raise Invalid("days", f"A secret lives 1 to {most} days.")
    return timedelta(days=days or most)


@held.told
@transaction.atomic
def rotate(
    holder: Holder,
    *,
    by: Actor,
    grace_hours: float = GRACE_HOURS,
    days: int | None = None,
    force: bool = False,
    end_tokens: bool = False,
    reason: str = "",
    seen: int | None = None,
    shown: str = "",
) -> Rotated:
    """Give it a new secret; the old one goes on for `grace_hours` (0 to 720), never beyond its own expiry.

    Two that live already are a refusal; `force` ends the older at once. `end_tokens` also ends what the old secret has
    bought. One that has expired is brought back so; one that is disabled or revoked is not. `shown` is the id of the
    secret by which a client itself rotates; it must live still, and the new one lives no longer than that was made to.
    """
    text.check("reason", reason, most=500)
    if not 0 <= grace_hours <= LONGEST_GRACE_HOURS:
        raise Invalid("grace_hours", f"The old secret goes on for 0 to {LONGEST_GRACE_HOURS} hours.")
    life = judge_days(days)
    now, kind = timezone.now(), kinds.of(holder)
    locked = held.lock(holder, seen)
    held.refuse_ended(locked)
    if locked.disabled_at:
        expired = locked.expires_at <= now  # So it cannot be enabled either.
        advice = "it has expired since, so delete it, and make another" if expired else "enable it first, then rotate"
        raise Disabled(f"{locked} is disabled since {held.moment(locked.disabled_at)}; {advice}.")
    judge_grant(locked, by)
    held.settle(locked, now)
    living = list(locked.living(now))
    if shown:
        life = _life_of(shown, living)
    if len(living) == 2:
        if not force:
            raise TwoSecretsLive(
                f"{locked} has two live secrets; end the overlap first, or cancel that rotation, or force this one, "
                "which ends the older at once."
            )
        held.end(living.pop(0), now, held.FORCED, tokens_too=end_tokens)
    replaced = living[0] if living else None
    if replaced and grace_hours == 0:
        held.end(replaced, now, held.ROTATED, tokens_too=end_tokens)
    elif replaced:
        replaced.ends_at = min(now + timedelta(hours=grace_hours), replaced.expires_at)
        if end_tokens:
            held.end_tokens([replaced])
        replaced.save(update_fields=["ends_at", "generation"])
    generated = kind.generate(locked)
    new = kind.make(locked, generated)
    new.slot = 2 if replaced and replaced.slot == 1 else 1
    new.created_at, new.expires_at = now, now + life
    new.save(force_insert=True)
    # The old one may outlive a new one that lives for days alone.
    last = max(new.expires_at, replaced.end) if replaced else new.expires_at
    held.write(locked, expires_at=last)
    facts = {"secret": new.pk, "expires_at": new.expires_at, "end_tokens": end_tokens}
    before = {"secret": replaced.pk, "expires_at": replaced.expires_at} if replaced else None
    ends = {"old_ends_at": replaced.end} if replaced else {}
    held.tell(locked, "rotated", by, reason, before, {**facts, **ends})
    return Rotated(locked, new, generated.text, replaced)


@held.told
@transaction.atomic
def end_overlap(holder: Holder, *, by: Actor, confirm: bool = False, seen: int | None = None) -> Any:
    """End the old secret now. One that was used in the last 24 hours needs `confirm`."""
    now, locked = timezone.now(), held.lock(holder, seen)
    old, new = _overlap(locked, now)
    if not confirm and old.last_used_at and now - old.last_used_at < STILL_USED:
        raise OldSecretInUse("old", old, "Move that program to the new one first")
    held.end(old, now, held.OVERLAP_ENDED)
    held.write(locked, expires_at=new.expires_at)
    held.tell(locked, "overlap_ended", by, "", {"secret": old.pk}, {"secret": new.pk})
    return locked


@held.told
@transaction.atomic
def cancel_rotation(holder: Holder, *, by: Actor, confirm: bool = False, seen: int | None = None) -> Any:
    """End the new secret and give the old one its own expiry back. A new one that was used needs `confirm`."""
    now, locked = timezone.now(), held.lock(holder, seen)
    old, new = _overlap(locked, now)
    if not confirm and new.last_used_at:
        raise NewSecretInUse("new", new, "Move that program back to the old one first")
    held.end(new, now, held.CANCELLED)
    old.ends_at = None
    old.save(update_fields=["ends_at"])
    held.write(locked, expires_at=old.expires_at)
    facts = {"secret": old.pk, "expires_at": old.expires_at}
    held.tell(locked, "rotation_cancelled", by, "", {"secret": new.pk}, facts)
    return locked


def _life_of(shown: str, living: Sequence[HeldSecret]) -> timedelta:
    """How long the secret that was shown was made to live; of two who show it at once, it has ended for the second."""
    present = next((secret for secret in living if secret.pk == shown), None)
    if present is None:
        raise HasEnded("The secret that was shown has ended meanwhile; show the one that took its place.")
    return min(present.expires_at - present.created_at, timedelta(days=longest_days()))


def judge_grant(holder: Holder, by: Actor) -> None:
    """Refuse who would be shown a secret that opens what they may not; an app rotates its own whatever it holds."""
    if by.credential == f"credential {holder.pk}":
        return
    issuing.refuse_beyond(holder.granted, by, "so you cannot be given a secret that opens it")


def _overlap(locked: Holder, now: datetime) -> tuple[HeldSecret, HeldSecret]:
    """The old secret and the new one."""
    living = locked.living(now)
    if len(living) != 2:
        raise NoOverlap(f"{locked} has {len(living) or 'no'} live secret, so there is no overlap to end.")
    return living[0], living[1]
