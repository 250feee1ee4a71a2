"""What an API token buys, over REST."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.openapi import answered, asked
from portal.rest import Endpoint, StrictSerializer
from portal.scope_field import ScopesField
from tokens import examples, gateway_tokens


class WantedSerializer(StrictSerializer):
    """What the access token is to open; all that the API token opens, unless told otherwise."""

    scopes = ScopesField(required=False, help_text="Among those that the API token opens.")


class AccessTokenSerializer(serializers.Serializer[Any]):
    """An access token for the gateway, as OAuth 2.0 answers it (RFC 6749, 5.1)."""

    access_token = serializers.CharField(help_text="A JWT for `Authorization: Bearer …` at the gateway's routes.")
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds, at most 900.")
    scope = serializers.CharField(help_text="The scopes that it holds, separated by blanks.")


class AccessTokensView(Endpoint):
    """Access tokens for the routes of the gateway."""

    scopes: ClassVar = {"post": None}
    any_token: ClassVar = ("post",)

    @extend_schema(
        operation_id="access_tokens_create",
        request=WantedSerializer,
        responses={200: AccessTokenSerializer},
        examples=[asked(examples.WANTED), answered(examples.BOUGHT)],
    )
    def post(self, request: Request) -> Response:
        """Buy an access token of at most 15 minutes with the API token that asks; it ends with that one.

        Networks that the API token is bound to say from where it buys; the gateway takes what it bought from anywhere.
        """
        wanted = WantedSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        sold = gateway_tokens.sell(wanted.validated_data.get("scopes"), by=self.actor)
        shape = {"access_token": sold.text, "token_type": "Bearer", "expires_in": sold.seconds}
        return Response({**shape, "scope": " ".join(sold.scopes)}, headers={"Cache-Control": "no-store"})
