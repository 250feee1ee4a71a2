"""The words of Envoy's own answers: JSON, one sentence and one code per cause."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.envoy.routes import IDS, NOT_FOUND, PATH_REFUSED, UNCORRELATED, header
from gateway.envoy.sources import typed

MENDER = ("/api/management/", "/api/devices/")
# The app server takes 100, and some are added on the way.
HEADERS = 90
AGAIN = "try again in a few seconds."
MENDER_ID = "%REQ(X-MEN-REQUESTID?X-REQUEST-ID):128%"


@dataclass(frozen=True)
class Reply:
    """What is answered to a cause: to Envoy's detail (CEL over `d`), to one of its flags, or to a status."""

    code: str
    sentence: str
    details: str = ""
    flags: tuple[str, ...] = ()
    status_is: int = 0
    status: int = 0
    retry_after: int = 0


UNREACHED = ("UF", "UC", "UR", "UH", "NC", "LH")
REPLIES = (
    Reply("path_refused", PATH_REFUSED, "d == 'path_normalization_failed'", status=400),
    Reply("upgrade_not_served", "No upgrade of the connection is served here.", "d == 'upgrade_failed'", status=400),
    Reply("portal_unavailable", "The portal does not answer; " + AGAIN, flags=UNREACHED, status=503, retry_after=2),
    Reply("service_busy", "Too many requests are under way; " + AGAIN, flags=("UO",), status=503, retry_after=2),
    Reply(
        "service_timeout", "No answer came in time; what was asked may still have been done.", flags=("UT",), status=504
    ),
    Reply("headers_too_large", f"The headers are over 60 KiB or more than {HEADERS}; send fewer.", status_is=431),
    Reply("body_too_large", "The body is larger than this path takes; send less.", status_is=413),
    Reply("request_too_slow", "The request was too slow: headers take 10 s at most, all of it 60 s.", status_is=408),
    Reply("upgrade_required", "HTTP/1.0 is not served here; use HTTP/1.1 or HTTP/2.", status_is=426),
    Reply("route_not_found", NOT_FOUND, status_is=404),
    Reply("bad_request", "The request cannot be read; check its framing and its header names.", status_is=400),
    Reply("bad_request", "The transfer coding is not served here; use chunked, once.", status_is=501, status=400),
    Reply("service_unavailable", "This cannot be served now; " + AGAIN, status_is=503, retry_after=2),
)


# What the API of the device door calls by another word.
DEVICE_CODES = {"body_too_large": "too_large", "route_not_found": "not_found"}


def local_reply_config(*, for_devices: bool = False) -> dict[str, Any]:
    """The first mapper that fits speaks; a route that answers no brings its words in its metadata."""
    codes = DEVICE_CODES if for_devices else {}
    words = ("%METADATA(ROUTE:gatehouse:sentence)%", "%METADATA(ROUTE:gatehouse:code)%")
    direct = _details("d == 'direct_response'")
    unfit = {"filters": [direct, *({"header_filter": {"header": unfit}} for unfit in UNCORRELATED)]}
    # An unfit correlation id is not repeated.
    mappers = list(_both({"and_filter": unfit}, *words, {"x-correlation-id": IDS["x-request-id"]}))
    mappers += _both(direct, *words)
    for reply in REPLIES:
        changes: dict[str, Any] = {"status_code": reply.status} if reply.status else {}
        added = {"retry-after": str(reply.retry_after)} if reply.retry_after else {}
        mappers += _both(
            _filter(reply), reply.sentence.replace("%", "%%"), codes.get(reply.code, reply.code), added, **changes
        )
    return {"mappers": mappers, "body_format": _body("The request was refused.", "refused")}


def _both(
    cause: dict[str, Any], sentence: str, code: str, added: dict[str, str] | None = None, **changes: Any
) -> Iterator[dict[str, Any]]:
    """To Mender's clients, who know no code and look for the id under another name, and to everybody else."""
    extra = [header(name, value) for name, value in (added or {}).items()]
    ids = [header(name, value, "ADD_IF_ABSENT") for name, value in IDS.items()]
    for prefix in MENDER:
        path = {"header_filter": {"header": {"name": ":path", "string_match": {"prefix": prefix}}}}
        yield {
            "filter": {"and_filter": {"filters": [path, cause]}},
            "headers_to_add": [header("x-men-requestid", MENDER_ID), *ids, *extra],
            "body_format_override": _format({"error": sentence, "request_id": MENDER_ID}),
            **changes,
        }
    yield {
        "filter": cause,
        "headers_to_add": [*ids, *extra],
        "body_format_override": _body(sentence, code),
        **changes,
    }


def _body(sentence: str, code: str) -> dict[str, Any]:
    return _format({"error": sentence, "code": code, "request_id": "%REQ(X-REQUEST-ID)%"})


def _format(members: dict[str, str]) -> dict[str, Any]:
    return {"json_format": members}


def _filter(reply: Reply) -> dict[str, Any]:
    if reply.details:
        return _details(reply.details)
    if reply.flags:
        return {"response_flag_filter": {"flags": list(reply.flags)}}
    return {
        "status_code_filter": {
            "comparison": {"op": "EQ", "value": {"default_value": reply.status_is, "runtime_key": "unset"}}
        }
    }


def _details(expression: str) -> dict[str, Any]:
    config = typed(
        "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        expression=expression.replace("d ", "response.code_details "),
    )
    return {"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": config}}
