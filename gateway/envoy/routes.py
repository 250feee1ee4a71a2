"""Routes: first what is refused whatever it asks for, then the portal's own paths and the gateway's routes."""

from typing import Any

from devices import check_in
from gateway.dialects import industrial_edge_errors
from gateway.envoy import rates, tree
from gateway.envoy.gateway_routes import unfit_token, with_those_above
from gateway.envoy.plan import PORTAL, PORTAL_FILE_TIMEOUT, PORTAL_FILES, PORTAL_SILENCE, PORTAL_TIMEOUT, Plan
from gateway.envoy.sources import header, refusal, typed
from gateway.envoy.tree import Entry, Tree

NAME = "doors"
DEVICES = "device_door"
# By which the portal knows that a request came in at the device door; client copies of it are removed before.
DOOR_HEADER = "x-gatehouse-door"
HEX = "[0-9A-Fa-f]"
DOT = r"(\.|%2[eE])"
# What two readers could read differently, in the path before its query.
DOT_SEGMENT = rf"[^?]*/{DOT}{{1,2}}(/[^?]*)?(\?.*)?"
BYTES = r"[^?]*(%2[fF]|%5[cC]|%[01][0-9A-Fa-f]|%7[fF]|%3[bB]|[;\\#]).*"
BAD_PERCENT = rf"[^?]*%([^0-9A-Fa-f].*|{HEX}([^0-9A-Fa-f].*)?)?"
# A service reads the name decoded, so each of its letters may come percent-encoded.
CREDENTIAL = "".join(f"({letter}|%(?i:{ord(letter):x}))" for letter in "access_token")
CREDENTIAL_IN_QUERY = rf"[^?]*\?(.*&)?{CREDENTIAL}([=&].*)?"
CORRELATION_ID = "[A-Za-z0-9._:-]{1,128}"
# Most paths are of this form, and so can only be read in one way: no segment begins with a dot, nothing is encoded, and
# without an underscore the query holds no access_token.
PLAIN = r"(/[A-Za-z0-9_~-][A-Za-z0-9._~:@!$&'()*+,=-]*)+/?(\?[A-Za-z0-9.~:@!$'()*+,=&/-]*)?"

PATH_REFUSED = (
    "This path can be read in two ways; send it without dot segments, %2F, %5C, ;, control bytes or a lone %."
)
NOT_FOUND = "Nothing is served at this path; check its spelling and its case."
IDS = {"x-request-id": "%REQ(X-REQUEST-ID)%", "x-correlation-id": "%REQ(X-CORRELATION-ID?X-REQUEST-ID)%"}


def _unfit(name: str, regex: str) -> list[dict[str, Any]]:
    """A header that is sent and does not match; Envoy compares none that is absent."""
    return [{"name": name, "string_match": {"safe_regex": {"regex": regex}}, "invert_match": True}]


UNCORRELATED = _unfit("x-correlation-id", CORRELATION_ID)


TO_PORTAL: dict[str, Any] = {
    "cluster": PORTAL,
    "timeout": f"{PORTAL_TIMEOUT}s",
    # Only what the portal has certainly not seen is sent again, so this is safe for every method.
    "retry_policy": {"retry_on": "connect-failure,refused-stream,reset-before-request", "num_retries": 2},
}


def routes(plan: Plan) -> list[dict[str, Any]]:
    """One table for the doors of people and programs, one for that of devices."""
    if plan.is_remote:
        nothing = [unfit_token(), route_not_found()]
        return [_table(NAME, Tree(refusals(), _gateway(plan, nothing), nothing, PLAIN), rates.limits(plan.routes))]
    nothing = [unfit_token(), token_asked_for(), route_not_found()]
    below = {**portal(plan, nothing), **_gateway(plan, nothing)}
    own = Tree(refusals(), below, [_root(), *nothing], PLAIN)
    not_found = [token_asked_for(), refusal({"prefix": ""}, 404, "not_found", NOT_FOUND)]
    for_devices = Tree(refusals(), {}, [*devices(plan), *not_found], PLAIN)
    by_device = header(DOOR_HEADER, "device")
    return [_table(NAME, own, rates.limits(plan.routes)), _table(DEVICES, for_devices, {}, by_device)]


def _gateway(plan: Plan, nothing: list[Entry]) -> dict[str, list[Entry]]:
    """What stands below each prefix. A path that only begins like one, such as `/linen` for `line`, is nowhere.

    A stored route below a path that has become the portal's own since is left out.
    """
    unfit, *others = nothing
    own = set(plan.portal_segments)
    foreign = [route for route in plan.routes if route.prefix.partition("/")[0] not in own]
    return {beginning: [unfit, *entries, *others] for beginning, entries in with_those_above(foreign).items()}


