"""Where the OAuth doors are and what they take, for programs that configure themselves (RFC 8414)."""

from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.dialects.oauth import TAG, OAuthEndpoint
from portal.openapi import answered
from portal.scopes import Scope
from tokens.access_tokens import CLIENT_CREDENTIALS
from tokens.example_calls import TOKEN_PATH

JWKS, INTROSPECT, REVOKE = "/.well-known/jwks.json", "/oauth/introspect", "/oauth/revoke"
METHODS = ["client_secret_basic"]


class MetadataSerializer(serializers.Serializer[Any]):
    issuer = serializers.CharField()
    token_endpoint = serializers.CharField()
    jwks_uri = serializers.CharField()
    introspection_endpoint = serializers.CharField()
    revocation_endpoint = serializers.CharField()
    scopes_supported = serializers.ListField(child=serializers.CharField())
    grant_types_supported = serializers.ListField(child=serializers.CharField())
    response_types_supported = serializers.ListField(child=serializers.CharField())
    token_endpoint_auth_methods_supported = serializers.ListField(child=serializers.CharField())
    introspection_endpoint_auth_methods_supported = serializers.ListField(child=serializers.CharField())
    revocation_endpoint_auth_methods_supported = serializers.ListField(child=serializers.CharField())


def metadata(issuer: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "token_endpoint": issuer + TOKEN_PATH,
        "jwks_uri": issuer + JWKS,
        "introspection_endpoint": issuer + INTROSPECT,
        "revocation_endpoint": issuer + REVOKE,
        "scopes_supported": [str(scope) for scope in Scope],
        "grant_types_supported": [CLIENT_CREDENTIALS],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": METHODS,
        "introspection_endpoint_auth_methods_supported": METHODS,
        "revocation_endpoint_auth_methods_supported": METHODS,
    }


@extend_schema(tags=[TAG], auth=[])
class Metadata(OAuthEndpoint):
    """Open to everybody: what is shown beside the question is not even looked at."""

    scopes: ClassVar = {"get": None}
    authentication_classes = ()

    @extend_schema(
        operation_id="oauth_metadata",
        responses={200: MetadataSerializer},
        examples=[answered(metadata("https://gatehouse.example:8443"))],
    )
    def get(self, request: Request) -> Response:
        """The OAuth doors of this installation."""
        return Response(metadata(settings.PUBLIC_URL), headers={"Cache-Control": "max-age=300"})
