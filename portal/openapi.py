"""Write the scope, the parameters, the error answers and the headers of each operation into the generated OpenAPI."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from portal.access import NotAuthenticated, ScopeMissing, scope_of
from portal.bodies import MAX_BODY, NotJson, TooLarge
from portal.etags import Changed
from portal.failures import ErrorSerializer, InvalidMembers, Unavailable
from portal.idempotency import KeyReused
from portal.parameters import Parameter
from portal.refusal import NotFound, Refusal, TooMany

NATIVE = "/api/v1/"
TWINS = ("/v1/", "/api/im/")
ORDINARY = ("list", "retrieve", "create", "update", "partial_update", "destroy")
WITH_BODY = ("POST", "PUT", "PATCH")
REQUEST_ID = "0d5b9a8e-6f0c-4c55-9c39-4b1c1e6a6f3d"

REFUSALS: dict[str, tuple[str, Refusal]] = {
    "400": (
        "A parameter or a member of the body is wrong or unknown; `invalid` says which.",
        InvalidMembers({"reasons": ["This member is unknown here."]}),
    ),
    "401": ("No token, or one that is malformed, unknown, expired or revoked.", NotAuthenticated()),
    "403": ("The token or its owner does not hold the scope.", ScopeMissing("devices:read")),
    "404": ("There is no such thing.", NotFound("There is nothing here.")),
    "409": (
        "The state of things does not allow this; the sentence says what does. With `Retry-After` it soon may.",
        Refusal("It is in another state than this needs; read it again, then decide."),
    ),
    "412": ("The object has changed since `If-Match` was read.", Changed()),
    "413": ("The body is too large.", TooLarge(f"The body is over {MAX_BODY} bytes; send less.")),
    "415": ("The body is not JSON.", NotJson("Send the body as application/json in UTF-8.")),
    "422": ("The `Idempotency-Key` stands for another request.", KeyReused()),
    "429": (
        "Too many failed authentications from this address.",
        TooMany("Too many failed attempts from this address; wait a minute.", 60),
    ),
    "503": (
        "The database does not answer; nothing was changed.",
        Unavailable("The database does not answer; nothing was changed, try again."),
    ),
}
CHALLENGE = {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "How to authenticate (RFC 6750)."}}
WAIT = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds until it is worth trying again."}}
HEADERS = {"401": CHALLENGE, "403": CHALLENGE, "429": WAIT, "503": WAIT}


def asked(value: Any, name: str = "Request", **of: Any) -> OpenApiExample:
    """An example of a body that is sent; `of` says in which media type, if there are several."""
    return OpenApiExample(name, value, request_only=True, **of)


def answered(value: Any, name: str = "Answer", **of: Any) -> OpenApiExample:
    """An example of a body that a success answers, of a list one of its results; `of` says of which status."""
    return OpenApiExample(name, value, response_only=True, **of)


class ScopedSchema(AutoSchema):
    """Say in words which scope an operation needs, and name every refusal it may answer with."""

    @property
    def is_native(self) -> bool:
        return str(self.path).startswith(NATIVE)

    @property
    def takes_any_token(self) -> bool:
        view: Any = self.view
        return view.operation in view.any_token

    @property
    def needs(self) -> str:
        """What a caller has to show, in a sentence."""
        if scope := scope_of(self.view):
            return f"Scope: `{scope}` ({scope.label})."
        return "Any live token will do." if self.takes_any_token else "No token is needed."

    def get_description(self) -> str:  # type: ignore[override]
        return f"{super().get_description()}\n\n{self.needs}".strip()

    def get_operation_id(self) -> str:
        """A good name for a method: `devices_accept`, and not `devices_accept_create`."""
        action = getattr(self.view, "action", None)
        if self.is_native and action and action not in ORDINARY:
            return "_".join(self._tokenize_path()).replace("-", "_")
        return super().get_operation_id()

    def get_override_parameters(self) -> list[Any]:
        reads = self.view.parameters() if hasattr(self.view, "parameters") else None
        return [*super().get_override_parameters(), *(_documented(parameter) for parameter in reads or ())]

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        if operation is not None:
            for status in self.refusals(operation):
                if status not in operation["responses"]:
                    operation["responses"][status] = self._refused(status)
            if _reads_header(operation, "If-None-Match"):
                operation["responses"]["304"] = {"description": "It is what you hold already."}
        return operation

    def _get_serializer_field_meta(self, field: Any, direction: Any) -> Any:
        meta = super()._get_serializer_field_meta(field, direction)  # type: ignore[no-untyped-call]
        # A default that is none of the words stands for a member that was not sent; nobody may send it.
        if isinstance(field, serializers.ChoiceField) and meta.get("default") not in field.choices:
            meta.pop("default", None)
        return meta

    def error_serializer(self) -> Any:
        """The shape of this view's refusals; a dialect names its own as `error_serializer`."""
        return getattr(self.view, "error_serializer", ErrorSerializer)

    def refusals(self, operation: dict[str, Any]) -> list[str]:
        """Statuses that this operation may answer with, from what it asks for and takes."""
        possible = {"503"}
        scope = scope_of(self.view)
        if scope or self.takes_any_token:
            possible |= {"401", "429"}
        if scope:
            possible.add("403")
        if "{" in self.path:
            possible.add("404")
        if self.method in WITH_BODY:
            possible |= {"400", "413", "415"}
        if self.method != "GET":
            possible.add("409")
        if self.is_native or (self.method == "GET" and self._is_list_view()):
            possible.add("400")
        if _reads_header(operation, "If-Match"):
            possible.add("412")
        if _reads_header(operation, "Idempotency-Key"):
            possible.add("422")
        return sorted(possible)

    def _refused(self, status: str) -> Any:
        description, refusal = REFUSALS[status]
        if status == "403":
            refusal = ScopeMissing(scope_of(self.view) or "")
        examples = [OpenApiExample("Refusal", _body(refusal))] if self.is_native else []
        described = OpenApiResponse(self.error_serializer(), description, examples)
        response = self._get_response_for_code(described, status)  # type: ignore[no-untyped-call]
        if headers := HEADERS.get(status):
            response["headers"] = headers
        return response


def one_of_each(endpoints: list[tuple[str, str, str, Any]], **_: Any) -> list[tuple[str, str, str, Any]]:
    """Leave out the twins: the same endpoints are elsewhere too, those of /v1 at the root."""
    return [endpoint for endpoint in endpoints if not endpoint[0].startswith(TWINS)]


def _documented(parameter: Parameter) -> OpenApiParameter:
    return OpenApiParameter(parameter.name, parameter.shape(), description=parameter.description)


def _reads_header(operation: dict[str, Any], name: str) -> bool:
    return any(each["in"] == "header" and each["name"] == name for each in operation.get("parameters", ()))


def _body(refusal: Refusal) -> dict[str, Any]:
    body = {"error": str(refusal), "code": refusal.code, "request_id": REQUEST_ID}
    return {**body, "invalid": refusal.invalid} if refusal.invalid else body