def _table(name: str, own: Tree, filters: dict[str, Any], *added: dict[str, Any]) -> dict[str, Any]:
    host = tree.host(own, **({"typed_per_filter_config": filters} if filters else {}))
    return typed(
        "envoy.config.route.v3.RouteConfiguration",
        name=name,
        virtual_hosts=[host],
        # For a peer on this machine Envoy itself would write another address than the peer's.
        request_headers_to_add=[
            header("x-forwarded-for", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"),
            header("x-correlation-id", "%REQ(X-REQUEST-ID)%", "ADD_IF_ABSENT"),
            *added,
        ],
        request_headers_to_remove=["x-envoy-external-address", "x-envoy-internal"],
        response_headers_to_add=[header(name, value, "ADD_IF_ABSENT") for name, value in IDS.items()],
    )


def refusals() -> list[Entry]:
    """What is answered before anything is looked up; the correlation id first, since every answer repeats it.

    All of it is told by headers, of which `:path` is one, with its query: `tree` asks for the same.
    """
    unreadable = {"name": ":path", "string_match": {"safe_regex": {"regex": "[!-~]+"}}, "invert_match": True}
    connect = refusal({"connect_matcher": {}}, 400, "method_refused", "CONNECT is not served here.")
    # The buffer would wait for the end of a request that has none.
    connect["typed_per_filter_config"] = {
        "buffer": typed("envoy.extensions.filters.http.buffer.v3.BufferPerRoute", disabled=True)
    }
    return [
        connect,
        refusal(
            {"prefix": "", "headers": UNCORRELATED},
            400,
            "correlation_id_refused",
            "X-Correlation-ID must be 1 to 128 of A-Z a-z 0-9 . _ : and -.",
        ),
        # What reads the first and what reads the last would not mean the same host (RFC 9112, 3.2). Envoy joins copies
        # of the header by a comma, which no name of a host holds.
        refusal(
            {"prefix": "", "headers": [{"name": ":authority", "string_match": {"contains": ","}}]},
            400,
            "host_malformed",
            "Send one Host header: the name or address of one host, and its port.",
        ),
        refusal({"prefix": "", "headers": [unreadable]}, 400, "path_refused", PATH_REFUSED),
        *(
            refusal({"prefix": "", "headers": [_path(regex)]}, 400, "path_refused", PATH_REFUSED)
            for regex in (DOT_SEGMENT, BYTES, BAD_PERCENT)
        ),
        refusal(
            {"prefix": "", "headers": [_path(CREDENTIAL_IN_QUERY)]},
            400,
            "token_in_query",
            "Send the token in the Authorization header. Revoke this token, it is in logs now.",
        ),
    ]


def _path(regex: str) -> dict[str, Any]:
    return {"name": ":path", "string_match": {"safe_regex": {"regex": regex}}}


def portal(plan: Plan, nothing: list[Entry]) -> dict[str, list[Entry]]:
    """The portal's own first segments, compared byte by byte, and its files, which take longer."""
    long = {**TO_PORTAL, "timeout": f"{PORTAL_FILE_TIMEOUT}s", "idle_timeout": f"{PORTAL_SILENCE}s"}
    files = [{"name": PORTAL, "match": {"path": path}, "route": long} for path in PORTAL_FILES]
    return {
        f"/{segment}": [
            *(file for file in files if file["match"]["path"].startswith(f"/{segment}/")),  # type: ignore[index]
            _below(segment),
            *nothing,
        ]
        for segment in plan.portal_segments
    }


def _root() -> Entry:
    return {"name": PORTAL, "match": {"path": "/"}, "route": TO_PORTAL}


def devices(plan: Plan) -> list[Entry]:
    """What is served at the device door, of which nothing is on the others but what Mender's clients call.

    The app server drops a header that is not ASCII, and the portal would take it for one that was not sent; so its name
    is told.
    """
    unreadable = [
        {
            "name": PORTAL,
            "match": {"prefix": "/", "headers": _unfit(name, "[ -~]*")},
            "route": TO_PORTAL,
            "request_headers_to_add": [header(check_in.UNREADABLE, name)],
        }
        for name in plan.device_headers
    ]
    return [*unreadable, *(_below(segment) for segment in plan.device_segments)]


def _below(segment: str) -> dict[str, Any]:
    return {"name": PORTAL, "match": {"path_separated_prefix": f"/{segment}"}, "route": TO_PORTAL}


def token_asked_for() -> dict[str, Any]:
    """What ends as the address of an app's access token does; the portal says which address is the right one."""
    return {
        "name": PORTAL,
        "match": {"safe_regex": {"regex": f".*{industrial_edge_errors.ENDING}"}},
        "route": TO_PORTAL,
    }


def route_not_found() -> dict[str, Any]:
    return refusal({"prefix": ""}, 404, "route_not_found", NOT_FOUND)
