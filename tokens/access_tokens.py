"""Access tokens that apps buy: JWTs of minutes, judged at each use by the state of what bought them.

A technical token (30 minutes) opens the portal's REST and the gateway for the data of one tenant; the token of an app
on a device (an hour) opens what its device may be asked, and the gateway.
"""

import json
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.tokens import Token

from devices.models import Status
from portal import rows
from portal.scopes import opens_routes
from tokens import signing, tenant_grants
from tokens.models import Stage, texts
from tokens.shown_secrets import Buyer

PORTAL, GATEWAY, EDGE = "portal", "gateway", "edge"
LEEWAY = 5
CLIENT_CREDENTIALS = "client_credentials"
APP_SUBJECT = "app:"
# Where `scope` is a list, those of it that open gateway routes as one text beside it: Envoy compares that much faster.
GATEWAY_SCOPE = "gateway_scope"

# A token's id, a grant and a subject never look alike, so the value alone says which of them is named.
_REVOKED = "EXISTS (SELECT 1 FROM tokens_revocation WHERE value IN (%s, %s, %s))"
STATE_OF_CLIENT = f"""
    SELECT h.id, h.client_id, h.revoked_at, h.disabled_at, h.scopes, s.generation, h.host_tenant, h.stage, h.version_id,
        {_REVOKED}
    FROM tokens_credentialsecret s JOIN tokens_appcredential h ON h.id = s.holder_id
    WHERE s.id = %s
"""  # noqa: S608
STATE_OF_INSTALLATION = f"""
    SELECT h.id, h.revoked_at, h.disabled_at, s.generation + d.epoch, d.id, d.status, d.denied_at,
        d.denials = h.denials, {_REVOKED}
    FROM tokens_apptokensecret s JOIN tokens_installedapp h ON h.id = s.holder_id
    JOIN devices_device d ON d.id = h.device_id
    WHERE s.id = %s
"""  # noqa: S608


class Backend:
    """What simplejwt asks to encode and decode: our ring of keys."""

    def __init__(self, audience: str) -> None:
        self.audience = audience

    def encode(self, payload: dict[str, Any]) -> str:
        return signing.sign(payload)

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        text = token.decode("ascii", "replace") if isinstance(token, bytes) else str(token)
        try:
            return signing.verified(text, audience=self.audience, issuer=settings.PUBLIC_URL, leeway=LEEWAY)
        except signing.Untrusted as untrusted:
            raise TokenBackendError("Token is invalid") from untrusted


class AccessToken(Token):
    """A token for one audience, as simplejwt has them; all that a token says of itself the ring has judged."""

    token_type = "access"  # noqa: S105
    lifetime = timedelta(minutes=30)
    audience = PORTAL

    def __init__(self, token: Any = None, verify: bool = True) -> None:
        super().__init__(token, verify)
        # The type of a token has no claim here.
        self.payload = {name: value for name, value in self.payload.items() if name is not None}

    def verify(self) -> None:
        return

    def get_token_backend(self) -> Any:
        return Backend(self.audience)

    @classmethod
    def sold(cls, subject: str, claims: dict[str, Any]) -> "AccessToken":
        """A new token."""
        now, token, scope = int(time.time()), cls.__new__(cls), claims.get("scope")
        if isinstance(scope, list) and (opening := [each for each in scope if opens_routes(each)]):
            claims = {**claims, GATEWAY_SCOPE: " ".join(opening)}
        token.payload = {
            "iss": settings.PUBLIC_URL,
            "sub": subject,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + int(cls.lifetime.total_seconds()),
            **claims,
        }
        return token


class EdgeToken(AccessToken):
    """The access token of an app on a device."""

    lifetime = timedelta(hours=1)
    audience = EDGE


@dataclass(frozen=True)
class Client:
    """The app behind a technical token that is good now."""

    credential: str
    client_id: str
    scopes: frozenset[str]
    tenant: str


@dataclass(frozen=True)
class EdgeApp:
    """The app on a device behind a token that is good now."""

    installation: str
    device: str
    scopes: frozenset[str]
    device_refused: str = ""


