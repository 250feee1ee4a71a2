"""Ending API tokens: revoked for good, or disabled until somebody who may enables it again."""

from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from portal import audit, outbox, text
from portal.actor import Actor
from portal.refusal import Refusal, Stale
from portal.scopes import Scope
from portal.topics import Topic
from tokens import gateway_tokens
from tokens.models import ApiToken

OF_OTHERS = Scope.USERS_MANAGE


class NotYours(Refusal):
    """The token is another's, and this is not for whoever asks to do to it."""

    status, code = 403, "not_the_owner"


class DisabledByAnother(Refusal):
    """The owner asks for what somebody else has switched off."""

    status, code = 403, "token_disabled_by_another"


class AlreadyRevoked(Refusal):
    code = "token_revoked"


class Changed(Stale):
    """The token is not what was looked at."""

    code = "token_changed"


@transaction.atomic
def revoke(token: ApiToken, *, by: Actor, reason: str = "", seen: int | None = None) -> None:
    """End a token at once and for good: one of one's own, or anybody's for who manages people.

    `seen` is the revision that was looked at; a token that has changed since stays as it is. So with the other verbs.
    """
    _judge(token, by, reason)
    _update(token, {}, seen, revoked_at=timezone.now(), revoked_by=str(by))
    gateway_tokens.refuse(token)
    _tell(token, "revoked", {"revoked": False}, {"revoked": True}, by, reason)


@transaction.atomic
def disable(token: ApiToken, *, by: Actor, reason: str = "", seen: int | None = None) -> None:
    """Refuse a token until it is enabled again; what is disabled already stays so."""
    _judge(token, by, reason)
    facts = {"disabled_at": timezone.now(), "disabled_by": str(by), "disabled_by_owner": by.owner == token.owner_id}
    if _update(token, {"disabled_at": None}, seen, **facts):
        gateway_tokens.refuse(token)
        _tell(token, "disabled", {"disabled": False}, {"disabled": True}, by, reason)


@transaction.atomic
def enable(token: ApiToken, *, by: Actor, reason: str = "", seen: int | None = None) -> None:
    """Honour a disabled token again, if it has not been revoked or expired meanwhile, and its owner is active.

    What another than its owner has disabled is enabled only by who may change others' tokens.
    """
    _judge(token, by, reason)
    own = {} if by.may(OF_OTHERS) else {"disabled_by_owner": True}
    enabled = _update(
        token, {"disabled_at__isnull": False, **own}, seen, disabled_at=None, disabled_by="", disabled_by_owner=False
    )
    if enabled:
        gateway_tokens.honour(token)
        _tell(token, "enabled", {"disabled": True}, {"disabled": False}, by, reason)
    elif token.disabled_at is not None:
        raise DisabledByAnother(
            f"{token} was disabled by {token.disabled_by or 'another'}; enabling it needs the scopes "
            f"{Scope.TOKENS_MANAGE} and {OF_OTHERS}, so ask them or an administrator."
        )


def may_change(token: ApiToken, by: Actor) -> bool:
    """Whether this actor may switch the token off and revoke it: who manages tokens, others' if people, too."""
    return by.may(Scope.TOKENS_MANAGE) and (by.owner == token.owner_id or by.may(OF_OTHERS))


def may_enable(token: ApiToken, by: Actor) -> bool:
    """Whether this actor may enable the token, which is disabled."""
    return may_change(token, by) and (token.disabled_by_owner or by.may(OF_OTHERS))


def read_again(token: ApiToken) -> None:
    """Take what the database says now of the facts that change; its owner and its successor stay at hand."""
    switched = ("disabled_at", "disabled_by", "disabled_by_owner")
    token.refresh_from_db(fields=["expires_at", "revoked_at", "revoked_by", *switched, "revision"])


def _judge(token: ApiToken, by: Actor, reason: str) -> None:
    text.check("reason", reason, most=500)
    if not may_change(token, by):
        raise NotYours(
            f"{token} belongs to another; this needs the scopes {Scope.TOKENS_MANAGE} and {OF_OTHERS}, "
            "or ask its owner."
        )


def _update(token: ApiToken, standing: dict[str, Any], seen: int | None, **facts: Any) -> bool:
    """Write the facts if the token is neither revoked nor changed and stands like that; whether it did."""
    looked_at = {} if seen is None else {"revision": seen}
    unrevoked = ApiToken.objects.filter(pk=token.pk, revoked_at=None)
    written = unrevoked.filter(**standing, **looked_at).update(revision=F("revision") + 1, **facts)
    read_again(token)
    if not written and token.revoked_at:
        raise AlreadyRevoked(_revoked(token))
    if not written and seen not in (None, token.revision):
        raise Changed(f"{token} has changed since you looked: it is {token.state()}. Look again, then decide.")
    return bool(written)


def _tell(token: ApiToken, what: str, before: dict[str, Any], after: dict[str, Any], by: Actor, reason: str) -> None:
    audit.record(by, f"token.{what}", ("token", token.pk), before=before, after=after, reason=reason)
    outbox.put(Topic(f"token.{what}"), {"token": token.pk, "by": str(by)})


def _revoked(token: ApiToken) -> str:
    return f"{token} was revoked by {token.revoked_by} at {token.revoked_at:%Y-%m-%d %H:%M:%S} UTC."
