"""What the gateway would say to a request, step by step, told without sending it; nothing of it is kept.

The request is looked up in the very table that each Envoy is offered, so order and words are those of the doors.
"""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings

from gateway import discovery, route_fields, token_verdict
from gateway.envoy import matching
from gateway.envoy.extension_configs import CLAIMS
from gateway.envoy.gateway_routes import OURS
from gateway.envoy.matching import Asked
from gateway.envoy.plan import PORTAL, ROUTE
from gateway.envoy.routes import NAME, PATH_REFUSED
from gateway.models import Route
from portal.refusal import Invalid

LONGEST_PATH, LONGEST_METHOD, LONGEST_TOKEN = 8000, 32, 16_000
# In the order in which they are judged.
STEPS: Final = {
    "path": "Path",
    "credentials": "Header and query",
    "route": "Route",
    "token": "Token",
    "revocation": "Revocation",
    "scope": "Scope",
    "method": "Method",
}
# At which step an answer of the table itself is given.
_AT: Final = {
    "method_refused": "path",
    "path_refused": "path",
    "token_in_query": "credentials",
    "authorization_malformed": "credentials",
    "method_not_allowed": "method",
}
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)


@dataclass(frozen=True)
class Step:
    """One step: what it was passed with, or the code and the sentence of the no."""

    name: str
    said: str
    code: str | None = None

    @property
    def is_passed(self) -> bool:
        return self.code is None

    @property
    def title(self) -> str:
        return STEPS[self.name]


@dataclass(frozen=True)
class Upstream:
    """What the service would be asked, and some of what it would be told; `shows_token` if the token goes along."""

    method: str
    url: str
    host: str
    headers: Mapping[str, str]
    shows_token: bool


@dataclass(frozen=True)
class Verdict:
    """`outcome` is allowed, refused, or portal, where the portal answers the path itself.

    `status`, `code` and `error` are those of the no; `hint` is what else would help, if anything is known.
    """

    outcome: str
    steps: list[Step] = field(default_factory=list)
    route: Route | None = None
    status: int | None = None
    code: str | None = None
    error: str | None = None
    hint: str | None = None
    upstream: Upstream | None = None


def judge(method: str, path: str, token: str = "", *, now: float | None = None) -> Verdict:
    """The verdict on a request with this token as its bearer token, or with none.

    Refused is what is no request: a method of odd characters, a path that does not begin with a slash.
    """
    if not _METHOD.fullmatch(method) or len(method) > LONGEST_METHOD:
        raise Invalid("method", "Write a method, such as GET.")
    if not path.startswith("/") or len(path) > LONGEST_PATH:
        raise Invalid("path", f"Write the path alone: it begins with /, and has at most {LONGEST_PATH:,} characters.")
    token = token.strip()
    headers = {"authorization": f"Bearer {token}"} if token else {}
    if method != "CONNECT" and matching.is_refused_unread(path):
        return _no([], "path", 400, "path_refused", PATH_REFUSED)
    asked = Asked(method, matching.merged(path), headers)
    [table] = discovery.offer("routes", [NAME]).resources
    entry = matching.entry(table, asked) or {}
    if str(entry.get("name", "")).startswith(ROUTE):
        return _at_route(entry, asked, token, time.time() if now is None else now)
    if entry.get("route", {}).get("cluster") == PORTAL:
        return Verdict("portal", [_path(asked), Step("route", "The portal answers this path itself.")])
    code, sentence, status = _answer(entry)
    step = _AT.get(code, "route")
    passed = {"path": [], "credentials": [_path(asked)]}.get(step, [_path(asked), _credentials(token)])
    return _no(passed, step, status, code, sentence, hint=_nearly(asked.path) if step == "route" else None)


def _at_route(entry: Mapping[str, Any], asked: Asked, token: str, now: float) -> Verdict:
    """The token and its scope, then what the entry itself answers, then the service."""
    route = Route.objects.filter(pk=entry["name"].removeprefix(ROUTE)).first()
    scope = entry["metadata"]["filter_metadata"]["gatehouse"]["scope"]
    judged, claims = token_verdict.judge(token, scope, discovery.keys(), discovery.revoked(), now)
    passed = [_path(asked), _credentials(token), Step("route", f"It is for the route {route}.")]
    passed += [Step(each.step, each.said) for each in judged if each.no is None]
    if no := judged[-1].no:
        sentence = token_verdict.sentence(no, scope)
        return _no(passed, judged[-1].step, no.status, no.code, sentence, route)
    if "direct_response" in entry:
        code, sentence, status = _answer(entry)
        return _no(passed, _AT.get(code, "route"), status, code, sentence, route)
    passed.append(Step("method", f"The route serves {asked.method}."))
    return Verdict("allowed", passed, route, upstream=_upstream(entry, asked, claims, route))


def _upstream(
    entry: Mapping[str, Any], asked: Asked, claims: Mapping[str, Any], route: Route | None
) -> Upstream | None:
    if route is None:
        return None
    plan, here = route_fields.planned(route), urlsplit(settings.PUBLIC_URL).netloc
    removed = {name.lower() for name in entry.get("request_headers_to_remove", ())}
    told = {name: claims[claim] for claim, name in CLAIMS.items() if name not in OURS and claim in claims}
    headers = {"X-Forwarded-Host": here, "X-Forwarded-Prefix": f"/{route.prefix}"}
    headers |= {name.title(): str(value) for name, value in told.items()}
    return Upstream(
        asked.method,
        f"{plan.scheme}://{plan.authority}{matching.rewritten(entry['route'], asked.path)}",
        entry["route"].get("host_rewrite_literal", here),
        headers,
        "authorization" not in removed,
    )


def _no(
    passed: Iterable[Step],
    step: str,
    status: int,
    code: str,
    error: str,
    route: Route | None = None,
    hint: str | None = None,
) -> Verdict:
    return Verdict("refused", [*passed, Step(step, error, code)], route, status, code, error, hint)


def _answer(entry: Mapping[str, Any]) -> tuple[str, str, int]:
    """Code, sentence and status of an entry that answers by itself."""
    said = entry["metadata"]["filter_metadata"]["gatehouse"]
    return said["code"], said["sentence"], entry["direct_response"]["status"]


def _path(asked: Asked) -> Step:
    return Step("path", f"It can be read in one way only: {asked.path}")


def _credentials(token: str) -> Step:
    return Step("credentials", "The token stands in one Authorization header." if token else "There is no token.")


def _nearly(path: str) -> str:
    """Which route was meant perhaps: one that is disabled, or one that is spelled otherwise."""
    bare = path.partition("?")[0].lower()
    near = [route for route in Route.objects.all() if f"{bare}/".startswith(f"/{route.prefix.lower()}/")]
    if not near:
        return "No route has this prefix, in any case."
    route = max(near, key=lambda route: len(route.prefix))
    if not route.is_enabled:
        return f"The route {route} is disabled; enable it first."
    return f"The route {route} is spelled otherwise; capital and small letters differ."