def technical(buyer: Buyer, tenant: str, scopes: Iterable[str] | None = None) -> AccessToken:
    """What credentials buy for the data of a tenant; `scopes` narrow what they may."""
    name = buyer.name
    claims = {
        "aud": [GATEWAY, PORTAL],
        "client_id": name,
        "cid": name,
        "azp": name,
        "grant_type": CLIENT_CREDENTIALS,
        "scope": list(buyer.scopes if scopes is None else scopes),
        "grant": buyer.grant,
        "tenant": tenant,
        "ten": tenant,
        "app": buyer.app,
        "app_version": buyer.version,
    }
    return AccessToken.sold(name, claims)


def for_device(buyer: Buyer) -> AccessToken:
    """What an app token buys: for its own device, and gateway routes."""
    claims = {
        "aud": [EDGE, GATEWAY],
        "scope": buyer.scopes,
        "grant": buyer.grant,
        "tenant": buyer.host_tenant,
        "device": buyer.device,
        "app": buyer.app,
        "app_version": buyer.version,
    }
    return EdgeToken.sold(f"{APP_SUBJECT}{buyer.holder_id}", claims)


def client_of(claims: dict[str, Any]) -> Client | None:
    """Whose technical token has these claims, which the ring has judged; None if it is not good any more."""
    grant, subject, tenant = (_text(claims.get(name)) for name in ("grant", "sub", "tenant"))
    secret_id, _, number = grant.partition(".")
    row = _row(STATE_OF_CLIENT, [*_named(claims), secret_id])
    if row is None:
        return None
    credential, client_id, revoked_at, disabled_at, scopes, generation, host, stage, version, named = row
    if client_id != subject or revoked_at or disabled_at or str(generation) != number or named:
        return None
    if tenant != host and not (stage == Stage.OPS and tenant_grants.stands(version, tenant)):
        return None
    held = _claimed(claims.get("scope")) & _scopes(scopes)
    return Client(credential, client_id, held, tenant)


def edge_app_of(claims: dict[str, Any]) -> EdgeApp | None:
    """The app on a device whose token has these claims; None if it is not good any more.

    A device that is pending or rejected refuses its apps by name of its state, until it is accepted.
    """
    grant, subject, device = (_text(claims.get(name)) for name in ("grant", "sub", "device"))
    secret_id, _, number = grant.partition(".")
    row = _row(STATE_OF_INSTALLATION, [*_named(claims), secret_id])
    if row is None:
        return None
    installation, revoked_at, disabled_at, epoch, its_device, status, denied_at, same, named = row
    dead = revoked_at or disabled_at or denied_at or not same or its_device != device
    if dead or subject != f"{APP_SUBJECT}{installation}":
        return None
    if status != Status.ACCEPTED:
        return EdgeApp(installation, device, frozenset(), device_refused=status)
    # After the device, whose refusal names the grant soon: the answer does not hang on how soon.
    if named or str(epoch) != number:
        return None
    return EdgeApp(installation, device, _claimed(claims.get("scope")))


def _row(statement: str, values: list[Any]) -> tuple[Any, ...] | None:
    found = rows.read(statement, values)
    return tuple(map(rows.aware, found[0])) if found else None


def _named(claims: dict[str, Any]) -> list[str]:
    """What a revocation may name of the token. One that is past stays a while, and names nothing that is good."""
    return [_text(claims.get(name)) for name in ("jti", "grant", "sub")]


def _claimed(scope: Any) -> frozenset[str]:
    """The scopes that a token names, in a list or as words in one text."""
    return frozenset(scope.split()) if isinstance(scope, str) else _scopes(scope)


def _scopes(listed: Any) -> frozenset[str]:
    """A list of scopes, as a token has it or, as text, the database."""
    named = json.loads(listed) if isinstance(listed, str) else listed
    return frozenset(texts(named)) if isinstance(named, list) else frozenset()


def _text(claim: Any) -> str:
    return claim if isinstance(claim, str) and "\x00" not in claim else ""
