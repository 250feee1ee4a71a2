"""The public keys that verify access tokens: as Insights Hub publishes them, and as a JWKS (RFC 7517)."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.dialects.insights_hub import TAG, InsightsEndpoint
from tokens import signing

_NUMBERS = {
    "n": "z3bnpdEiy9C4fVQ4uG5l9bYc0QH0Ew0bTq0PZ6tC7o5T0hU1gkqYy1T0sLxS0yq8mQ",
    "e": "AQAB",
}
_KEY = {"kid": "xGkdzwBzjwZ3q1hZk0Z5i7m0cUq2m1cR6wPp3w9nYbM", "kty": "RSA", "alg": "RS256", "use": "sig"}
TOKEN_KEYS_EXAMPLE = OpenApiExample(
    "Keys",
    {"keys": [{**_KEY, "value": "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkq…\n-----END PUBLIC KEY-----\n", **_NUMBERS}]},
)
JWKS_EXAMPLE = OpenApiExample("Keys", {"keys": [{**_KEY, **_NUMBERS}]})


class JwkSerializer(serializers.Serializer[Any]):
    """One RSA key."""

    kty = serializers.CharField(help_text="`RSA`")
    kid = serializers.CharField(help_text="What the header of a token names.")
    use = serializers.CharField(help_text="`sig`")
    alg = serializers.CharField(help_text="`RS256`")
    n = serializers.CharField(help_text="The modulus in URL-safe base64.")
    e = serializers.CharField(help_text="The exponent in URL-safe base64.")


class TokenKeySerializer(JwkSerializer):
    """One RSA key, as PEM too."""

    value = serializers.CharField(help_text="The key as PEM (SubjectPublicKeyInfo).")


class TokenKeysSerializer(serializers.Serializer[Any]):
    keys: Any = TokenKeySerializer(many=True, help_text="The one that signs first.")


class JwksSerializer(serializers.Serializer[Any]):
    keys: Any = JwkSerializer(many=True, help_text="The one that signs first.")


class OpenEndpoint(InsightsEndpoint):
    """Open to everybody: what is shown beside the question is not even looked at."""

    scopes: ClassVar = {"get": None}
    authentication_classes = ()


@extend_schema(tags=[TAG], auth=[])
class TokenKeys(OpenEndpoint):
    @extend_schema(
        operation_id="insights_token_keys", responses={200: TokenKeysSerializer}, examples=[TOKEN_KEYS_EXAMPLE]
    )
    def get(self, request: Request) -> Response:
        """The keys that verify access tokens. Clients look at the first alone, so no cache may keep an old order."""
        return Response(signing.token_keys(), headers={"Cache-Control": "no-store"})


@extend_schema(tags=[TAG], auth=[])
class Jwks(OpenEndpoint):
    @extend_schema(operation_id="jwks", responses={200: JwksSerializer}, examples=[JWKS_EXAMPLE])
    def get(self, request: Request) -> Response:
        """The same keys in the same order, as a JSON Web Key Set."""
        return Response(signing.jwks(), headers={"Cache-Control": "max-age=300"})
