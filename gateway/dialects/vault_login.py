"""Gateway users log in and get access tokens for the gateway, as the secret store of EdgeX has it (seed 004)."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.dialects.vault import TAG, VaultEndpoint, VaultErrorSerializer, VaultRefusal, answer, envelope
from portal import strict_json
from portal.bodies import body_of
from portal.openapi import REQUEST_ID, answered, asked
from tokens import gateway_logins
from tokens.authentication import BEARER
from tokens.gateway_logins import LoggedIn, NotLoggedIn, Sold

MAX_BODY = 4096


class VaultPasswordSerializer(serializers.Serializer[Any]):
    """Read as JSON whatever the Content-Type says; other members are ignored."""

    password = serializers.CharField(help_text="As adduser printed it.")


class VaultAuthSerializer(serializers.Serializer[Any]):
    client_token = serializers.CharField(help_text="`gate_usr_…`, for the header X-Vault-Token.")
    accessor = serializers.CharField(help_text="The id of the client token; it opens nothing.")
    policies = serializers.ListField(child=serializers.CharField())
    token_policies = serializers.ListField(child=serializers.CharField())
    metadata = serializers.DictField(child=serializers.CharField())
    lease_duration = serializers.IntegerField(help_text="Seconds.")
    renewable = serializers.BooleanField()
    entity_id = serializers.CharField(help_text="The `sub` of the access tokens.")
    token_type = serializers.CharField()
    orphan = serializers.BooleanField()
    num_uses = serializers.IntegerField()


class VaultEnvelopeSerializer(serializers.Serializer[Any]):
    request_id = serializers.CharField(help_text="The same as in the header X-Request-Id.")
    lease_id = serializers.CharField(allow_blank=True)
    renewable = serializers.BooleanField()
    lease_duration = serializers.IntegerField()
    wrap_info = serializers.CharField(allow_null=True)
    warnings = serializers.CharField(allow_null=True)


class VaultLoginSerializer(VaultEnvelopeSerializer):
    """A client token, which is good until its lease ends; nothing is renewed, so log in again."""

    data: Any = serializers.CharField(allow_null=True)
    auth = VaultAuthSerializer()


class VaultIdentitySerializer(serializers.Serializer[Any]):
    client_id = serializers.CharField(help_text="The audience of the token.")
    token = serializers.CharField(help_text="A JWT for `Authorization: Bearer …` at the gateway's routes.")
    ttl = serializers.IntegerField(help_text="Seconds.")


class VaultTokenSerializer(VaultEnvelopeSerializer):
    """An access token for the gateway's routes."""

    data: Any = VaultIdentitySerializer()
    auth = serializers.CharField(allow_null=True)


def auth(client_token: str, accessor: str, username: str, seconds: int, subject: str) -> dict[str, Any]:
    return {
        "client_token": client_token,
        "accessor": accessor,
        "policies": ["default"],
        "token_policies": ["default"],
        "metadata": {"username": username},
        "lease_duration": seconds,
        "renewable": False,
        "entity_id": subject,
        "token_type": "service",
        "orphan": True,
        "num_uses": 0,
    }


ASKED = {"password": "the-43-letters-and-digits-of-adduser"}
SUBJECT = "6f6cbb0c-51c4-4d6a-8b5c-0f4d3f4a8a51"
BEGUN = auth("gate_usr_k3v9q2m8x1ab_as-the-login-answered-it", "k3v9q2m8x1ab", "ann", 3600, SUBJECT)
BOUGHT = {"client_id": "edgex", "token": "eyJhbGciOiJSUzI1NiIsImtpZCI6Ii4uLiIsInR5cCI6IkpXVCJ9.e30.c2ln", "ttl": 3600}


def _no(description: str, *words: str) -> OpenApiResponse:
    examples = [answered({"errors": [each]}, each.capitalize()) for each in words]
    return OpenApiResponse(VaultErrorSerializer, description, examples)


