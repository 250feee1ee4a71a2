"""The gateway's routes: whose token opens each, which methods it has, and what reaches the service behind it."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.envoy import cors, rates
from gateway.envoy.extension_configs import CLAIMS, REQUIREMENT, SCHEMES, SCOPES
from gateway.envoy.plan import Route
from gateway.envoy.sources import header, refusal, typed
from gateway.envoy.verdicts import NOT_BEARER

EVERY_ROUTE = "gateway:*"
SILENCE = 300
# Past the limit of a route its stream is idle; the body may take a minute before it begins.
BODY = 60
# One scheme, one blank, one token; copies of the header are joined by a comma.
AUTHORIZATION = "[^ ,]+ [^ ,]+"
WEBSOCKET = [
    {"name": ":method", "string_match": {"exact": "GET"}},
    {"name": "upgrade", "string_match": {"exact": "websocket", "ignore_case": True}},
]
OURS = (CLAIMS["jti"], CLAIMS["grant"], *SCOPES, "x-gatehouse-caller-request-id")


def with_those_above(routes: Sequence[Route]) -> dict[str, list[dict[str, Any]]]:
    """The entries of each route by the beginning of its paths, and behind them those of the routes that it nests in."""
    own = {route.prefix: _route(route) for route in routes}
    return {f"/{prefix}": [each for one in _upwards(prefix) for each in own.get(one, ())] for prefix in own}


def _upwards(prefix: str) -> Iterator[str]:
    """The prefix itself, then without its last segment, and so on."""
    while prefix:
        yield prefix
        prefix = prefix.rpartition("/")[0]


def unfit_token() -> dict[str, Any]:
    unfit = [{"name": "authorization", "string_match": {"safe_regex": {"regex": AUTHORIZATION}}, "invert_match": True}]
    return refusal(
        {"prefix": "/", "headers": unfit},
        400,
        "authorization_malformed",
        "Send one Authorization header: Bearer, one blank, the token, and nothing more.",
    )


def _route(route: Route) -> list[dict[str, Any]]:
    """What asks for no token first. The token and its scope are judged also where the method is not of the route."""
    prefix = {"path_separated_prefix": f"/{route.prefix}"}
    unknown, own = _another_scheme(route, prefix), _served(route, prefix)
    entries = cors.preflights(route, prefix)
    if route.cors_origins:
        entries.append(cors.answered(route, unknown))
    entries += [unknown, _another_method(route, prefix)]
    if route.websocket:
        entries.append(_socket(route, prefix))
    if route.cors_origins:
        entries.append(cors.answered(route, own))
        own["response_headers_to_remove"] = list(cors.OF_THE_SERVICE)
    return [*entries, own]


def _another_scheme(route: Route, prefix: dict[str, Any]) -> dict[str, Any]:
    """Envoy would find the token behind a scheme that only ends like one of ours, such as `XBearer`."""
    others = [{"name": "authorization", "string_match": {"prefix": each}, "invert_match": True} for each in SCHEMES]
    return {
        **refusal({**prefix, "headers": others}, 401, NOT_BEARER.code, NOT_BEARER.sentence, scope=route.scope),
        "name": route.name,
        # This answer needs no body.
        "typed_per_filter_config": {"buffer": _buffer(disabled=True)},
        "response_headers_to_add": [header("www-authenticate", NOT_BEARER.challenge)],
    }


def _another_method(route: Route, prefix: dict[str, Any]) -> dict[str, Any]:
    """Envoy compares headers before the path, for each route until one fits: one by one they cost less than a regex."""
    listed = ", ".join(route.methods)
    others = [{"name": ":method", "string_match": {"exact": each}, "invert_match": True} for each in route.methods]
    return {
        **refusal(
            {**prefix, "headers": others},
            405,
            "method_not_allowed",
            f"This route serves {listed} only.",
            scope=route.scope,
        ),
        "name": route.name,
        # This answer needs no body.
        "typed_per_filter_config": {**_judged(route), "buffer": _buffer(disabled=True)},
        "response_headers_to_add": [header("allow", listed)],
    }


def _served(route: Route, match: dict[str, Any], **filters: Any) -> dict[str, Any]:
    return {
        "name": route.name,
        "match": match,
        "route": _action(route),
        "metadata": {"filter_metadata": {"gatehouse": _facts(route)}},
        "typed_per_filter_config": {
            **_judged(route),
            "buffer": _buffer(buffer={"max_request_bytes": route.body_limit}),
            **filters,
        },
        "request_headers_to_add": [
            header("x-forwarded-host", "%REQ(:AUTHORITY)%"),
            header("x-forwarded-prefix", f"/{route.prefix}"),
        ],
        "request_headers_to_remove": [*OURS, *([] if route.forwards_token else ["authorization"])],
    }


def _socket(route: Route, prefix: dict[str, Any]) -> dict[str, Any]:
    """A WebSocket has no body that could be awaited; it may be silent for as long as it may live."""
    life = f"{route.websocket_max_s}s"
    entry = _served(route, {**prefix, "headers": WEBSOCKET}, buffer=_buffer(disabled=True))
    entry["route"] |= {
        "timeout": "0s",
        "idle_timeout": life,
        "max_stream_duration": {"max_stream_duration": life},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
    }
    return entry


def _facts(route: Route) -> dict[str, str]:
    """What the answers of the door tell of the route."""
    rate = {"again_after": str(rates.again_after(route))} if route.rate_per_minute else {}
    return {"scope": route.scope, **rate}


def _judged(route: Route) -> dict[str, Any]:
    """The filters that it turns on; with no words of its own for what was revoked."""
    revoked = typed("envoy.config.route.v3.FilterConfig", config={})
    return {"access_token": _token(), "revocations": revoked, "scope": _scope(route.scope)}


def _action(route: Route) -> dict[str, Any]:
    """Past the prefix comes what the service is asked, below its base path; the query stays as it is."""
    action: dict[str, Any] = {
        **rates.counted(route),
        "cluster": route.name,
        "timeout": f"{route.timeout_s}s",
        "idle_timeout": f"{route.timeout_s + BODY if route.timeout_s else SILENCE}s",
        "regex_rewrite": {
            "pattern": {"regex": f"^/{re.escape(route.prefix)}/?"},
            "substitution": f"{route.base}/",
        },
    }
    if not route.keeps_host:
        action["host_rewrite_literal"] = route.authority
    if route.retries:
        # Only what the service has certainly not seen is sent again, so this is safe for every method.
        action["retry_policy"] = {
            "retry_on": "connect-failure,refused-stream,reset-before-request",
            "num_retries": route.retries,
        }
    return action


def _token() -> dict[str, Any]:
    return typed("envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig", requirement_name=REQUIREMENT)


def _scope(scope: str) -> dict[str, Any]:
    """The token holds the scope of the route, or the one that opens every route."""
    words = "|".join(map(re.escape, (scope, EVERY_ROUTE)))
    held = {"safe_regex": {"regex": f"(.* )?({words})( .*)?"}}
    principals = [{"header": {"name": name, "string_match": held}} for name in SCOPES]
    policy = {"permissions": [{"any": True}], "principals": principals}
    rules = {"action": "ALLOW", "policies": {"scope": policy}}
    return typed("envoy.extensions.filters.http.rbac.v3.RBACPerRoute", rbac={"rules": rules})


def _buffer(**facts: Any) -> dict[str, Any]:
    return typed("envoy.extensions.filters.http.buffer.v3.BufferPerRoute", **facts)
