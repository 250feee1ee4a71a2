"""Whether an access token that opens the gateway alone is live: what an API token or a gateway user has bought.

Envoy judges these by the revocations alone; here the state of what bought them counts too, so that a no holds at once.
"""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from portal.scopes import within
from tokens import gateway_tokens, gateway_users, issuing, lookup, signing
from tokens.access_tokens import GATEWAY, LEEWAY
from tokens.models import Revocation, TokenState, UserPassAccount


def claims(text: str) -> dict[str, Any] | None:
    """The claims of one that is live, with the scopes that it opens now; else None."""
    try:
        subject = signing.subject(text)
        found = _of_api_token(text, subject) or _of_gateway_user(text, subject)
    except signing.Untrusted:
        return None
    if found is None or Revocation.objects.filter(value__in=[found[name] for name in ("jti", "grant", "sub")]).exists():
        return None
    return found


def _of_api_token(text: str, subject: str) -> dict[str, Any] | None:
    kind, _, identifier = subject.partition(":")
    token = lookup.find(identifier) if f"{kind}:" == gateway_tokens.SUBJECT else None
    if token is None or token.state(timezone.now()) != TokenState.LIVE or not token.owner_is_active:
        return None
    told = signing.verified(text, audience=GATEWAY, issuer=settings.PUBLIC_URL, leeway=LEEWAY)
    if told.get("grant") != f"{token.pk}.{token.owner_role}":
        return None
    held = within(token.scopes, issuing.held(token.owner_role, is_active=True))
    return {**told, "scope": " ".join(sorted(within(told["scope"].split(), held)))}


def _of_gateway_user(text: str, subject: str) -> dict[str, Any] | None:
    account = UserPassAccount.objects.filter(subject=subject).first() if _is_uuid(subject) else None
    if account is None:
        return None
    told = signing.verified(text, audience=account.audience, issuer=settings.PUBLIC_URL, leeway=LEEWAY)
    return told if told.get("grant") == gateway_users.grant(account) else None


def _is_uuid(subject: str) -> bool:
    try:
        return str(UUID(subject)) == subject
    except ValueError:
        return False