DOCUMENTED: Any = {
    "tags": [TAG],
    "auth": [],
    "request": VaultPasswordSerializer,
    "parameters": [
        OpenApiParameter("Retry-After", int, OpenApiParameter.HEADER, response=[429], description="Seconds.")
    ],
    "responses": {
        200: VaultLoginSerializer,
        400: _no(
            "The body cannot be read, or the user or the password is wrong.",
            "failed to parse JSON input",
            "missing password",
            "invalid username or password",
        ),
        429: _no(
            "Too many failures from this address; no password is looked at meanwhile.",
            "too many failed logins from this address, try again in 8 s",
        ),
    },
    "examples": [asked(ASKED), answered(envelope(REQUEST_ID, BEGUN, None), status_codes=["200"])],
}


class Login(VaultEndpoint):
    """Both methods do the same."""

    http_method_names = ("post", "put")
    scopes: ClassVar = {"post": None, "put": None}

    @extend_schema(operation_id="vault_login", **DOCUMENTED)
    def post(self, request: Request, user: str) -> Response:
        """Log a gateway user in with the password; the client token that comes back buys access tokens."""
        password = _password_in(body_of(request, MAX_BODY))
        return _begun(gateway_logins.login(user, password, address=request.META.get("REMOTE_ADDR", "")))

    @extend_schema(operation_id="vault_login_put", **DOCUMENTED)
    def put(self, request: Request, user: str) -> Response:
        """The same as POST."""
        return self.post(request, user)


class IdentityToken(VaultEndpoint):
    """Access tokens, as often as wanted until the lease of the client token ends."""

    http_method_names = ("get",)
    scopes: ClassVar = {"get": None}

    @extend_schema(
        tags=[TAG],
        auth=[],
        operation_id="vault_identity_token",
        parameters=[
            OpenApiParameter(
                "X-Vault-Token",
                str,
                OpenApiParameter.HEADER,
                description="The client token; it may come as `Authorization: Bearer …`, too.",
            )
        ],
        responses={
            200: VaultTokenSerializer,
            400: _no("Two client tokens that differ.", "two different tokens"),
            403: _no("No client token, or none of this user that is good now.", "permission denied"),
        },
        examples=[answered(envelope(REQUEST_ID, None, BOUGHT), status_codes=["200"])],
    )
    def get(self, request: Request, user: str) -> Response:
        """Get an access token for the gateway's routes with a client token of this user."""
        shown = _client_token(request)
        return _bought(gateway_logins.token_for(shown, user, address=request.META.get("REMOTE_ADDR", "")))


def _password_in(raw: bytes) -> str:
    """The password; a member that stands there twice is no JSON that is read here."""
    try:
        members = strict_json.loads(raw)
    except strict_json.Unreadable as unreadable:
        raise VaultRefusal("failed to parse JSON input") from unreadable
    if not isinstance(members, dict):
        raise VaultRefusal("failed to parse JSON input")
    password = members.get("password")
    if not isinstance(password, str) or not password:
        raise VaultRefusal("missing password")
    return password


def _client_token(request: Request) -> str:
    """What the request shows in either header, or the same in both."""
    bearer = BEARER.fullmatch(request.META.get("HTTP_AUTHORIZATION", "").strip())
    shown: set[str] = {request.META.get("HTTP_X_VAULT_TOKEN", "").strip(), bearer[1] if bearer else ""} - {""}
    if len(shown) > 1:
        raise VaultRefusal("two different tokens")
    if not shown:
        raise NotLoggedIn("Show the client token of the login as X-Vault-Token.")
    return shown.pop()


def _begun(begun: LoggedIn) -> Response:
    account = begun.account
    facts = (begun.client_token, begun.login.pk, account.username, account.token_ttl_s, str(account.subject))
    return answer(auth=auth(*facts))


def _bought(sold: Sold) -> Response:
    return answer(data={"client_id": sold.account.audience, "token": sold.text, "ttl": sold.seconds})
