"""What the standard OAuth doors share: forms as bodies, app credentials as Basic, and errors as RFC 6749 has them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.dialects import insights_token_header, refusing
from gateway.dialects.insights_token_header import BASIC, STANDARD
from portal import failures
from portal.access import REALM, NotAuthenticated, ScopeMissing
from portal.actor import Actor
from portal.bodies import body_of
from portal.refusal import Refusal
from portal.rest import Endpoint
from portal.scopes import Scope
from tokens import shown_secrets
from tokens.authentication import InvalidToken

TAG = "OAuth"
MAX_BODY, MAX_FIELDS = 16 * 1024, 100
FORM = "application/x-www-form-urlencoded"
UNCACHED = {"Cache-Control": "no-store", "Pragma": "no-cache"}

# What the OpenAPI says of a call that app credentials open.
BY_CREDENTIALS: Any = [{"basic": []}]
# What a refusal of ours is called here, by its status.
WORDS: Mapping[int, str] = {
    401: "invalid_client",
    403: "unauthorized_client",
    429: "invalid_client",
    500: "server_error",
    503: "temporarily_unavailable",
}


class OAuthRefusal(Refusal):
    """A no that the standard has a word for."""

    status, code = 400, "invalid_request"


class UnsupportedGrantType(OAuthRefusal):
    code = "unsupported_grant_type"


class InvalidScope(OAuthRefusal):
    code = "invalid_scope"


class UnauthorizedClient(OAuthRefusal):
    code = "unauthorized_client"


class UnsupportedTokenType(OAuthRefusal):
    """RFC 7009."""

    code = "unsupported_token_type"


class OAuthErrorSerializer(serializers.Serializer[Any]):
    """The body of every answer that is not a success (RFC 6749 5.2)."""

    error = serializers.CharField(help_text="One word for a program.")
    error_description = serializers.CharField(help_text="One sentence for a person: what is wrong and what would help.")


class AppCredentials(BaseAuthentication):
    """Accept `Authorization: Basic` with client id and secret; request.auth becomes an actor of its host tenant.

    Whoever has app credentials may ask about tokens, of those that concern them.
    """

    def authenticate(self, request: Request) -> tuple[Any, Actor] | None:
        if not request.META.get("HTTP_AUTHORIZATION", "").lower().startswith("basic"):
            return None
        insights_token_header.refuse_repeated(request.META)
        client_id, secret = insights_token_header.credentials(request.META, [STANDARD])
        address = request.META.get("REMOTE_ADDR", "")
        buyer = shown_secrets.of_client(client_id, secret, address=address)
        credential = f"credential {buyer.holder_id}"
        scopes = {Scope.TOKENS_INTROSPECT}
        return None, Actor.app(
            buyer.name, scopes, credential=credential, tenant=buyer.host_tenant, address=address
        )  # fmt: skip

    def authenticate_header(self, request: Request) -> str:
        return BASIC


class OAuthEndpoint(Endpoint):
    """The base of all: a call that is none of the standard is told so as the standard has it."""

    reads = None
    error_serializer = OAuthErrorSerializer

    def get_exception_handler(self) -> Any:
        return refuse


def fields(request: Request) -> dict[str, str]:
    """The fields of a form; one without a value counts as not sent (RFC 6749 3.2), one sent twice is a mistake."""
    media = request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if media != FORM:
        raise OAuthRefusal(f"Send the parameters as a form, {FORM}.")
    return read(body_of(request, MAX_BODY))


def read(raw: bytes) -> dict[str, str]:
    """The same for a body whose media type is known."""
    if raw.count(b"&") >= MAX_FIELDS:
        raise OAuthRefusal(f"The form has too many fields; at most {MAX_FIELDS} are taken, so send fewer.")
    try:
        pairs = parse_qsl(raw.decode(), errors="strict")
    except ValueError as unreadable:  # Also text that is not UTF-8.
        raise OAuthRefusal("The form cannot be read; send fields in UTF-8, percent-encoded.") from unreadable
    found = dict(pairs)
    if len(found) < len(pairs):
        raise OAuthRefusal("A field is in the form more than once; send each once.")
    return found


def body(refusal: Refusal) -> dict[str, str]:
    """The refusal as `{"error", "error_description"}`."""
    sentence = str(refusal)
    if isinstance(refusal, NotAuthenticated):
        sentence = "Send app credentials as 'Authorization: Basic', or an API token as 'Authorization: Bearer'."
    return {"error": _word(refusal), "error_description": sentence}


_refuse = refusing.handler(body)


def refuse(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Answer a refusal as the standard does, with the challenge that goes with it."""
    response = _refuse(exc, context)
    if response is None:
        return None
    if isinstance(failures.refusal_behind(exc), NotAuthenticated):
        response["WWW-Authenticate"] = f"{BASIC}, {REALM}"
    elif response.status_code == 401 and "WWW-Authenticate" not in response:
        response["WWW-Authenticate"] = BASIC
    return response


def _word(refusal: Refusal) -> str:
    if isinstance(refusal, (OAuthRefusal, InvalidToken)):
        return refusal.code
    if isinstance(refusal, ScopeMissing):
        return "insufficient_scope"
    return WORDS.get(refusal.status, OAuthRefusal.code)
