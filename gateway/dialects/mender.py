"""What both Mender faces share: the shape of a no, its words, the order of checks, and addresses that lead nowhere."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from devices import admission, expecting
from devices.arrival import TooManyWaiting
from gateway.dialects import mender_errors, refusing
from portal import errors, failures, request_id, strict_json
from portal.bodies import LengthRequired, NotJson, TooLarge
from portal.refusal import Refusal
from portal.rest import Endpoint, MethodNotAllowed

# Our refusals in Mender's words, which its clients may compare; any other keeps its own sentence.
WORDS: Mapping[type[Refusal], str] = {
    MethodNotAllowed: "Method not allowed",
    LengthRequired: "length required",
    NotJson: "Bad Content-Type or charset, expected 'application/json'",
    TooLarge: mender_errors.WORDS[413],
    failures.InternalError: "internal error",
    failures.Unavailable: mender_errors.WORDS[503],
    admission.Unknown: "not found",
    admission.Denied: "device is on the denied list",
    expecting.AlreadyKnown: "device already exists",
    TooManyWaiting: "too many devices are waiting",
}


class BadRequest(Refusal):
    """What was sent is wrong; the words say what."""

    status, code = 400, "invalid"


class MenderErrorSerializer(serializers.Serializer[Any]):
    """The body of every answer that is not a success."""

    error = serializers.CharField(help_text="What is wrong.")
    request_id = serializers.CharField(help_text="The same as in the header X-MEN-RequestID.")


class MenderEndpoint(Endpoint):
    """The base of both faces: whoever asks what is served, by OPTIONS, needs no token."""

    http_method_names: Sequence[str] = [*Endpoint.http_method_names, "options"]
    reads = None
    error_serializer = MenderErrorSerializer

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method != "OPTIONS":
            super().initial(request, *args, **kwargs)

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return Response()

    def get_exception_handler(self) -> Any:
        return refuse


def body(refusal: Refusal) -> dict[str, str]:
    """The refusal as `{"error", "request_id"}`."""
    return _body(WORDS.get(type(refusal), str(refusal)))


refuse = refusing.handler(body)
errors.speaks((mender_errors.MANAGEMENT,), body)
errors.speaks((mender_errors.DEVICES,), body, at_device_door=True)


@csrf_exempt
@login_not_required
def nowhere(request: HttpRequest) -> HttpResponse:
    """Any other address of Mender's: none of ours."""
    return JsonResponse(_body("Resource not found"), status=404)


def members(raw: bytes, failed: str) -> dict[str, Any]:
    """The members of a JSON object, of a repeated one the last; `failed` begins the words if it is none."""
    try:
        decoded = strict_json.loads(raw, repeated_members=True)
    except strict_json.Unreadable as unreadable:
        raise BadRequest(f"{failed}: {unreadable}") from unreadable
    if not isinstance(decoded, dict):
        raise BadRequest(f"{failed}: it is not a JSON object")
    return decoded


def _body(words: str) -> dict[str, str]:
    return {"error": words, "request_id": request_id.current()}
