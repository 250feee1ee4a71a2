"""Access tokens that API tokens buy: for a quarter of an hour, for the gateway's routes, never for the portal."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from portal.actor import Actor
from portal.refusal import Invalid, Refusal
from portal.scopes import beyond, is_known, refuse_too_many
from tokens import issuing, revocation
from tokens.access_tokens import GATEWAY, AccessToken
from tokens.models import ApiToken, Named

SUBJECT = "token:"
API_TOKEN = "api_token"  # noqa: S105  # What was shown to buy it.


class ApiTokenNeeded(Refusal):
    """Whoever asks has an access token already."""

    code = "api_token_needed"


class GatewayToken(AccessToken):
    """What an API token buys."""

    lifetime = timedelta(minutes=15)
    audience = GATEWAY


@dataclass(frozen=True)
class Sold:
    """An access token with the scopes that it holds and the seconds that it lives."""

    text: str
    scopes: list[str]
    seconds: int


def sell(scopes: Collection[str] | None = None, *, by: Actor) -> Sold:
    """An access token for the gateway that holds these scopes, among those that the API token opens now; None for all.

    It ends with the API token: when that expires, and within two seconds when it is disabled or revoked; and when its
    owner is deactivated or gets another role. Networks that
    an API token is bound to say from where it buys; the access token is good from anywhere.
    """
    if by.kind != "token":
        raise ApiTokenNeeded("Only an API token buys an access token here; you hold an access token already.")
    refuse_too_many(scopes or ())
    token = issuing.shown_by(by)
    wanted = set(by.scopes if scopes is None else scopes)
    if unknown := sorted(scope for scope in wanted if not is_known(scope)):
        raise Invalid("scopes", f"There is no scope {unknown[0][:40]}; the API page lists them all.")
    if extra := beyond(wanted, by.scopes):
        raise Invalid("scopes", f"This API token does not open {min(extra)}; ask for some of what it opens.")
    left = int((token.expires_at - timezone.now()).total_seconds())
    seconds = max(1, min(int(GatewayToken.lifetime.total_seconds()), left))
    held = sorted(wanted)
    claims = {
        "aud": [GATEWAY],
        "exp": int(time.time()) + seconds,
        "grant_type": API_TOKEN,
        "grant": grant(token, token.owner.role),
        "scope": " ".join(held),
        "name": token.name,
    }
    return Sold(str(GatewayToken.sold(_subject(token), claims)), held, seconds)


def refuse(*tokens: ApiToken) -> None:
    """Refuse at the gateway what these API tokens have bought."""
    revocation.refuse(Named.SUBJECT, map(_subject, tokens))


def honour(*tokens: ApiToken) -> None:
    """Honour it again where the token, which is locked, is live and its owner is active."""
    keys = [token.pk for token in tokens]
    live = ApiToken.objects.live(timezone.now()).filter(pk__in=keys, owner__is_active=True)
    revocation.take_back(*map(_subject, live))


def grant(token: ApiToken, role: str) -> str:
    """What an access token names that the API token buys while its owner has this role."""
    return f"{token.pk}.{role}"


def _subject(token: ApiToken) -> str:
    return f"{SUBJECT}{token.pk}"
