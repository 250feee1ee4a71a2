"""Issuing API tokens: the secret is shown once and only its digest is kept."""

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import InternalError, OperationalError, transaction
from django.utils import timezone

from portal import audit, outbox, text
from portal.actor import Actor
from portal.models import User
from portal.refusal import Invalid, NotFound, Refusal
from portal.roles import SCOPES
from portal.scopes import beyond, is_known, refuse_too_many
from portal.topics import Topic
from tokens import addresses as bounds
from tokens import lookup, secret
from tokens.models import ApiToken

KIND = "gate_pat"
CANNOT_GRANT = "so you cannot grant it; leave it out"
USE_NOTED_EVERY = timedelta(minutes=1)


class TooBroad(Refusal):
    """Nobody grants what they do not hold."""

    status, code = 403, "scope_too_broad"


class Unknown(NotFound):
    code = "token_not_found"


class NobodyBehind(Refusal):
    """An app has no person behind it, whose an API token could be."""

    status, code = 403, "needs_a_person"


def issue(
    name: str, scopes: Collection[str], *, owner: User, days: int, by: Actor, addresses: Collection[str] = ()
) -> tuple[ApiToken, str]:
    """Issue a token for `owner` and return it with its secret, which is nowhere kept.

    The scopes must be held by who issues it and by the owner; it expires after 1 to GATEHOUSE_TOKEN_MAX_DAYS days,
    which bounds every token alike: one that issues another may end before it. `addresses` are the networks it may come
    from, such as `10.0.0.0/8`; none means from anywhere, or from where the token may come that issues it.
    """
    text.check("name", name, least=1, most=100)
    wanted = _known(scopes)
    refuse_beyond(wanted, by)
    if extra := beyond(wanted, held(owner.role, is_active=owner.is_active)):
        raise TooBroad(f"{owner.username} does not hold {_listed(extra)}, so their token cannot; leave it out.")
    if not 1 <= days <= settings.TOKEN_MAX_DAYS:
        raise Invalid("days", f"A token lives 1 to {settings.TOKEN_MAX_DAYS} days.")
    networks = bounds.read(addresses or by.addresses)
    judge_addresses(networks, by)
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
        outbox.put(Topic.TOKEN_ISSUED, {"token": token.pk, "owner": owner.username, "by": str(by)})
    return token, shown


def person_behind(actor: Actor) -> User:
    """The person whose the tokens are that this actor issues."""
    person: User | None = User.objects.filter(pk=actor.owner).first() if actor.owner else None
    if person is None:
        raise NobodyBehind("An API token belongs to a person, and there is none behind an app; ask a person for one.")
    return person


def refuse_beyond(scopes: Collection[str], by: Actor, so: str = CANNOT_GRANT) -> None:
    """Refuse who does not hold all of these scopes; `so` ends the sentence with what follows from it."""
    if extra := beyond(scopes, by.scopes):
        raise TooBroad(f"You do not hold {_listed(extra)}, {so}.")


def judge_addresses(addresses: Collection[str], by: Actor) -> None:
    """Refuse a secret that opens from where its asker, a token that is bound to networks, does not."""
    if not bounds.lie_within(addresses, by.addresses):
        raise TooBroad(f"You may come from {_listed(by.addresses)} alone, so may what you are given; name parts of it.")


def make(**facts: Any) -> tuple[ApiToken, str]:
    """Store a token with these facts and return it with its secret; who calls this has judged them and records it."""
    generated = secret.generate(KIND)
    token: ApiToken = ApiToken.objects.create(
        id=generated.id, digest=generated.digest, pepper=generated.pepper, created_at=timezone.now(), **facts
    )
    # It has no successor yet; were that looked up for the answer, the answer could fail after the commit.
    ApiToken._meta.get_field("replaced_by").set_cached_value(token, None)
    return token, generated.text


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
    """Remember when and from where the token was used, at most once a minute; a read-only database goes without.

    Of requests at once, one writes.
    """
    if token.last_used_at is None or not timedelta() <= now - token.last_used_at < USE_NOTED_EVERY:
        with suppress(OperationalError, InternalError):
            ApiToken.objects.filter(pk=token.pk, last_used_at=token.last_used_at).update(
                last_used_at=now, last_used_from=address
            )


def held(role: str, *, is_active: bool) -> frozenset[str]:
    """The scopes that a person of this role may put into a token, and that it may use: none, once they are inactive."""
    return SCOPES.get(role, frozenset()) if is_active else frozenset()


def _known(scopes: Collection[str]) -> frozenset[str]:
    if not scopes:
        raise Invalid("scopes", "Choose at least one scope.")
    refuse_too_many(scopes)
    if unknown := [scope for scope in scopes if not is_known(scope)]:
        raise Invalid("scopes", f"There is no scope {_listed(unknown)[:400]}; the API page lists them all.")
    return frozenset(scopes)


def _listed(scopes: Collection[str]) -> str:
    return ", ".join(sorted(scopes))
