"""Rotating API tokens: a successor with the same rights, while the old one goes on for an overlap, so nothing fails."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from portal import audit, outbox
from portal.actor import Actor
from portal.refusal import Invalid, Refusal
from portal.topics import Topic
from tokens import ending, gateway_tokens, issuing
from tokens.models import ApiToken, Stated

OVERLAP_HOURS = 24
LONGEST_OVERLAP_HOURS = 30 * 24


class NotRotatable(Refusal):
    """The token is not live, or has a successor already."""

    code = "token_not_rotatable"


@dataclass(frozen=True)
class Rotated:
    """The successor, its secret to show once, and the token that it replaces."""

    token: ApiToken
    secret: str = field(repr=False)
    replaced: ApiToken


def rotate(token: ApiToken, *, by: Actor, overlap_hours: int = OVERLAP_HOURS) -> Rotated:
    """Issue a successor with the same name, owner, scopes, addresses and, as far as it is allowed now, length of life.

    The old secret goes on for `overlap_hours` (0 to 720), never beyond its own expiry. A token has one successor: of
    two rotations at once the second is refused. Who rotates gets a secret, so it must be one of their own, or they an
    operator at the machine, and they must hold every scope of the token and may come from wherever it may. A token that
    rotates itself is given no more than it has, so what its owner has lost meanwhile does not matter: that is judged at
    each use, as before.
    """
    if by.owner != token.owner_id and by.kind not in ("command", "worker"):
        raise ending.NotYours(f"{token} belongs to another; only its owner is shown a new secret, so ask them.")
    if by.credential != issuing.credential(token.pk):
        issuing.refuse_beyond(token.scopes, by, "so you cannot rotate this token")
        issuing.judge_addresses(token.addresses, by)
    if not 0 <= overlap_hours <= LONGEST_OVERLAP_HOURS:
        raise Invalid("overlap_hours", f"The overlap is 0 to {LONGEST_OVERLAP_HOURS} hours.")
    now = timezone.now()
    try:
        with transaction.atomic():
            ends = min(token.expires_at, now + timedelta(hours=overlap_hours))
            # With no overlap the old token ends in this moment, which its constraint takes as just after creation.
            ends = max(ends, token.created_at + timedelta(microseconds=1))
            going = ApiToken.objects.live(now).filter(pk=token.pk, revision=token.revision)
            if not going.update(expires_at=ends, revision=F("revision") + 1):
                raise NotRotatable(f"{token} is {token.state()} or has changed since you looked; look again.")
            successor, shown = issuing.make(
                name=token.name,
                owner=token.owner,
                scopes=token.scopes,
                addresses=token.addresses,
                expires_at=now + min(_life(token), timedelta(days=settings.TOKEN_MAX_DAYS)),
                replaces=token,
            )
            facts = {"successor": successor.pk, "expires_at": ends}
            before = {"expires_at": token.expires_at}
            audit.record(by, "token.rotated", ("token", token.pk), before=before, after=facts)
            outbox.put(Topic.TOKEN_ROTATED, {"token": token.pk, "successor": successor.pk, "by": str(by)})
            if not overlap_hours:
                gateway_tokens.refuse(token)
            ending.read_again(token)
    except IntegrityError as rotated:
        raise NotRotatable(f"{token} has been rotated already; rotate its successor.") from rotated
    return Rotated(successor, shown, token)


def due(within: timedelta) -> list[ApiToken]:
    """Live tokens that expire within this time and have no successor yet, the soonest first.

    One that a rotation made is left alone for half of its life, so that running this again rotates nothing again.
    """
    now = timezone.now()
    ending = expiring(within, now)
    return [token for token in ending if token.replaces_id is None or now - token.created_at > _life(token) / 2]


def expiring(within: timedelta, now: datetime) -> Stated:
    """Live tokens of active owners that expire within this time without a successor, the soonest first."""
    tokens: Stated = ApiToken.objects.live(now)
    return (
        tokens.filter(expires_at__lte=now + within, replaced_by=None, owner__is_active=True)
        .select_related("owner")
        .order_by("expires_at", "pk")
    )


def _life(token: ApiToken) -> timedelta:
    return token.expires_at - token.created_at
