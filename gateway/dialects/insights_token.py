"""The technical token manager: app credentials buy an access token, as Insights Hub or RFC 6749 4.4 has it."""

import json
from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, PolymorphicProxySerializer, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.dialects import insights_hub, insights_token_header, oauth
from gateway.dialects import insights_token_wishes as wishes
from gateway.dialects.insights_hub import TAG, InsightsEndpoint, InsightsErrorSerializer, InsightsRefusal
from gateway.dialects.insights_token_header import BASIC, OWN, STANDARD
from gateway.dialects.insights_token_wishes import NAMES, Wishes
from gateway.dialects.oauth import BY_CREDENTIALS, FORM, MAX_BODY, UNCACHED, OAuthErrorSerializer
from portal.bodies import body_of
from portal.openapi import answered, asked
from portal.refusal import Refusal
from portal.scopes import MOST
from tokens import access_tokens, shown_secrets
from tokens.access_tokens import CLIENT_CREDENTIALS
from tokens.shown_secrets import Buyer

ASKED = {
    "grant_type": "client_credentials",
    "appName": "app1",
    "appVersion": "v1.0.0",
    "hostTenant": "ten1",
    "userTenant": "ten1",
}
ANSWERED = {
    "access_token": "eyJhbGciOiJSUzI1NiIsImtpZCI6Ii4uLiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl",
    "token_type": "Bearer",
    "expires_in": 1800,
    "scope": "devices:read users:read",
    "jti": "0d5b9a8e-6f0c-4c55-9c39-4b1c1e6a6f3d",
    "timestamp": 1763805600000,
}

# A form is answered no as RFC 6749 has it.
EITHER: Any = PolymorphicProxySerializer(
    "InsightsTokenRefusal", [InsightsErrorSerializer, OAuthErrorSerializer], resource_type_field_name=None
)


class Multipart(InsightsRefusal):
    status, code = 415, "unsupportedMediaType"


class InsightsTokenRequestSerializer(serializers.Serializer[Any]):
    """Which app asks, and whose data it wants to open. Members that are not listed are ignored."""

    grant_type = serializers.CharField(required=False, help_text="`client_credentials`, if it is sent.")
    appName = serializers.CharField()
    appVersion = serializers.CharField()
    hostTenant = serializers.CharField(help_text="The tenant that hosts the version.")
    userTenant = serializers.CharField(help_text="The tenant whose data the token opens.")


class InsightsTokenFormSerializer(serializers.Serializer[Any]):
    """The same as RFC 6749 4.4 has it: the four names default to the credentials' own."""

    grant_type = serializers.CharField(help_text="`client_credentials`")
    scope = serializers.CharField(required=False, help_text="Fewer scopes than the credentials hold, between spaces.")
    appName = serializers.CharField(required=False)
    appVersion = serializers.CharField(required=False)
    hostTenant = serializers.CharField(required=False)
    userTenant = serializers.CharField(required=False)


class InsightsTokenSerializer(serializers.Serializer[Any]):
    """An access token, good for 30 minutes; there is no refresh token, so ask again."""

    access_token = serializers.CharField(help_text="A JWT.")
    token_type = serializers.CharField(help_text="`Bearer`")
    expires_in = serializers.IntegerField(help_text="Seconds.")
    scope = serializers.CharField(allow_blank=True, help_text="Its scopes between spaces.")
    jti = serializers.CharField()
    timestamp = serializers.IntegerField(help_text="When it was made, in milliseconds since 1970.")


