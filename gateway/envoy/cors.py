"""What a browser hears that asks a gateway route for a page of another origin, on a route that lists origins."""

import re
from typing import Any

from gateway.envoy.plan import Route
from gateway.envoy.sources import header, typed

FILTER = "answers"
MUTATION = "envoy.extensions.filters.http.header_mutation.v3"
ASKED = {"name": "access-control-request-method", "present_match": True}
HEADERS = "authorization, content-type, accept, x-correlation-id"
EXPOSED = "x-correlation-id, x-request-id, retry-after"
REMEMBERED = 600
# What the service itself says to browsers would open more than the route does.
OF_THE_SERVICE = ("access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers")


def listed(route: Route) -> dict[str, Any]:
    """That the request comes from a page of one of the route's origins; copies of the header are joined by a comma."""
    return {"name": "origin", "string_match": {"safe_regex": {"regex": "|".join(map(re.escape, route.cors_origins))}}}


def preflights(route: Route, prefix: dict[str, Any]) -> list[dict[str, Any]]:
    """The answers to what a browser asks before it sends the token: of a listed origin, then of any other.

    They come from the door itself, so nobody reaches the service without a token.
    """
    if not route.cors_origins:
        return []
    asked = [{"name": ":method", "string_match": {"exact": "OPTIONS"}}, ASKED]
    told = [
        *_said(route),
        header("access-control-allow-methods", ", ".join(route.methods)),
        header("access-control-allow-headers", HEADERS),
        header("access-control-max-age", str(REMEMBERED)),
    ]
    another = {"name": "origin", "present_match": True}
    return [
        _preflight(route, {**prefix, "headers": [*asked, listed(route)]}, response_headers_to_add=told),
        _preflight(route, {**prefix, "headers": [*asked, another]}),
    ]


def answered(route: Route, entry: dict[str, Any]) -> dict[str, Any]:
    """The same entry for pages of a listed origin."""
    match = {**entry["match"], "headers": [*entry["match"].get("headers", ()), listed(route)]}
    filters = {**entry["typed_per_filter_config"], FILTER: _answers(route)}
    return {**entry, "match": match, "typed_per_filter_config": filters}


def _answers(route: Route) -> dict[str, Any]:
    """What every answer to a page of a listed origin carries, refusals too, or the page could not read them."""
    said = [
        *({"remove": name} for name in OF_THE_SERVICE),
        *({"append": each} for each in _said(route)),
        {"append": header("access-control-expose-headers", EXPOSED)},
        {"append": header("vary", "Origin", "APPEND_IF_EXISTS_OR_ADD")},
    ]
    return typed(f"{MUTATION}.HeaderMutationPerRoute", mutations={"response_mutations": said})


def _said(route: Route) -> list[dict[str, Any]]:
    """The origin is repeated only where it was found in the list."""
    credentials = [header("access-control-allow-credentials", "true")] if route.cors_credentials else []
    return [header("access-control-allow-origin", "%REQ(ORIGIN)%"), *credentials]


def _preflight(route: Route, match: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return {
        "name": route.name,
        "match": match,
        "direct_response": {"status": 200},
        # It has no body to wait for.
        "typed_per_filter_config": {
            "buffer": typed("envoy.extensions.filters.http.buffer.v3.BufferPerRoute", disabled=True)
        },
        **facts,
    }
