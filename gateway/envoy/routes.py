"""Routes: first what is refused whatever it asks for, then the portal's own paths, then nothing."""

from typing import Any

from devices import check_in
from gateway.envoy.plan import PORTAL, PORTAL_FILE_TIMEOUT, PORTAL_FILES, PORTAL_SILENCE, PORTAL_TIMEOUT, Plan
from gateway.envoy.sources import typed

NAME = "doors"
DEVICES = "device_door"
# By which the portal knows that a request came in at the device door; client copies of it are removed before.
DOOR_HEADER = "x-gatehouse-door"
HEX = "[0-9A-Fa-f]"
DOT = r"(\.|%2[eE])"
# What two readers could read differently, in the path without its query.
DOT_SEGMENT = rf".*/{DOT}{{1,2}}(/.*)?"
BYTES = r".*(%2[fF]|%5[cC]|%[01][0-9A-Fa-f]|%7[fF]|%3[bB]|[;\\#]).*"
BAD_PERCENT = rf".*%([^0-9A-Fa-f].*|{HEX}([^0-9A-Fa-f].*)?)?"
CORRELATION_ID = "[A-Za-z0-9._:-]{1,128}"

PATH_REFUSED = (
    "This path can be read in two ways; send it without dot segments, %2F, %5C, ;, control bytes or a lone %."
)
NOT_FOUND = "Nothing is served at this path; check its spelling and its case."
IDS = {"x-request-id": "%REQ(X-REQUEST-ID)%", "x-correlation-id": "%REQ(X-CORRELATION-ID?X-REQUEST-ID)%"}


def _unfit(name: str, regex: str) -> list[dict[str, Any]]:
    """A header that is sent and does not match."""
    return [
        {"name": name, "present_match": True},
        {"name": name, "string_match": {"safe_regex": {"regex": regex}}, "invert_match": True},
    ]


UNCORRELATED = _unfit("x-correlation-id", CORRELATION_ID)


TO_PORTAL: dict[str, Any] = {
    "cluster": PORTAL,
    "timeout": f"{PORTAL_TIMEOUT}s",
    # Only what the portal has certainly not seen is sent again, so this is safe for every method.
    "retry_policy": {"retry_on": "connect-failure,refused-stream,reset-before-request", "num_retries": 2},
}


def routes(plan: Plan) -> list[dict[str, Any]]:
    """One table for the doors of people and programs, one for that of devices."""
    own = [*portal(plan), route_not_found()]
    for_devices = [*devices(plan), refusal({"prefix": ""}, 404, "not_found", NOT_FOUND)]
    return [_table(NAME, own), _table(DEVICES, for_devices, header(DOOR_HEADER, "device"))]


def _table(name: str, own: list[dict[str, Any]], *added: dict[str, Any]) -> dict[str, Any]:
    """The filters that judge access tokens are off unless a route turns them on."""
    host = {
        "name": "gatehouse",
        "domains": ["*"],
        "routes": [*refusals(), *own],
        "typed_per_filter_config": {
            "access_token": typed("envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig", disabled=True),
            "revocations": typed("envoy.extensions.filters.http.rbac.v3.RBACPerRoute"),
        },
    }
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


def refusals() -> list[dict[str, Any]]:
    """What is answered before anything is looked up; the correlation id first, since every answer repeats it."""
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
        refusal({"prefix": "", "headers": [unreadable]}, 400, "path_refused", PATH_REFUSED),
        *(
            refusal({"safe_regex": {"regex": regex}}, 400, "path_refused", PATH_REFUSED)
            for regex in (DOT_SEGMENT, BYTES, BAD_PERCENT)
        ),
        refusal(
            {"prefix": "/", "query_parameters": [{"name": "access_token", "present_match": True}]},
            400,
            "token_in_query",
            "Send the token in the Authorization header. Revoke this token, it is in logs now.",
        ),
    ]


def portal(plan: Plan) -> list[dict[str, Any]]:
    """The portal's files, then its own first segments, compared byte by byte, and the root."""
    long = {**TO_PORTAL, "timeout": f"{PORTAL_FILE_TIMEOUT}s", "idle_timeout": f"{PORTAL_SILENCE}s"}
    files = [{"name": PORTAL, "match": {"path": path}, "route": long} for path in PORTAL_FILES]
    root = {"name": PORTAL, "match": {"path": "/"}, "route": TO_PORTAL}
    return [*files, root, *(_below(segment) for segment in plan.portal_segments)]


def devices(plan: Plan) -> list[dict[str, Any]]:
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


def route_not_found() -> dict[str, Any]:
    return refusal({"prefix": ""}, 404, "route_not_found", NOT_FOUND)


def refusal(match: dict[str, Any], status: int, code: str, sentence: str) -> dict[str, Any]:
    """A route that answers no; replies.py makes a body of its metadata."""
    return {
        "name": code,
        "match": match,
        "direct_response": {"status": status},
        "metadata": {"filter_metadata": {"gatehouse": {"code": code, "sentence": sentence}}},
    }


def header(name: str, value: str, action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> dict[str, Any]:
    return {"header": {"key": name, "value": value}, "append_action": action}
