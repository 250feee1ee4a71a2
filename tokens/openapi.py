"""Describe our bearer tokens in the OpenAPI, with the scope that each operation asks of them."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from portal.access import scope_of


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tokens.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_requirement(self, auto_schema: AutoSchema) -> Any:
        view: Any = auto_schema.view
        if scope := scope_of(view):
            return {self.name: [str(scope)]}
        return {self.name: []} if view.operation in view.any_token else {}

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API token, `gate_pat_…`, from the portal's token page or `manage.py issue_token`; or an "
            "access token, which app credentials buy.",
        }
