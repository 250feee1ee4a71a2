"""Issuing and revoking API tokens: the secret is shown once and only its digest is kept."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from portal import audit, outbox, text
from portal.actor import Actor
from portal.models import User
from portal.refusal import Invalid, NotFound, Refusal
from portal.roles import SCOPES
from portal.scopes import Scope
from tokens import secret
from tokens.models import ApiToken

KIND = "gate_pat"
USE_NOTED_EVERY = timedelta(minutes=1)


class TooBroad(Refusal):
    """Nobody grants what they do not hold."""

    status, code = 403, "scope_too_broad"


class NotYours(Refusal):
    status, code = 403, "not_the_owner"


class Unknown(NotFound):
    code = "token_not_found"


class AlreadyRevoked(Refusal):
    code = "token_revoked"


def issue(name: str, scopes: Collection[str], *, owner: User, days: int, by: Actor) -> tuple[ApiToken, str]:
    """Issue a token for `owner` and return it with its secret, which is nowhere kept.

    The scopes must be held by who issues it and by the owner; it expires after 1 to GATEHOUSE_TOKEN_MAX_DAYS days.
    """
    text.check("name", name, least=1, most=100)
    wanted = _known(scopes)
    if extra := wanted - by.scopes:
        raise TooBroad(f"You do not hold {_listed(extra)}, so you cannot grant it; leave it out.")
    if extra := wanted - _held(owner):
        raise TooBroad(f"{owner.username} does not hold {_listed(extra)}, so their token cannot; leave it out.")
    if not 1 <= days <= settings.TOKEN_MAX_DAYS:
        raise Invalid("days", f"A token lives 1 to {settings.TOKEN_MAX_DAYS} days.")
    generated = secret.generate(KIND)
    now = timezone.now()
    with transaction.atomic():
        token: ApiToken = ApiToken.objects.create(
            id=generated.id,
            name=name,
            owner=owner,
            digest=generated.digest,
            pepper=generated.pepper,
            scopes=sorted(wanted),
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        facts = {"name": name, "owner": owner.username, "scopes": token.scopes, "expires_at": token.expires_at}
        audit.record(by, "token.issued", ("token", token.pk), after=facts)
        outbox.put("token.issued", {"token": token.pk, "owner": owner.username, "by": str(by)})
    return token, generated.text


def revoke(token: ApiToken, *, by: Actor, reason: str = "") -> None:
    """End a token at once and for good. Who may manage tokens may revoke those of everybody."""
    text.check("reason", reason, most=500)
    now = timezone.now()
    with transaction.atomic():
        revoked = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now, revoked_by=str(by))
        token.refresh_from_db()
        if not revoked:
            raise AlreadyRevoked(
                f"{token} was revoked by {token.revoked_by} at {token.revoked_at:%Y-%m-%d %H:%M:%S} UTC."
            )
        audit.record(
            by, "token.revoked", ("token", token.pk), before={"revoked": False}, after={"revoked": True}, reason=reason
        )
        outbox.put("token.revoked", {"token": token.pk, "by": str(by)})


def note_use(token: ApiToken, address: str, now: datetime) -> None:
    """Remember when and from where the token was used, at most once a minute."""
    if token.last_used_at is None or not timedelta() <= now - token.last_used_at < USE_NOTED_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now, last_used_from=address)


def effective_scopes(token: ApiToken) -> frozenset[str]:
    """What the token may do now: its scopes that its owner, if active, still holds."""
    return frozenset(token.scopes) & _held(token.owner)


def _held(owner: User) -> frozenset[str]:
    return SCOPES.get(owner.role, frozenset()) if owner.is_active else frozenset()


def _known(scopes: Collection[str]) -> frozenset[str]:
    if not scopes:
        raise Invalid("scopes", "Choose at least one scope.")
    if unknown := set(scopes) - set(Scope.values):
        raise Invalid("scopes", f"There is no scope {_listed(unknown)}; the API page lists them all.")
    return frozenset(scopes)


def _listed(scopes: Collection[str]) -> str:
    return ", ".join(sorted(scopes))
