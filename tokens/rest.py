"""The native REST endpoints about API tokens."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from devices.serializers import ReasonSerializer
from portal.rest import Endpoint
from portal.scopes import Scope
from tokens import issuing
from tokens.models import ApiToken
from tokens.serializers import IssuedTokenSerializer, NewTokenSerializer, TokenSerializer


class TokenViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Endpoint, viewsets.GenericViewSet[ApiToken]):
    """The API tokens of the caller's owner."""

    serializer_class = TokenSerializer
    queryset = ApiToken.objects.select_related("owner")
    lookup_value_regex = "[a-z0-9]{12}"
    scopes: ClassVar = {
        "list": Scope.TOKENS_READ,
        "retrieve": Scope.TOKENS_READ,
        "create": Scope.TOKENS_MANAGE,
        "revoke": Scope.TOKENS_MANAGE,
    }

    def get_queryset(self) -> QuerySet[ApiToken]:
        return super().get_queryset().filter(owner=self.actor.owner)

    def get_object(self) -> ApiToken:
        token = self.get_queryset().filter(pk=self.kwargs["pk"]).first()
        if token is None:
            raise issuing.Unknown(f"You have no token {self.kwargs['pk']}; the list shows yours.")
        return token

    @extend_schema(request=NewTokenSerializer, responses={201: IssuedTokenSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Issue a token for the owner of this one; its scopes are among those of this one."""
        wanted = NewTokenSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        owner: Any = request.user
        token, shown = issuing.issue(**wanted.validated_data, owner=owner, by=self.actor)
        shape = {**TokenSerializer(token).data, "token": shown}
        return Response(shape, 201, headers={"Location": f"/api/v1/tokens/{token.pk}", "Cache-Control": "no-store"})

    @extend_schema(request=ReasonSerializer, responses={200: TokenSerializer})
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """End a token at once and for good."""
        token = self.get_object()
        wanted = ReasonSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        issuing.revoke(token, by=self.actor, reason=wanted.validated_data["reason"])
        return Response(TokenSerializer(token).data)
