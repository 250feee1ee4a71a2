"""Describe app credentials as Basic in the OpenAPI."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema


class BasicScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "gateway.dialects.oauth.AppCredentials"
    name = "basic"

    def get_security_requirement(self, auto_schema: AutoSchema) -> Any:
        return {self.name: []}

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "basic",
            "description": "App credentials: the client id, and a live client secret as the password.",
        }
