"""The words in which a gateway route says no: about the token, its scope, and the service behind the route."""

from typing import Any

from gateway.envoy import rates
from gateway.envoy.plan import ROUTE
from gateway.envoy.reply import AGAIN, DETAILS, Reply

BEARER = 'Bearer realm="gatehouse"'
DENIED = f"{DETAILS}.startsWith('jwt_authn_access_denied')"
SCOPE = "%METADATA(ROUTE:gatehouse:scope)%"
AGAIN_AFTER = "%METADATA(ROUTE:gatehouse:again_after)%"
UNANSWERED = "No answer came in time; what was asked may still have been done."
AT_ROUTE = f"xds.route_name.startsWith('{ROUTE}')"
# The request for a WebSocket has no end, so its time is up while it is still being sent.
HANDSHAKE = f"{DETAILS} == 'request_overall_timeout' && 'upgrade' in request.headers"
NO_BEARER = {"name": "authorization", "present_match": True}
API_TOKEN = {"name": "authorization", "string_match": {"prefix": "Bearer gate_", "ignore_case": True}}


def _token(code: str, sentence: str, said: str = "", *headers: dict[str, Any]) -> Reply:
    """A no to a token, by what Envoy said of it."""
    details = f"{DETAILS}.startsWith('jwt_authn_access_denied{{{said}')" if said else DENIED
    challenge = f'{BEARER}, error="invalid_token", error_description="{sentence}"'
    return Reply(code, sentence, details, status=401, challenge=challenge, headers=headers)


def _without(code: str, sentence: str, *headers: dict[str, Any]) -> Reply:
    """A no to a request that shows no token."""
    details = f"{DETAILS}.startsWith('jwt_authn_access_denied{{Jwt_is_missing')"
    return Reply(code, sentence, details, status=401, challenge=BEARER, headers=headers)


def _service(code: str, sentence: str, *flags: str, status: int, retry_after: str = "") -> Reply:
    return Reply(code, sentence, AT_ROUTE, flags, status=status, retry_after=retry_after)


NOT_BEARER = _without(
    "token_not_bearer",
    "Send an access token as 'Authorization: Bearer …'; no other scheme is known here.",
    NO_BEARER,
)
VERDICTS = (
    NOT_BEARER,
    _without("token_missing", "Send an access token as 'Authorization: Bearer …'."),
    _token(
        "api_token_not_accepted",
        "An API token opens no route; buy an access token with it at POST /api/v1/access-tokens.",
        "",
        API_TOKEN,
    ),
    _token("token_malformed", "This is no access token: it has not three parts.", "Jwt_is_not_in_the_form"),
    _token("token_expired", "The access token has expired; get a new one.", "Jwt_is_expired"),
    _token("token_not_yet_valid", "The access token is not valid yet; check the clocks.", "Jwt_not_yet_valid"),
    _token("token_audience", "The access token is for another audience; get one for the gateway.", "Audiences_in_Jwt"),
    _token("token_invalid", "The access token is not one of this gateway; get a new one."),
    Reply(
        "token_revoked",
        "The access token was revoked; get a new one.",
        f"{DETAILS} == 'rbac_access_denied_matched_policy[revoked]'",
        status=401,
        challenge=f'{BEARER}, error="invalid_token", error_description="The access token was revoked; get a new one."',
    ),
    Reply(
        "scope_missing",
        f"This route needs the scope {SCOPE}; use a token that holds it.",
        f"{DETAILS}.startsWith('rbac_access_denied')",
        status=403,
        challenge=f'{BEARER}, error="insufficient_scope", scope="{SCOPE}"',
    ),
    Reply(
        "rate_limited",
        f"This caller has used up the rate of this route; try again in {AGAIN_AFTER} s.",
        f"{DETAILS} == '{rates.DETAILS}'",
        status=429,
        retry_after=AGAIN_AFTER,
    ),
    _service("service_timeout", UNANSWERED, "SI", "DT", status=504),
    Reply("service_timeout", UNANSWERED, f"{AT_ROUTE} && {HANDSHAKE}", status=504),
    _service(
        "service_hung_up",
        "The service answered something that is no HTTP; what was asked may have been done.",
        "UPE",
        status=502,
    ),
    _service(
        "service_hung_up",
        "The service closed the connection unanswered; what was asked may have been done.",
        "UC",
        "UR",
        status=502,
    ),
    # Envoy takes no other answer to a handshake, but 4xx and 5xx.
    Reply(
        "service_hung_up",
        "The service answered the handshake, but opened no WebSocket.",
        f"{AT_ROUTE} && {DETAILS} == 'websocket_handshake_unsuccessful'",
        status=502,
    ),
    _service("service_unreachable", "The service cannot be reached; " + AGAIN, "UF", status=502),
    _service(
        "service_unavailable",
        "The service is not available; " + AGAIN,
        "UH",
        "NC",
        "LH",
        "DF",
        status=503,
        retry_after="2",
    ),
)
