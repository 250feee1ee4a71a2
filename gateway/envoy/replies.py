"""The words of Envoy's own answers: JSON, one sentence and one code per cause."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.dialects import industrial_edge_errors, insights_errors, mender_errors, vault_errors
from gateway.envoy.reply import AGAIN, DETAILS, Reply
from gateway.envoy.routes import IDS, NOT_FOUND, PATH_REFUSED, UNCORRELATED
from gateway.envoy.sources import header, typed
from gateway.envoy.verdicts import AT_ROUTE, UNANSWERED, VERDICTS

# The app server takes 100, and some are added on the way.
HEADERS = 90
REQUEST_ID = "%REQ(X-REQUEST-ID)%"
MENDER_ID = "%REQ(X-MEN-REQUESTID?X-REQUEST-ID):128%"


@dataclass(frozen=True)
class Dialect:
    """How a no is written below some prefixes, and at paths that fit `ending`: its body, from sentence and status, and
    headers that it has there. For a status that `words` names they stand in place of the sentence."""

    prefixes: tuple[str, ...]
    body: Callable[[str, int], dict[str, Any]]
    headers: tuple[tuple[str, str], ...] = ()
    ending: str = ""
    words: Mapping[int, str] = field(default_factory=dict)


# Mender's clients know no code, and look for the id under another name.
MENDER = Dialect(
    (mender_errors.MANAGEMENT, mender_errors.DEVICES),
    lambda sentence, status: {"error": sentence, "request_id": MENDER_ID},
    (("x-men-requestid", MENDER_ID),),
    words=mender_errors.WORDS,
)
# Of which at the device door only the calls of devices are served.
MENDER_DEVICES = replace(MENDER, prefixes=(mender_errors.DEVICES,))
INSIGHTS_HUB = Dialect(
    insights_errors.PREFIXES,
    lambda sentence, status: insights_errors.body(insights_errors.WORDS[status], sentence, REQUEST_ID),
)
INDUSTRIAL_EDGE = Dialect(
    industrial_edge_errors.PREFIXES,
    lambda sentence, status: industrial_edge_errors.body(industrial_edge_errors.WORDS[status], sentence, REQUEST_ID),
    ending=industrial_edge_errors.ENDING,
)
VAULT = Dialect(vault_errors.PREFIXES, lambda sentence, status: vault_errors.body(sentence))

# What a browser asks before it asks is answered by headers alone.
NOTHING = {"text_format_source": {"inline_string": ""}}
UNREACHED = ("UF", "UC", "UR", "UH", "NC", "LH")
REPLIES = (
    Reply(
        # A sign of percent that is meant as one is written twice.
        "path_refused",
        PATH_REFUSED.replace("%", "%%"),
        f"{DETAILS} == 'path_normalization_failed'",
        status=400,
    ),
    Reply(
        "upgrade_not_served",
        "No upgrade of the connection is served here.",
        f"{DETAILS} == 'upgrade_failed'",
        status=400,
    ),
    Reply("portal_unavailable", "The portal does not answer; " + AGAIN, flags=UNREACHED, status=503, retry_after="2"),
    Reply("service_busy", "Too many requests are under way; " + AGAIN, flags=("UO",), status=503, retry_after="2"),
    Reply("service_timeout", UNANSWERED, flags=("UT",), status=504),
    Reply("headers_too_large", f"The headers are over 60 KiB or more than {HEADERS}; send fewer.", status_is=431),
    Reply("body_too_large", "The body is larger than this path takes; send less.", status_is=413),
    Reply("request_too_slow", "The request was too slow: headers take 10 s at most, all of it 60 s.", status_is=408),
    Reply("upgrade_required", "HTTP/1.0 is not served here; use HTTP/1.1 or HTTP/2.", status_is=426),
    Reply("route_not_found", NOT_FOUND, status_is=404),
    Reply("bad_request", "The request cannot be read; check its framing and its header names.", status_is=400),
    Reply("bad_request", "The transfer coding is not served here; use chunked, once.", status_is=501, status=400),
    Reply(
        "bad_request", "This door speaks no TLS; ask it for http://, or ask the TLS door.", status_is=403, status=400
    ),
    Reply("service_unavailable", "This cannot be served now; " + AGAIN, status_is=503, retry_after="2"),
)


# What the API of the device door calls by another word.
DEVICE_CODES = {"body_too_large": "too_large", "route_not_found": "not_found"}


def local_reply_config(*, for_devices: bool = False, in_dialects: bool = True) -> dict[str, Any]:
    """The first mapper that fits speaks; a route that answers no brings its words in its metadata."""
    codes = DEVICE_CODES if for_devices else {}
    dialects: tuple[Dialect, ...] = (
        (MENDER_DEVICES, INDUSTRIAL_EDGE) if for_devices else (MENDER, INSIGHTS_HUB, INDUSTRIAL_EDGE, VAULT)
    )
    words = ("%METADATA(ROUTE:gatehouse:sentence)%", "%METADATA(ROUTE:gatehouse:code)%")
    direct = _expression(f"{DETAILS} == 'direct_response'")
    unfit = {"filters": [direct, *({"header_filter": {"header": unfit}} for unfit in UNCORRELATED)]}
    if not in_dialects:
        dialects = ()
    # An unfit correlation id is not repeated.
    mappers = list(_each({"and_filter": unfit}, *words, 400, dialects, {"x-correlation-id": IDS["x-request-id"]}))
    if not for_devices:
        # No dialect is spoken at a gateway route, whatever its paths look like.
        at_route = [direct, _expression(AT_ROUTE)]
        mappers.append(
            {"filter": {"and_filter": {"filters": [*at_route, _status(200)]}}, "body_format_override": NOTHING}
        )
        mappers += _each({"and_filter": {"filters": at_route}}, *words, 405, ())
        for reply in VERDICTS:
            mappers += _spoken_by(reply, ())
    # What is answered no below the prefix of a dialect cannot be read; all else there is for the portal.
    mappers += _each(direct, *words, 400, dialects)
    for reply in REPLIES:
        mappers += _spoken_by(reply, dialects, codes.get(reply.code))
    return {"mappers": mappers, "body_format": _body("The request was refused.", "refused")}


def _spoken_by(reply: Reply, dialects: tuple[Dialect, ...], code: str | None = None) -> Iterator[dict[str, Any]]:
    """One of Envoy's answers, under its own code or this one."""
    changes: dict[str, Any] = {"status_code": reply.status} if reply.status else {}
    added = {"retry-after": reply.retry_after} if reply.retry_after else {}
    if reply.challenge:
        added["www-authenticate"] = reply.challenge
    status = reply.status or reply.status_is
    return _each(_filter(reply), reply.sentence, code or reply.code, status, dialects, added, **changes)


