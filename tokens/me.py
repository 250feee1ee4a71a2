"""Who the caller is, over REST."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.openapi import answered
from portal.rest import Endpoint
from tokens import examples


class MeSerializer(serializers.Serializer[Any]):
    """The token that asks, its owner, and what both together may do; an app has no owner and no role."""

    name = serializers.CharField()
    kind = serializers.CharField()
    owner = serializers.CharField()
    role = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())


class MeView(Endpoint):
    """Who I am here."""

    scopes: ClassVar = {"get": None}
    any_token: ClassVar = ("get",)

    @extend_schema(responses={200: MeSerializer}, examples=[answered(examples.ME)])
    def get(self, request: Request) -> Response:
        """Say which credential asks and what it may do; any live one will do."""
        user: Any = request.user
        actor = self.actor
        return Response(
            {"name": actor.name, "kind": actor.kind, "owner": user.username, "role": getattr(user, "role", "")}
            | {"scopes": sorted(actor.scopes)}
        )
