"""How a refusal, and what else may go wrong in a REST call, becomes JSON; each dialect may write its own body."""

from typing import Any

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, ProgrammingError
from django.http import Http404
from rest_framework import exceptions, serializers
from rest_framework.response import Response
from rest_framework.views import set_rollback

from portal import etags, request_id
from portal.refusal import NotFound, Refusal


class Unavailable(Refusal):
    """The database does not answer; nothing was changed."""

    status, code = 503, "service_unavailable"
    retry_after = 5


class InternalError(Refusal):
    status, code = 500, "internal_error"


class InvalidMembers(Refusal):
    """A serializer found members that are wrong."""

    status, code = 400, "invalid"

    def __init__(self, invalid: dict[str, list[str]]) -> None:
        super().__init__("The request has invalid members; 'invalid' says which and why.")
        self.invalid = invalid


class Foreign(Refusal):
    """What the REST framework itself refused."""

    def __init__(self, exc: exceptions.APIException) -> None:
        super().__init__(str(exc.detail))
        self.status, self.code = exc.status_code, str(exc.default_code)  # type: ignore[misc]


class ErrorSerializer(serializers.Serializer[Any]):
    """The body of every answer that is not a success."""

    error = serializers.CharField(help_text="One sentence for a person: what is wrong and what would help.")
    code = serializers.CharField(help_text="One word for a program.")
    request_id = serializers.CharField(help_text="The same as in the header X-Request-Id.")
    invalid = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="With a 400: the fields that are wrong, each with sentences.",
    )


def refusal_behind(exc: Exception) -> Refusal | None:
    """The refusal that an exception amounts to; None for a fault of our own."""
    if isinstance(exc, Refusal):
        return exc
    if isinstance(exc, exceptions.ValidationError):
        return InvalidMembers(_flat(exc.detail))
    if isinstance(exc, exceptions.APIException):
        return Foreign(exc)
    if is_outage(exc):
        return Unavailable("The database does not answer; nothing was changed, try again.")
    if isinstance(exc, Http404):
        return NotFound("There is nothing here.")
    return None


def is_outage(exc: BaseException | None) -> bool:
    """Whether the database is gone, locked, full or read-only, and not our use of it wrong."""
    ours = (DataError, IntegrityError, ProgrammingError)
    return isinstance(exc, (DatabaseError, InterfaceError)) and not isinstance(exc, ours)


def refuse(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Answer every refusal in the shape of ErrorSerializer."""
    refusal = refusal_behind(exc)
    if refusal is None:
        return None
    set_rollback()
    refusal = etags.judged(refusal, context["request"])
    return answer(refusal, body(refusal), context["view"])


def answer(refusal: Refusal, content: Any, view: Any) -> Response:
    """The response to a refusal, with the headers that its status demands."""
    if refusal.afterwards:
        refusal.afterwards()
    response = Response(content, status=refusal.status)
    if refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)
    if challenge := refusal.challenge():
        response["WWW-Authenticate"] = challenge
    if refusal.status == 405:
        response["Allow"] = ", ".join(view.allowed_methods)
    return response


def body(refusal: Refusal) -> dict[str, Any]:
    """`{"error", "code", "request_id"}`, `invalid` where fields are wrong, and what the refusal has in detail."""
    content: dict[str, Any] = {"error": str(refusal), "code": refusal.code, "request_id": request_id.current()}
    if refusal.invalid:
        content["invalid"] = refusal.invalid
    return {**content, **(refusal.details or {})}


def _flat(detail: Any, path: str = "") -> dict[str, list[str]]:
    """DRF's nested mistakes as `{"a.b": [sentences]}`."""
    if isinstance(detail, dict):
        return {k: v for name, inner in detail.items() for k, v in _flat(inner, f"{path}.{name}".strip(".")).items()}
    if isinstance(detail, list) and any(isinstance(inner, dict) for inner in detail):
        return {k: v for at, inner in enumerate(detail) for k, v in _flat(inner, f"{path}.{at}".strip(".")).items()}
    return {path or "body": [str(sentence) for sentence in (detail if isinstance(detail, list) else [detail])]}