def _each(
    cause: dict[str, Any],
    sentence: str,
    code: str,
    status: int,
    dialects: tuple[Dialect, ...],
    added: dict[str, str] | None = None,
    **changes: Any,
) -> Iterator[dict[str, Any]]:
    """To the clients of each dialect in its shape, then to everybody else."""
    extra = [header(name, value) for name, value in (added or {}).items()]
    ids = [header(name, value, "ADD_IF_ABSENT") for name, value in IDS.items()]
    for dialect in dialects:
        own = [header(name, value) for name, value in dialect.headers]
        yield {
            "filter": {"and_filter": {"filters": [_spoken(dialect), cause]}},
            "headers_to_add": [*own, *ids, *extra],
            "body_format_override": _format(dialect.body(dialect.words.get(status, sentence), status)),
            **changes,
        }
    yield {
        "filter": cause,
        "headers_to_add": [*ids, *extra],
        "body_format_override": _body(sentence, code),
        **changes,
    }


def _spoken(dialect: Dialect) -> dict[str, Any]:
    """That the path is one of the dialect's; what stands behind a `?` is no path."""
    matches: list[dict[str, Any]] = [{"prefix": each} for each in dialect.prefixes]
    if dialect.ending:
        matches.append({"safe_regex": {"regex": rf"[^?]*{dialect.ending}(\?.*)?"}})
    paths = [{"header_filter": {"header": {"name": ":path", "string_match": each}}} for each in matches]
    return paths[0] if len(paths) == 1 else {"or_filter": {"filters": paths}}


def _body(sentence: str, code: str) -> dict[str, Any]:
    return _format({"error": sentence, "code": code, "request_id": REQUEST_ID})


def _format(members: dict[str, Any]) -> dict[str, Any]:
    return {"json_format": members}


def _filter(reply: Reply) -> dict[str, Any]:
    """Everything that the reply names; no other answer of Envoy has it."""
    causes: list[dict[str, Any]] = [{"header_filter": {"header": each}} for each in reply.headers]
    if reply.expression:
        causes.append(_expression(reply.expression))
    if reply.flags:
        causes.append({"response_flag_filter": {"flags": list(reply.flags)}})
    if reply.status_is:
        causes.append(_status(reply.status_is))
    return causes[0] if len(causes) == 1 else {"and_filter": {"filters": causes}}


def _status(status: int) -> dict[str, Any]:
    value = {"default_value": status, "runtime_key": "unset"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _expression(expression: str) -> dict[str, Any]:
    config = typed("envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter", expression=expression)
    return {"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": config}}
