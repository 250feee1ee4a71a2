"""An app's own client: it sees its credentials, and rotates their secret without a person."""

from datetime import datetime
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.dialects import insights_token_wishes
from gateway.dialects.insights_hub import (
    TAG,
    InsightsEndpoint,
    InsightsErrorSerializer,
    InsightsRefusal,
    InvalidParameter,
    InvalidProperty,
)
from portal.access import REALM
from portal.bodies import body_of
from portal.openapi import answered, asked
from portal.refusal import Refusal
from portal.scopes import Scope
from tokens import credentials, overlap, shown_secrets
from tokens.access_tokens import CLIENT_CREDENTIALS
from tokens.models import AppCredential
from tokens.shown_secrets import Buyer

MAX_BODY = 16 * 1024
UNCACHED = {"Cache-Control": "no-store"}
CLIENT = {
    "clientId": "ten1-app1-v1.0.0",
    "name": "app1",
    "authorizedGrantTypes": ["client_credentials"],
    "redirectUri": [],
    "authorities": ["credentials:rotate-own", "users:read"],
    "scopes": [],
    "lastModified": 1763805600000,
    "secretCreationTimes": [1763805600000],
}

CLIENT_ID = OpenApiParameter("id", str, OpenApiParameter.PATH, description="The client id that the token names.")
CURRENT = OpenApiParameter(
    "Current-Secret", str, OpenApiParameter.HEADER, required=True, description="A live secret of the client."
)

REFUSED = OpenApiResponse(
    InsightsErrorSerializer, "It is not the token's own client, or this cannot be done to it now."
)


class NotLive(InsightsRefusal):
    """Who asks has shown a token, but not the secret that goes with it."""

    status, code = 401, "unauthorized"

    def challenge(self) -> str:
        return REALM


class InsightsClientSerializer(serializers.Serializer[Any]):
    """A client, never its secrets."""

    clientId = serializers.CharField()
    name = serializers.CharField(help_text="The app's name.")
    authorizedGrantTypes = serializers.ListField(child=serializers.CharField())
    redirectUri = serializers.ListField(child=serializers.CharField(), help_text="Always empty.")
    authorities = serializers.ListField(child=serializers.CharField(), help_text="The scopes of its credentials.")
    scopes = serializers.ListField(child=serializers.CharField(), help_text="Always empty: no person is behind it.")
    lastModified = serializers.IntegerField(help_text="Milliseconds since 1970; not moved by secrets.")
    secretCreationTimes = serializers.ListField(
        child=serializers.IntegerField(), help_text="One time, or two during an overlap, the older first."
    )


class InsightsNothingSerializer(serializers.Serializer[Any]):
    """An empty object. `newSecret` is refused: Gatehouse makes secrets itself."""


class InsightsSecretSerializer(serializers.Serializer[Any]):
    secret = serializers.CharField(help_text="The new client secret; it is never shown again.")


class OwnEndpoint(InsightsEndpoint):
    """What the client does to itself: the token's own client, and no other."""

    def own(self, client_id: str) -> AppCredential:
        by = self.actor
        kind, _, identifier = by.credential.partition(" ")
        if by.kind != "app" or kind != "credential":
            raise InvalidParameter(
                "This is for an app's own access token; people rotate app credentials in the portal."
            )
        if client_id != by.name:
            raise InvalidParameter(f"This token is of the client {by.name}, and opens no other.")
        return credentials.find(identifier)


@extend_schema(tags=[TAG], parameters=[CLIENT_ID])
class OneClient(OwnEndpoint):
    scopes: ClassVar = {"get": Scope.CREDENTIALS_ROTATE_OWN}

    @extend_schema(
        operation_id="insights_client",
        responses={200: InsightsClientSerializer, 400: REFUSED},
        examples=[answered(CLIENT)],
    )
    def get(self, request: Request, id: str) -> Response:
        """Show the client that asks."""
        own = self.own(id)
        shown = {
            "clientId": own.client_id,
            "name": own.version.app.name,
            "authorizedGrantTypes": [CLIENT_CREDENTIALS],
            "redirectUri": [],
            "authorities": own.scopes,
            "scopes": [],
            "lastModified": _milliseconds(own.created_at),
            "secretCreationTimes": [_milliseconds(secret.created_at) for secret in own.living()],
        }
        return Response(shown, headers=UNCACHED)


@extend_schema(tags=[TAG], parameters=[CLIENT_ID])
class ClientSecrets(OwnEndpoint):
    scopes: ClassVar = dict.fromkeys(("post", "put", "delete"), Scope.CREDENTIALS_ROTATE_OWN)

    @extend_schema(
        operation_id="insights_client_secret_add",
        parameters=[CURRENT],
        request=InsightsNothingSerializer,
        responses={200: InsightsSecretSerializer, 400: REFUSED},
        examples=[asked({}), answered({"secret": "gatecs…"})],
    )
    def post(self, request: Request, id: str) -> Response:
        """Make a second secret; the present one lives on until its own expiry, at most 30 days."""
        return self.rotated(request, id, grace_hours=overlap.LONGEST_GRACE_HOURS)

    @extend_schema(
        operation_id="insights_client_secret_replace",
        parameters=[CURRENT],
        request=InsightsNothingSerializer,
        responses={200: InsightsSecretSerializer, 400: REFUSED},
        examples=[asked({}), answered({"secret": "gatecs…"})],
    )
    def put(self, request: Request, id: str) -> Response:
        """Make a new secret; every older one ends at once."""
        return self.rotated(request, id, grace_hours=0, force=True)

    @extend_schema(operation_id="insights_client_secret_end", parameters=[CURRENT], responses={204: None, 400: REFUSED})
    def delete(self, request: Request, id: str) -> Response:
        """End the older of two secrets."""
        own = self.own(id)
        self.judge_secret(request, own)
        try:
            overlap.end_overlap(own, by=self.actor, confirm=True)
        except overlap.NoOverlap as no:
            raise _in_words_of_here(no, "There is one secret only; the last one never goes this way.") from no
        return Response(status=204)

    def rotated(self, request: Request, client_id: str, **how: Any) -> Response:
        raw = body_of(request, MAX_BODY)
        own = self.own(client_id)
        shown = self.judge_secret(request, own)
        if raw.strip() and "newSecret" in insights_token_wishes.members(raw):
            raise InvalidProperty("newSecret cannot be chosen; send {} and take the secret that is answered.")
        try:
            rotated = overlap.rotate(own, by=self.actor, shown=shown.secret_id, **how)
        except overlap.HasEnded as no:
            raise NotLive(str(no)) from no
        except overlap.TwoSecretsLive as no:
            raise _in_words_of_here(no, "There are two live secrets; end the older one first, by DELETE.") from no
        return Response({"secret": rotated.text}, headers=UNCACHED)

    def judge_secret(self, request: Request, own: AppCredential) -> Buyer:
        """Refuse who cannot show a live secret of the client beside the token."""
        shown = request.META.get("HTTP_CURRENT_SECRET", "").strip()
        if not shown:
            raise NotLive("Send a live secret of this client in the header Current-Secret.")
        try:
            return shown_secrets.of_client(own.client_id, shown, address=request.META.get("REMOTE_ADDR", ""))
        except shown_secrets.Refused as no:
            raise NotLive(str(no)) from no


def _in_words_of_here(no: Refusal, sentence: str) -> InvalidParameter:
    """Insights Hub answers 400 where we answer 409; what the rule wants done about its no is done all the same."""
    here = InvalidParameter(sentence)
    here.afterwards = no.afterwards
    return here


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
