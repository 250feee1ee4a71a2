"""Whether a token is live, for whoever may ask (RFC 7662), and ending one before its time (RFC 7009)."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.exceptions import TokenError

from gateway.dialects.insights_token_header import Unauthorized
from gateway.dialects.oauth import (
    BY_CREDENTIALS,
    FORM,
    MAX_BODY,
    TAG,
    UNCACHED,
    AppCredentials,
    OAuthEndpoint,
    OAuthErrorSerializer,
    OAuthRefusal,
    UnauthorizedClient,
    UnsupportedTokenType,
    fields,
)
from portal.actor import Actor
from portal.bodies import body_of
from portal.openapi import answered, asked
from portal.scopes import Scope
from tokens import access_tokens, gateway_liveness, secret, token_revocation
from tokens.access_tokens import AccessToken, EdgeToken
from tokens.authentication import BearerAuthentication

PRESENTED = {"token": "eyJhbGciOiJSUzI1NiIsImtpZCI6Ii4uLiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl"}
LIVE = {
    "active": True,
    "scope": "devices:read users:read",
    "client_id": "ten1-app1-v1.0.0",
    "sub": "ten1-app1-v1.0.0",
    "aud": ["gateway", "portal"],
    "iss": "https://gatehouse.example:8443",
    "iat": 1763805600,
    "exp": 1763807400,
    "jti": "0d5b9a8e-6f0c-4c55-9c39-4b1c1e6a6f3d",
    "token_type": "Bearer",
    "tenant": "ten1",
}
DEAD = {"active": False}
WRONG = OpenApiResponse(OAuthErrorSerializer, "The form is wrong; `error_description` says how.")
SEEN = ("sub", "iss", "iat", "exp", "jti", "tenant")
NOBODY_TOO: Any = {}
NOBODY = OpenApiResponse(OAuthErrorSerializer, "No caller, or one that is not live.")


class PresentedSerializer(serializers.Serializer[Any]):
    token = serializers.CharField()
    token_type_hint = serializers.CharField(required=False, help_text="Ignored: a token shows what it is.")


class IntrospectionSerializer(serializers.Serializer[Any]):
    """What a token says that is live; of any other nothing but `active`."""

    active = serializers.BooleanField()
    scope = serializers.CharField(required=False, allow_blank=True, help_text="What it opens now, between spaces.")
    client_id = serializers.CharField(required=False)
    sub = serializers.CharField(required=False)
    aud = serializers.ListField(child=serializers.CharField(), required=False)
    iss = serializers.CharField(required=False)
    iat = serializers.IntegerField(required=False)
    exp = serializers.IntegerField(required=False)
    jti = serializers.CharField(required=False)
    token_type = serializers.CharField(required=False, help_text="`Bearer`")
    tenant = serializers.CharField(required=False, help_text="Whose data it opens; absent if the gateway alone.")


@extend_schema(tags=[TAG])
class Introspection(OAuthEndpoint):
    scopes: ClassVar = {"post": Scope.TOKENS_INTROSPECT}
    authentication_classes = (AppCredentials, BearerAuthentication)

    @extend_schema(
        operation_id="oauth_introspect",
        request={FORM: PresentedSerializer},
        responses={200: IntrospectionSerializer, 400: WRONG, 401: NOBODY},
        examples=[
            asked(PRESENTED, media_type=FORM),
            answered(LIVE, "Live"),
            answered(DEAD, "Dead, unknown, or not for whoever asks"),
        ],
    )
    def post(self, request: Request) -> Response:
        """Say whether a token is live. App credentials learn it of the clients of their own host tenant."""
        return Response(seen(presented(request), by=self.actor) or DEAD, headers=UNCACHED)


@extend_schema(tags=[TAG], auth=[*BY_CREDENTIALS, NOBODY_TOO])
class TokenEnd(OAuthEndpoint):
    scopes: ClassVar = {"post": None}
    authentication_classes = (AppCredentials,)

    @extend_schema(
        operation_id="oauth_revoke",
        request={FORM: PresentedSerializer},
        responses={
            200: OpenApiResponse(description="It is dead now, whatever it was."),
            400: WRONG,
            401: NOBODY,
            429: OpenApiResponse(OAuthErrorSerializer, "Too many wrong secrets from this address."),
        },
        examples=[asked(PRESENTED, media_type=FORM)],
    )
    def post(self, request: Request) -> Response:
        """End an access token by the client that bought it, with its credentials; an API or app token by its holder.

        A 503 says that it still lives: try again.
        """
        text = presented(request)
        if secret.is_client_secret(text):
            raise UnsupportedTokenType("This is a client secret; rotate it, or have the credentials revoked.")
        if text.startswith("gate_"):
            token_revocation.give_up(text, address=request.META.get("REMOTE_ADDR", ""))
        else:
            self.end_access_token(text)
        return Response(headers=UNCACHED)

    def end_access_token(self, text: str) -> None:
        if self.request.auth is None:
            # Nor does an API token help here, as it does where tokens are asked about.
            raise Unauthorized(
                "Send the app credentials of the client that bought the access token, as 'Authorization: Basic'."
            )
        claims = live(text)
        if claims is None:
            return
        if claims["sub"] != self.actor.name:
            raise UnauthorizedClient("This token was issued to another client; only that one ends it here.")
        token_revocation.revoke(claims, by=self.actor)


def presented(request: Request) -> str:
    """The token in the form."""
    body_of(request, MAX_BODY)
    text = fields(request).get("token")
    if text is None:
        raise OAuthRefusal("token is missing; send it in the form.")
    return text


def live(text: str) -> dict[str, Any] | None:
    """The claims of an access token of ours that is good now, with the scopes that it opens now; else None."""
    if claims := _claims(AccessToken, text):
        client = access_tokens.client_of(claims)
        return _narrowed(claims, client.scopes) if client else None
    if claims := _claims(EdgeToken, text):
        app = access_tokens.edge_app_of(claims)
        return _narrowed(claims, app.scopes) if app and not app.device_refused else None
    return gateway_liveness.claims(text)


def seen(text: str, *, by: Actor) -> dict[str, Any] | None:
    """What this actor learns of a token: an app only of the clients that its own host tenant hosts.

    What an API token or a gateway user has bought is no such client's, and opens no tenant's data.
    """
    claims = live(text)
    if claims is None or (by.kind == "app" and _host(claims) != by.name.partition("-")[0]):
        return None
    kept = {name: value for name, value in claims.items() if name in SEEN}
    audience = [claims["aud"]] if isinstance(claims["aud"], str) else claims["aud"]
    named = {"scope": claims["scope"], "client_id": claims.get("client_id", claims["sub"]), "aud": audience}
    return {"active": True, **named, **kept, "token_type": "Bearer"}


def _claims(kind: type[AccessToken], text: str) -> dict[str, Any] | None:
    try:
        return kind(text).payload
    except TokenError:
        return None


def _narrowed(claims: dict[str, Any], scopes: frozenset[str]) -> dict[str, Any]:
    return {**claims, "scope": " ".join(sorted(scopes))}


def _host(claims: dict[str, Any]) -> str:
    """The tenant that hosts the client: a client id begins with it, and the token of an app on a device names it."""
    client_id = claims.get("client_id")
    return str(client_id).partition("-")[0] if client_id else str(claims.get("tenant", ""))