@extend_schema(tags=[TAG], auth=BY_CREDENTIALS)
class TokenCall(InsightsEndpoint):
    """What is sent is judged in this order: its size, its header, the credentials, and only then what it asks for."""

    scopes: ClassVar = {"post": None}
    # The credentials are judged below, between the header and the body.
    authentication_classes = ()
    is_form = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Buying is open to everybody, so of all that is asked before a call, only the method is asked here."""
        if request.method != "POST":
            super().initial(request, *args, **kwargs)

    @extend_schema(
        operation_id="insights_token",
        parameters=[
            OpenApiParameter(
                "X-SPACE-AUTH-KEY", str, OpenApiParameter.HEADER, description="As Authorization, which it goes before."
            ),
            *(OpenApiParameter(name, str, description="In place of a body.") for name in NAMES),
        ],
        request={"application/json": InsightsTokenRequestSerializer, FORM: InsightsTokenFormSerializer},
        responses={
            200: InsightsTokenSerializer,
            400: OpenApiResponse(EITHER, "What is sent is wrong; a form is answered as RFC 6749 has it."),
            401: OpenApiResponse(EITHER, "No credentials, or none that are live."),
            403: OpenApiResponse(InsightsErrorSerializer, "The credentials are not for what is asked."),
            429: OpenApiResponse(EITHER, "Too many wrong secrets from this address."),
            503: OpenApiResponse(EITHER, "The database does not answer; try again."),
        },
        examples=[asked(ASKED, media_type="application/json"), answered(ANSWERED)],
    )
    def post(self, request: Request) -> HttpResponse:
        """Buy an access token with app credentials."""
        sent = request._request
        headers = sent.META
        media = headers.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        try:
            raw = body_of(sent, MAX_BODY)
        except Refusal:
            self.is_form = _is_form(media, sent.read(MAX_BODY))  # Its beginning says in whose words it is refused.
            raise
        self.is_form = _is_form(media, raw)
        insights_token_header.refuse_repeated(headers)
        client_id, secret = insights_token_header.credentials(headers, told=STANDARD if self.is_form else OWN)
        buyer = shown_secrets.of_client(client_id, secret, address=headers.get("REMOTE_ADDR", ""))
        if media.startswith("multipart/"):
            raise Multipart("Send the parameters as JSON or in the query; multipart is not served here.")
        query = headers.get("QUERY_STRING", "")
        if self.is_form:
            wanted, scopes = _form(raw, query, buyer)
        else:
            wanted, scopes = wishes.read(raw, query), None
        wishes.judge(wanted, buyer)
        return HttpResponse(_sold(buyer, wanted.user_tenant, scopes), "application/json", headers=UNCACHED)

    def get_exception_handler(self) -> Any:
        return _refuse_form if self.is_form else _refuse


def _is_form(media: str, raw: bytes) -> bool:
    """Whether this is asked as RFC 6749 has it: existing clients send their JSON, or nothing, as a form, too."""
    return media == FORM and bool(raw.strip()) and not raw.lstrip().startswith(b"{")


def _form(raw: bytes, query: str, buyer: Buyer) -> tuple[Wishes, list[str] | None]:
    """What a form asks for, and to which scopes it narrows the token."""
    fields = oauth.read(raw)
    if "client_secret" in fields:
        raise oauth.OAuthRefusal("Send the client secret in Authorization alone, and change the one that was sent.")
    if (grant := fields.get("grant_type")) != CLIENT_CREDENTIALS:
        if grant is None:
            raise oauth.OAuthRefusal(f"grant_type is missing; send {CLIENT_CREDENTIALS}.")
        raise oauth.UnsupportedGrantType(f"grant_type can only be {CLIENT_CREDENTIALS} here.")
    wishes.refuse_elsewhere(fields, query)
    wanted = wishes.Wishes(
        fields.get("appName", buyer.app),
        fields.get("appVersion", buyer.version),
        fields.get("hostTenant", buyer.host_tenant),
        fields.get("userTenant", buyer.host_tenant),
    )
    if "scope" not in fields:
        return wanted, None
    named = fields["scope"].split()
    if not named:
        raise oauth.InvalidScope("scope holds no scope; name those that are wanted, or leave it out for all.")
    if len(named) > MOST:
        raise oauth.InvalidScope(f"Ask for at most {MOST} scopes, or leave scope out for all that there are.")
    held = buyer.scopes
    if not set(named) <= set(held):
        raise oauth.InvalidScope(f"These credentials hold {' '.join(held) or 'no scope'}; ask for fewer of these only.")
    return wanted, [scope for scope in held if scope in named]


def _sold(buyer: Buyer, tenant: str, scopes: list[str] | None) -> str:
    """The answer as JSON, past what renders other answers: there is nothing in it that would need that."""
    token = access_tokens.technical(buyer, tenant, scopes)
    claims = token.payload
    answer = {
        "access_token": str(token),
        "token_type": "Bearer",
        "expires_in": claims["exp"] - claims["iat"],
        "scope": " ".join(claims["scope"]),
        "jti": claims["jti"],
        "timestamp": claims["iat"] * 1000,
    }
    return json.dumps(answer, separators=(",", ":"))


def _refuse(exc: Exception, context: dict[str, Any]) -> Response | None:
    response = insights_hub.refuse(exc, context)
    if response is not None and response.status_code == 401:
        response["WWW-Authenticate"] = BASIC
    return response


def _refuse_form(exc: Exception, context: dict[str, Any]) -> Response | None:
    """A client of the standard knows 400, and 401 for who it is."""
    response = oauth.refuse(exc, context)
    if response is not None and response.status_code == 403:
        response.status_code = 400
    return response
