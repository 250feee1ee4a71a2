"""What may stand in a route of the gateway, field by field, and what Envoy makes of it."""

import re
from collections.abc import Iterable
from typing import Final

from django.conf import settings

from gateway import portal_paths, system_cas
from gateway.envoy import plan
from gateway.envoy.routes import BAD_PERCENT, BYTES, DOT_SEGMENT
from gateway.models import HostHeader, Route
from portal import scopes, targets
from portal.addresses import NotFoundByName
from portal.refusal import Invalid, Refusal

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
KIB, MIB = plan.KIB, plan.MIB
# The least and the most, and in which unit.
BOUNDS: Final = {
    "timeout_s": (0, 600, "seconds, 0 for as long as something comes every 300 s"),
    "connect_timeout_s": (1, 10, "seconds"),
    "retries": (0, 3, "retries"),
    "body_limit": (KIB, 64 * MIB, "bytes"),
    "rate_per_minute": (0, 60_000, "requests of one caller, 0 for any number"),
    "burst": (1, 1000, "requests at once"),
    "websocket_max_s": (60, 86_400, "seconds"),
}
LOOK_UP_SECONDS = 3.0

_SEGMENT = "[A-Za-z0-9][A-Za-z0-9._~-]{0,62}"
_PREFIX = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT}){{0,3}}")
_HEALTH = re.compile(r"(?:/[!-\"$-~]{0,499})?")
# What a person pastes may have some around it; no field of one word holds any.
_BLANKS = " \t"
# No such path comes in by a door either: the service could read another one than was judged.
_AMBIGUOUS = re.compile(f"{DOT_SEGMENT}|{BYTES}|{BAD_PERCENT}")
_BASE = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*")


class PrefixReserved(Refusal):
    """The portal answers below it."""

    status, code = 400, "prefix_reserved"

    def __init__(self, segment: str) -> None:
        sentence = f"/{segment} belongs to the portal; choose another prefix."
        super().__init__(sentence)
        self.invalid = {"prefix": [sentence]}


def prefix(text: str) -> str:
    """The prefix as it is kept, without the blanks and then the slashes around it."""
    found = text.strip(_BLANKS).removeprefix("/").removesuffix("/")
    if not _PREFIX.fullmatch(found):
        raise Invalid(
            "prefix",
            "A prefix is 1 to 4 segments joined by /, each 1 to 63 of A-Z a-z 0-9 . _ ~ and -, beginning with a letter "
            "or a digit.",
        )
    first = found.partition("/")[0]
    if first.lower() in {segment.lower() for segment in portal_paths.segments(settings.ROOT_URLCONF)}:
        raise PrefixReserved(first)
    return found


def scope_for(prefix: str) -> str:
    """The scope that a route asks for if nobody names another."""
    return f"gateway:{prefix.lower().replace('/', '.')}"


def scope(text: str) -> str:
    """A scope of routes. One of the portal itself would open the route to everybody who holds it for another reason."""
    text = text.strip(_BLANKS)
    if not scopes.opens_routes(text):
        taken = text in scopes.Scope.values
        raise Invalid(
            "scope",
            f"{text} opens something of the portal; choose another scope for the route."
            if taken
            else "A scope of routes is gateway: and 1 to 255 of a-z 0-9 . _ ~ and -.",
        )
    return text


def methods(wanted: Iterable[str]) -> list[str]:
    """The methods in the order of their table, each once."""
    chosen = set(wanted)
    if unknown := sorted(chosen - set(METHODS)):
        raise Invalid("methods", f"A route has no method {unknown[0][:20]!r}; it may have {', '.join(METHODS)}.")
    if not chosen:
        raise Invalid("methods", "Choose at least one method.")
    return [method for method in METHODS if method in chosen]


def number(name: str, value: int) -> int:
    least, most, unit = BOUNDS[name]
    if not least <= value <= most:
        raise Invalid(name, f"Write {least:,} to {most:,} {unit}.")
    return value


def host_header(word: str) -> str:
    if word not in HostHeader.values:
        raise Invalid("host_header", f"Choose one of {', '.join(HostHeader.values)}.")
    return word


def target(url: str) -> str:
    """The URL as it is kept. Its host is open to routes, at each of the addresses that it has here, if it has any."""
    allowed = targets.Allowed.read(settings.ROUTE_TARGETS)
    read, kept = _written(url)
    judge(read, allowed)
    return kept


def spelling(url: str) -> str:
    """The URL as it would be kept, whether or not a route may lead there; nothing is looked up."""
    return _written(url)[1]


def _written(url: str) -> tuple[targets.Target, str]:
    read = targets.read(url.strip(_BLANKS), targets.Allowed())
    base = read.rest.removesuffix("/")
    if not _BASE.fullmatch(base):
        raise Invalid(
            "target", "A target has no query, and below its base path only A-Z a-z 0-9 . _ ~ - and / without . and .. ."
        )
    return read, f"{read.scheme}://{read.authority}{base}"


def health_path(text: str) -> str:
    """Where the service is asked how it is, from its own root; empty where it is not asked."""
    text = text.strip(_BLANKS)
    if not _HEALTH.fullmatch(text):
        raise Invalid("health_path", "A health path is / and up to 499 visible ASCII characters other than #.")
    if _AMBIGUOUS.fullmatch(text):
        raise Invalid(
            "health_path",
            "A health path that can be read in two ways is not taken; write it without dot segments, %2F, %5C, \\, ;, "
            "control bytes or a lone %.",
        )
    return text


def refuse_at_odds(route: Route) -> None:
    """Refuse fields of which each is good and which do not fit together."""
    is_https = route.target.startswith("https:")
    if route.target_ca and not is_https:
        raise Invalid("target_ca", "CAs are for https targets only; leave them out, or let the target be https.")
    if is_https and not route.target_ca and not system_cas.file():
        raise Invalid(
            "target",
            "No CA certificates are installed on this machine, so no https target can be verified; give the route its "
            "own in target_ca.",
        )
    if route.websocket and "GET" not in route.methods:
        raise Invalid("websocket", "A WebSocket begins with GET; let the route have that method.")


def judge(read: targets.Target, allowed: targets.Allowed) -> None:
    """Refuse a target by what is written, and by where its name leads now; a name may be known to an Envoy alone."""
    targets.judge(read, allowed)
    try:
        targets.addresses_of(read, allowed, seconds=LOOK_UP_SECONDS)
    except NotFoundByName:
        return


def planned(route: Route) -> plan.Route:
    """The route as Envoy's resources are made of it."""
    read = targets.read(route.target, targets.Allowed())
    return plan.Route(
        id=str(route.pk or "new"),
        prefix=route.prefix,
        scope=route.scope,
        methods=tuple(route.methods),
        scheme=read.scheme,
        host=read.host,
        port=read.port,
        base=read.rest.removesuffix("/"),
        is_address=read.address is not None,
        authority=read.authority,
        timeout_s=route.timeout_s,
        connect_timeout_s=route.connect_timeout_s,
        retries=route.retries,
        body_limit=route.body_limit,
        keeps_host=route.host_header == HostHeader.CLIENT,
        forwards_token=route.forward_token,
        rate_per_minute=route.rate_per_minute,
        burst=route.burst,
        health_path=route.health_path,
        websocket=route.websocket,
        websocket_max_s=route.websocket_max_s,
        cors_origins=tuple(route.cors_origins),
        cors_credentials=route.cors_credentials,
        target_ca=route.target_ca,
    )
