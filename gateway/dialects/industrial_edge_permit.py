"""`token/permit` (seed 000): an app on a device shows its app token and gets an access token, on three paths alike."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.dialects.industrial_edge import TAG, EdgeEndpoint, EdgeErrorSerializer, EdgeRefusal, kind_of
from gateway.dialects.industrial_edge_bodies import InvalidField, members, names_of
from portal import strict_json
from portal.rest import Text
from tokens import access_tokens, shown_secrets
from tokens.access_tokens import EdgeToken

LONGEST = 4096
FIELD = "appPrimaryToken"
# The same in the other answers of seed 000.
SPELLINGS = (FIELD, "appToken", "apptoken")
TOKEN_FILE = "/etc/edgeconfig/.apptoken"  # noqa: S105  # Where an app finds its token.
EXPIRES_IN = int(EdgeToken.lifetime.total_seconds())

Handler = TypeVar("Handler", bound=Callable[..., Any])


class MissingField(EdgeRefusal):
    status, code = 400, "auth.missingField"


class AmbiguousField(EdgeRefusal):
    status, code = 400, "auth.ambiguousField"


class AnotherKind(EdgeRefusal):
    """A secret, but none of an app on a device."""

    status, code = 401, "auth.invalidToken"


class EdgeAppTokenSerializer(serializers.Serializer[Any]):
    """`appToken` and `apptoken` are understood for `appPrimaryToken`, and so is the text of the file for the token."""

    appPrimaryToken = Text(max_length=LONGEST, help_text="The app token, `gate_app_…`.")


class EdgePermitSerializer(serializers.Serializer[Any]):
    """An access token for an hour; there is no refresh token, so ask again when three quarters of that are over."""

    access_token = serializers.CharField(help_text="A JWT.")
    expires_in = serializers.IntegerField(help_text="Seconds.")
    token_type = serializers.CharField(help_text="`Bearer`")


class EdgePermitWithTokenSerializer(EdgePermitSerializer):
    """The same with its token under another name, too."""

    token = serializers.CharField(help_text="The same as `access_token`.")


ASKED = OpenApiExample("Request", {FIELD: "gate_app_k3v9q2m8x1ab_in-the-file-apptoken-of-the-app"}, request_only=True)
ANSWER = {"access_token": "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.…", "expires_in": EXPIRES_IN, "token_type": "Bearer"}
ANSWERED = OpenApiExample("Answer", ANSWER, response_only=True, status_codes=["200"])
ANSWERED_TWICE = OpenApiExample(
    "Answer", {**ANSWER, "token": ANSWER["access_token"]}, response_only=True, status_codes=["200"]
)


def _no(description: str, code: str, message: str) -> OpenApiResponse:
    error = {"code": f"edge.{code}", "message": message, "logref": "0d5b9a8e-6f0c-4c55-9c39-4b1c1e6a6f3d"}
    return OpenApiResponse(EdgeErrorSerializer, description, [OpenApiExample("Refusal", {"errors": [error]})])


REFUSALS = {
    400: _no(
        "The body cannot be read, or the token is missing or stands there twice; `code` says which.",
        "auth.missingField",
        f"Send the app token as {FIELD}; received: app_token.",
    ),
    401: _no(
        "The token is unknown, or it has ended; `code` says how, once the secret was right.",
        "auth.expiredToken",
        "This app token expired at 2026-11-25 12:00:00 UTC; have it rotated, and put the new one in place.",
    ),
    403: _no(
        "The device is pending or rejected.",
        "auth.deviceRefused",
        "The device press-1 is pending; it must be accepted first.",
    ),
    429: _no(
        "Too many wrong tokens from this address; a right one is never slowed.",
        "tooManyRequests",
        "Too many failed attempts from this address; try again in 40 s.",
    ),
}
HEADERS = [
    OpenApiParameter(
        "WWW-Authenticate", str, OpenApiParameter.HEADER, response=[401], description="`invalid_token` (RFC 6750)."
    ),
    OpenApiParameter(
        "Retry-After", int, OpenApiParameter.HEADER, response=[429], description="Seconds until it is worth a try."
    ),
]


def documented(
    name: str, answer: type[serializers.Serializer[Any]], example: OpenApiExample
) -> Callable[[Handler], Handler]:
    return extend_schema(
        tags=[TAG],
        auth=[],
        operation_id=name,
        parameters=HEADERS,
        request=EdgeAppTokenSerializer,
        responses={200: answer, **REFUSALS},
        examples=[ASKED, example],
    )


class Permit(EdgeEndpoint):
    """The canonical path."""

    scopes: ClassVar = {"post": None}

    @documented("edge_token_permit", EdgePermitSerializer, ANSWERED)
    def post(self, request: Request) -> Response:
        """Exchange an app token for an access token, which opens what the app's own device may be asked."""
        return Response(_bought(request), headers={"Cache-Control": "no-store"})


class PermitAtRoot(Permit):
    """The path of the third answer of seed 000."""

    @documented("edge_token_permit_at_root", EdgePermitSerializer, ANSWERED)
    def post(self, request: Request) -> Response:
        """The same as /device/edge/a.service/api/v3/token/permit."""
        return super().post(request)


class PermitAtService(Permit):
    """The path of the first answer of seed 000, whose example names the token differently."""

    @documented("edge_token_permit_at_service", EdgePermitWithTokenSerializer, ANSWERED_TWICE)
    def post(self, request: Request) -> Response:
        """The same as /device/edge/a.service/api/v3/token/permit, with `token` beside `access_token`."""
        answer = super().post(request)
        answer.data["token"] = answer.data["access_token"]
        return answer


def _bought(request: Request) -> dict[str, Any]:
    shown = _token_in(members(request, f"a JSON object with {FIELD}"))
    if kind := kind_of(shown) if not shown.startswith("gate_app_") else "":
        raise AnotherKind(f"This is {kind}; send the app token, which is in {TOKEN_FILE}.")
    buyer = shown_secrets.of_installation(shown, address=request.META.get("REMOTE_ADDR", ""))
    return {"access_token": str(access_tokens.for_device(buyer)), "expires_in": EXPIRES_IN, "token_type": "Bearer"}


def _token_in(members: Mapping[str, Any]) -> str:
    """The app token, by whichever of its names; by two, if they agree."""
    sent = {name: members[name] for name in SPELLINGS if name in members}
    if not sent:
        raise MissingField(f"Send the app token as {FIELD}; received: {names_of(members)}.")
    for name, value in sent.items():
        if not isinstance(value, str) or not value.strip() or len(value) > LONGEST:
            raise InvalidField(f"{name} must be the app token, a string of 1 to {LONGEST} characters.")
    tokens = {_understood(value) for value in sent.values()}
    if len(tokens) > 1:
        raise AmbiguousField(f"{' and '.join(sent)} differ; send {FIELD} alone.")
    return tokens.pop()


def _understood(value: str) -> str:
    """The token without what is around it: blanks, or the whole file in which an app finds it."""
    text = value.strip()
    if not text.startswith("{"):
        return text
    try:
        in_file = strict_json.loads_text(text)
    except strict_json.Unreadable:
        return text
    token = in_file.get(FIELD) if isinstance(in_file, dict) else None
    return token.strip() if isinstance(token, str) else text
