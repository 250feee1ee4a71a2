"""The scopes of Gatehouse. Each is declared here and nowhere else; none contains another.

Beside these a scope such as `gateway:core-data` opens the routes of the gateway that ask for it; `gateway:*` opens all.
"""

import re
from collections.abc import Collection, Iterable

from django.db import models

from portal.refusal import Invalid

ROUTE = r"gateway:[a-z0-9._~-]{1,255}"
# What one holder has at most, in scopes and in characters: an access token names them twice, and is read up to 8 KiB.
MOST, LONGEST = 100, 2500


class Scope(models.TextChoices):
    """One thing a person, a token or an app may be allowed to do; the label is what people read."""

    DEVICES_READ = "devices:read", "See devices and the denied list"
    DEVICES_ADMIT = "devices:admit", "Submit, preauthorize, accept and reject devices, decide key changes"
    DEVICES_UPDATE = "devices:update", "Change the configuration and attributes of devices"
    DEVICES_DELETE = "devices:delete", "Deny, restore and purge devices"
    DEVICES_ENROL = "devices:enrol", "Sign certificates for devices"
    SHUTDOWNS_READ = "shutdowns:read", "See shutdowns and how they go"
    SHUTDOWNS_REQUEST = "shutdowns:request", "Order, cancel and retry shutdowns"
    SHUTDOWNS_APPROVE = "shutdowns:approve", "Approve the shutdowns that others ordered"
    TOKENS_READ = "tokens:read", "See API tokens, never their secrets"
    TOKENS_MANAGE = "tokens:manage", "Create, rotate and revoke API tokens"
    TOKENS_INTROSPECT = "tokens:introspect", "Ask whether a token is live"
    APPS_READ = "apps:read", "See apps, versions and where they are installed"
    APPS_MANAGE = "apps:manage", "Register, transfer and remove apps"
    CREDENTIALS_READ = "credentials:read", "See app credentials, never their secrets"
    CREDENTIALS_MANAGE = "credentials:manage", "Issue, rotate and revoke app credentials"
    CREDENTIALS_ROTATE_OWN = "credentials:rotate-own", "Rotate the credential that asks"
    USERS_READ = "users:read", "See people, groups and tenants"
    USERS_MANAGE = "users:manage", "Create and deactivate people, give roles, manage tenants"
    GATEWAY_READ = "gateway:read", "See routes, certificates and gateway nodes"
    GATEWAY_MANAGE = "gateway:manage", "Change routes, certificates and gateway nodes"
    GATEWAY_ALL = "gateway:*", "Call every route of the gateway"
    AUDIT_READ = "audit:read", "Read the audit trail"
    WEBHOOKS_MANAGE = "webhooks:manage", "Manage webhooks and replay deliveries"
    METRICS_READ = "metrics:read", "Read the metrics"


def is_of_route(text: str) -> bool:
    """Whether this scope opens routes of the gateway that ask for it, and nothing of the portal."""
    return text not in Scope.values and re.fullmatch(ROUTE, text) is not None


def opens_routes(text: str) -> bool:
    """Whether this scope opens routes of the gateway: some, or all."""
    return text == Scope.GATEWAY_ALL or is_of_route(text)


def is_known(text: str) -> bool:
    """Whether this is a scope at all."""
    return text in Scope.values or is_of_route(text)


def refuse_too_many(wanted: Collection[str]) -> None:
    """Refuse more scopes than one token can hold; it looks at their number and length alone."""
    if len(wanted) > MOST or sum(map(len, wanted)) > LONGEST:
        raise Invalid(
            "scopes", f"Name at most {MOST} scopes of {LONGEST} characters together; gateway:* opens all routes."
        )


def beyond(wanted: Iterable[str], held: Collection[str]) -> set[str]:
    """What of these is not held; who holds `gateway:*` holds the scope of every route."""
    missing = set(wanted) - set(held)
    return {scope for scope in missing if not is_of_route(scope)} if Scope.GATEWAY_ALL in held else missing


def within(wanted: Iterable[str], held: Collection[str]) -> frozenset[str]:
    """What of these is held."""
    asked = frozenset(wanted)
    return asked - beyond(asked, held)


def described(names: Collection[str]) -> list[tuple[str, str]]:
    """These scopes, each with what it allows in words: those that are declared in their order, then those of routes."""
    declared = [(str(scope), str(scope.label)) for scope in Scope if scope in names]
    of_routes = sorted(name for name in names if is_of_route(name))
    return [*declared, *((name, "Call the gateway's routes that ask for it") for name in of_routes)]
