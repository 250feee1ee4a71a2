"""Write the scope and the error answers of each operation into the generated OpenAPI."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse

from portal.access import scope_of
from portal.failures import ErrorSerializer

REFUSALS = {
    "400": "A parameter or a member of the body is wrong; `invalid` says which.",
    "401": "No token, or one that is malformed, unknown, expired or revoked.",
    "403": "The token or its owner does not hold the scope.",
    "404": "There is no such thing.",
    "409": "The state of things does not allow this; the sentence says what does.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "429": "Too many failed authentications from this address.",
    "503": "The database does not answer; nothing was changed.",
}
WITH_BODY = ("POST", "PUT", "PATCH")


class ScopedSchema(AutoSchema):
    """Say in words which scope an operation needs, and name every refusal it may answer with."""

    def get_description(self) -> str:  # type: ignore[override]
        scope = scope_of(self.view)
        needs = f"Scope: `{scope}` ({scope.label})." if scope else "No token is needed."
        return f"{super().get_description()}\n\n{needs}".strip()

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        if operation is not None:
            for status in self.refusals():
                if status not in operation["responses"]:
                    described = OpenApiResponse(self.error_serializer(), REFUSALS[status])
                    operation["responses"][status] = self._get_response_for_code(described, status)  # type: ignore[no-untyped-call]
        return operation

    def error_serializer(self) -> Any:
        """The shape of this view's refusals; a dialect names its own as `error_serializer`."""
        return getattr(self.view, "error_serializer", ErrorSerializer)

    def refusals(self) -> list[str]:
        """Statuses that this operation may answer with, from what it asks for and takes."""
        possible = {"503"}
        if scope_of(self.view) is not None:
            possible |= {"401", "403", "429"}
        if "{" in self.path:
            possible.add("404")
        if self.method in WITH_BODY:
            possible |= {"400", "413", "415"}
        if self.method != "GET":
            possible.add("409")
        if self.method == "GET" and self._is_list_view():
            possible.add("400")
        return sorted(possible)


def one_of_each(endpoints: list[tuple[str, str, str, Any]], **_: Any) -> list[tuple[str, str, str, Any]]:
    """Leave out the twins under /v1: they are the same endpoints as those at the root."""
    return [endpoint for endpoint in endpoints if not endpoint[0].startswith("/v1/")]
