"""What the two calls of gateway users share (seed 004): the envelope of an answer, and the shape and words of a no."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import serializers
from rest_framework.response import Response

from gateway.dialects import refusing, vault_errors
from portal import errors, request_id
from portal.refusal import NotFound, Refusal, TooMany
from portal.rest import Endpoint, MethodNotAllowed
from tokens.gateway_logins import NotLoggedIn, WrongPassword

TAG = "EdgeX"

# Our refusals in the words of the original.
WORDS: Mapping[type[Refusal], str] = {
    MethodNotAllowed: "unsupported operation",
    NotFound: "no handler for route",
    NotLoggedIn: "permission denied",
    WrongPassword: "invalid username or password",
}


class VaultRefusal(Refusal):
    """A no that the original has words for."""

    status, code = 400, "bad_request"


class VaultErrorSerializer(serializers.Serializer[Any]):
    """The body of every answer that is not a success."""

    errors: Any = serializers.ListField(child=serializers.CharField())


class VaultEndpoint(Endpoint):
    """The base of both; a query is ignored."""

    reads = None
    authentication_classes = ()
    error_serializer = VaultErrorSerializer

    def get_exception_handler(self) -> Any:
        return refuse


def body(refusal: Refusal) -> dict[str, Any]:
    """The refusal as `{"errors": [words]}`."""
    if isinstance(refusal, TooMany):
        words = f"too many failed logins from this address, try again in {refusal.retry_after} s"
    else:
        words = WORDS.get(type(refusal), str(refusal))
    return vault_errors.body(words)


refuse = refusing.handler(body)
errors.speaks(vault_errors.PREFIXES, body)


def answer(*, auth: dict[str, Any] | None = None, data: dict[str, Any] | None = None) -> Response:
    """A success, in the envelope that all of them have."""
    return Response(envelope(request_id.current(), auth, data), headers={"Cache-Control": "no-store"})


def envelope(request: str, auth: dict[str, Any] | None, data: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "request_id": request,
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": data,
        "wrap_info": None,
        "warnings": None,
        "auth": auth,
    }


@csrf_exempt
@login_not_required
def nowhere(request: HttpRequest) -> HttpResponse:
    """Any other address below /vault."""
    refusal = NotFound("Nothing is served at this path; check its spelling.")
    return JsonResponse(body(refusal), status=refusal.status)
