"""Issuing and revoking API tokens: the secret is shown once and only its digest is kept."""

import ipaddress
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import InternalError, OperationalError, transaction
from django.db.models import F
from django.utils import timezone

from portal import audit, outbox, text
from portal.actor import Actor
from portal.models import User
from portal.refusal import Invalid, NotFound, Refusal
from portal.roles import SCOPES
from portal.scopes import Scope
from tokens import lookup, secret
from tokens.models import ApiToken

KIND = "gate_pat"
USE_NOTED_EVERY = timedelta(minutes=1)
MOST_ADDRESSES = 50


class TooBroad(Refusal):
    """Nobody grants what they do not hold."""

    status, code = 403, "scope_too_broad"


class NotYours(Refusal):
    """The token is another's, and this is not for whoever asks to do to it."""

    status, code = 403, "not_the_owner"


class Unknown(NotFound):
    code = "token_not_found"


class AlreadyRevoked(Refusal):
    code = "token_revoked"


def issue(
    name: str, scopes: Collection[str], *, owner: User, days: int, by: Actor, addresses: Collection[str] = ()
) -> tuple[ApiToken, str]:
    """Issue a token for `owner` and return it with its secret, which is nowhere kept.

    The scopes must be held by who issues it and by the owner; it expires after 1 to GATEHOUSE_TOKEN_MAX_DAYS days.
    `addresses` are the networks it may come from, such as `10.0.0.0/8`; none means from anywhere.
    """
    text.check("name", name, least=1, most=100)
    wanted = _known(scopes)
    if extra := wanted - by.scopes:
        raise TooBroad(f"You do not hold {_listed(extra)}, so you cannot grant it; leave it out.")
    if extra := wanted - held(owner.role, is_active=owner.is_active):
        raise TooBroad(f"{owner.username} does not hold {_listed(extra)}, so their token cannot; leave it out.")
    if not 1 <= days <= settings.TOKEN_MAX_DAYS:
        raise Invalid("days", f"A token lives 1 to {settings.TOKEN_MAX_DAYS} days.")
    networks = _networks(addresses)
    with transaction.atomic():
        token, shown = make(
            name=name,
            owner=owner,
            scopes=sorted(wanted),
            addresses=networks,
            expires_at=timezone.now() + timedelta(days=days),
        )
        facts = {"name": name, "owner": owner.username, "scopes": token.scopes, "expires_at": token.expires_at}
        audit.record(by, "token.issued", ("token", token.pk), after={**facts, "addresses": networks})
        outbox.put("token.issued", {"token": token.pk, "owner": owner.username, "by": str(by)})
    return token, shown


def make(**facts: Any) -> tuple[ApiToken, str]:
    """Store a token with these facts and return it with its secret; who calls this has judged them and records it."""
    generated = secret.generate(KIND)
    token: ApiToken = ApiToken.objects.create(
        id=generated.id, digest=generated.digest, pepper=generated.pepper, created_at=timezone.now(), **facts
    )
    # It has no successor yet; were that looked up for the answer, the answer could fail after the commit.
    ApiToken._meta.get_field("replaced_by").set_cached_value(token, None)
    return token, generated.text


def read_again(token: ApiToken) -> None:
    """Take what the database says now of the facts that change; its owner and its successor stay at hand."""
    token.refresh_from_db(fields=["expires_at", "revoked_at", "revoked_by", "disabled_at", "revision"])


def revoke(token: ApiToken, *, by: Actor, reason: str = "") -> None:
    """End a token at once and for good: one of one's own, or anybody's for who manages people."""
    text.check("reason", reason, most=500)
    _judge(token, by)
    now = timezone.now()
    with transaction.atomic():
        revoked = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(
            revoked_at=now, revoked_by=str(by), revision=F("revision") + 1
        )
        read_again(token)
        if not revoked:
            raise AlreadyRevoked(_revoked(token))
        audit.record(
            by, "token.revoked", ("token", token.pk), before={"revoked": False}, after={"revoked": True}, reason=reason
        )
        outbox.put("token.revoked", {"token": token.pk, "by": str(by)})


