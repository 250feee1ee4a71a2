"""Two filters that change more often than the doors: who issued a token, and what was revoked since."""

from collections.abc import Iterable
from typing import Any

from gateway.envoy.plan import Keys, Revoked
from gateway.envoy.sources import typed
from tokens.access_tokens import GATEWAY_SCOPE

PROVIDER = "gatehouse"
REQUIREMENT = "access_token"
SCHEMES = ("Bearer ", "bearer ", "BEARER ")
# Tokens, for each thread of Envoy; of several KiB each.
REMEMBERED = 1000
# Seconds by which clocks may differ.
SKEW = 5
JWT = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
RBAC = "envoy.extensions.filters.http.rbac.v3.RBAC"
# Claims that later filters look at, and the services behind the gateway. Client copies were removed before. In headers
# they cost half of what they would in Envoy's metadata.
CLAIMS = {
    "jti": "x-gatehouse-token",
    "grant": "x-gatehouse-grant",
    "sub": "x-gatehouse-subject",
    "tenant": "x-gatehouse-tenant",
    "scope": "x-gatehouse-scope",
    GATEWAY_SCOPE: "x-gatehouse-gateway-scope",
}
# A list comes into a header as Base64, in which no scope is found.
SCOPES = (CLAIMS["scope"], CLAIMS[GATEWAY_SCOPE])


def access_token(keys: Keys) -> dict[str, Any]:
    """A filter that demands a token where a route names the requirement `access_token`, and nowhere else.

    Without `from_headers` Envoy would also take a token from the query.
    """
    schemes = [{"name": "Authorization", "value_prefix": scheme} for scheme in SCHEMES]
    provider = {
        "issuer": keys.issuer,
        "audiences": list(keys.audiences),
        "local_jwks": {"inline_string": keys.jwks},
        "from_headers": schemes,
        # A signature is verified once. The end of a token is judged each time, and so is what was revoked, by a filter
        # of its own; with another ring of keys the whole filter is another, and remembers nothing.
        "jwt_cache_config": {"jwt_cache_size": REMEMBERED},
        "forward": True,
        "require_expiration": True,
        "clock_skew_seconds": SKEW,
        "claim_to_headers": [{"header_name": header, "claim_name": claim} for claim, header in CLAIMS.items()],
    }
    config = typed(JWT, providers={PROVIDER: provider}, requirement_map={REQUIREMENT: {"provider_name": PROVIDER}})
    return _named("access_token", config)


def revocations(revoked: Revoked) -> dict[str, Any]:
    """A filter that looks a token's id, its grant and its subject up by hash, so that 50,000 cost no time."""
    verdict = _action("none", "ALLOW")
    for claim, values in (("sub", revoked.subjects), ("grant", revoked.grants), ("jti", revoked.tokens)):
        verdict = _unless(CLAIMS[claim], values, verdict)
    matcher = verdict.get("matcher") or {"on_no_match": verdict}
    return _named("revocations", typed(RBAC, matcher=matcher))


def _unless(header: str, values: Iterable[str], otherwise: dict[str, Any]) -> dict[str, Any]:
    """Deny these values of the header, else go on. Envoy takes no empty map."""
    denied = {value: _action("revoked", "DENY") for value in sorted(values)}
    if not denied:
        return otherwise
    read = {
        "name": "request-headers",
        "typed_config": typed("envoy.type.matcher.v3.HttpRequestHeaderMatchInput", header_name=header),
    }
    tree = {"input": read, "exact_match_map": {"map": denied}}
    return {"matcher": {"matcher_tree": tree, "on_no_match": otherwise}}


def _action(name: str, action: str) -> dict[str, Any]:
    config = typed("envoy.config.rbac.v3.Action", name=name, action=action)
    return {"action": {"name": "envoy.filters.rbac.action", "typed_config": config}}


def _named(name: str, config: dict[str, Any]) -> dict[str, Any]:
    return typed("envoy.config.core.v3.TypedExtensionConfig", name=name, typed_config=config)