def disable(token: ApiToken, *, by: Actor, reason: str = "") -> None:
    """Refuse a token until it is enabled again; what is disabled already stays so."""
    _switch(token, timezone.now(), "token.disabled", by, reason)


def enable(token: ApiToken, *, by: Actor, reason: str = "") -> None:
    """Honour a disabled token again, if it has not been revoked or expired meanwhile."""
    _switch(token, None, "token.enabled", by, reason)


def may_change(token: ApiToken, by: Actor) -> bool:
    """Whether this actor may switch the token off and revoke it: who manages tokens, others' if people, too."""
    return by.may(Scope.TOKENS_MANAGE) and (by.owner == token.owner_id or by.may(Scope.USERS_MANAGE))


def _judge(token: ApiToken, by: Actor) -> None:
    if not may_change(token, by):
        raise NotYours(
            f"{token} belongs to another; this needs the scopes {Scope.TOKENS_MANAGE} and {Scope.USERS_MANAGE}, "
            "or ask its owner."
        )


def _switch(token: ApiToken, disabled_at: datetime | None, verb: str, by: Actor, reason: str) -> None:
    text.check("reason", reason, most=500)
    _judge(token, by)
    with transaction.atomic():
        switched = ApiToken.objects.filter(
            pk=token.pk, revoked_at=None, disabled_at__isnull=disabled_at is not None
        ).update(disabled_at=disabled_at, revision=F("revision") + 1)
        read_again(token)
        if token.revoked_at:
            raise AlreadyRevoked(_revoked(token))
        if switched:
            before, after = {"disabled": disabled_at is None}, {"disabled": disabled_at is not None}
            audit.record(by, verb, ("token", token.pk), before=before, after=after, reason=reason)
            outbox.put(verb, {"token": token.pk, "by": str(by)})


def credential(identifier: str) -> str:
    """What the history says was shown: this token."""
    return f"token {identifier}"


def shown_by(actor: Actor) -> ApiToken:
    """The token with which this actor came."""
    kind, _, identifier = actor.credential.partition(" ")
    token: ApiToken | None = ApiToken.objects.select_related("owner").filter(pk=identifier).first()
    if kind != "token" or token is None:
        raise Unknown("You did not come with an API token, so there is none of yours to look at here.")
    return token


def note_use(token: lookup.Known, address: str, now: datetime) -> None:
    """Remember when and from where the token was used, at most once a minute; a read-only database goes without."""
    if token.last_used_at is None or not timedelta() <= now - token.last_used_at < USE_NOTED_EVERY:
        with suppress(OperationalError, InternalError):
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now, last_used_from=address)


def may_come_from(addresses: Collection[str], address: str) -> bool:
    """Whether a token that is bound to these networks, none meaning all, may be used from this address."""
    if not addresses:
        return True
    try:
        came_from = ipaddress.ip_address(address)
        return any(came_from in ipaddress.ip_network(network) for network in addresses)
    except ValueError:
        return False


def held(role: str, *, is_active: bool) -> frozenset[str]:
    """The scopes that a person of this role may put into a token, and that it may use: none, once they are inactive."""
    return SCOPES.get(role, frozenset()) if is_active else frozenset()


def _revoked(token: ApiToken) -> str:
    return f"{token} was revoked by {token.revoked_by} at {token.revoked_at:%Y-%m-%d %H:%M:%S} UTC."


def _networks(addresses: Collection[str]) -> list[str]:
    if len(addresses) > MOST_ADDRESSES:
        raise Invalid("addresses", f"A token may name at most {MOST_ADDRESSES} addresses.")
    try:
        return sorted({str(ipaddress.ip_network(address.strip())) for address in addresses})
    except ValueError as wrong:
        raise Invalid("addresses", "Write addresses or networks such as 10.1.2.3 or 10.0.0.0/8.") from wrong


def _known(scopes: Collection[str]) -> frozenset[str]:
    if not scopes:
        raise Invalid("scopes", "Choose at least one scope.")
    if unknown := set(scopes) - set(Scope.values):
        raise Invalid("scopes", f"There is no scope {_listed(unknown)}; the API page lists them all.")
    return frozenset(scopes)


def _listed(scopes: Collection[str]) -> str:
    return ", ".join(sorted(scopes))
