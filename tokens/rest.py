"""The native REST endpoints about API tokens."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from devices.serializers import ReasonSerializer
from portal import etags
from portal.idempotency import IDEMPOTENCY_KEY, idempotent
from portal.rest import Endpoint
from portal.scopes import Scope
from tokens import issuing, rotation
from tokens.models import ApiToken
from tokens.serializers import IssuedTokenSerializer, NewTokenSerializer, RotationSerializer, TokenSerializer


class TokenViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Endpoint, viewsets.GenericViewSet[ApiToken]):
    """The API tokens of the caller's owner."""

    serializer_class = TokenSerializer
    queryset = ApiToken.objects.select_related("owner", "replaced_by")
    lookup_value_regex = "[a-z0-9]{12}"
    scopes: ClassVar = {
        "list": Scope.TOKENS_READ,
        "retrieve": Scope.TOKENS_READ,
        "create": Scope.TOKENS_MANAGE,
        "rotate": Scope.TOKENS_MANAGE,
        "revoke": Scope.TOKENS_MANAGE,
        "disable": Scope.TOKENS_MANAGE,
        "enable": Scope.TOKENS_MANAGE,
    }

    def get_queryset(self) -> QuerySet[ApiToken]:
        return super().get_queryset().filter(owner=self.actor.owner)

    def get_object(self) -> ApiToken:
        token = self.get_queryset().filter(pk=self.kwargs["pk"]).first()
        if token is None:
            raise issuing.Unknown(f"You have no token {self.kwargs['pk']}; the list shows yours.")
        return token

    def show(self, request: Request, token: ApiToken) -> Response:
        return etags.answer(request, TokenSerializer(token).data, token.revision)

    def show_once(self, token: ApiToken, secret: str) -> Response:
        """A new token with its secret; this answer is the only one that holds it."""
        shape = {**TokenSerializer(token).data, "token": secret}
        headers = {"Location": f"/api/v1/tokens/{token.pk}", "Cache-Control": "no-store"}
        return Response(shape, 201, headers={**headers, "ETag": etags.of(token.revision)})

    def apply(self, request: Request, verb: Callable[..., None]) -> Response:
        """Do to the token what the verb says, for the reason in the body."""
        token = self.get_object()
        wanted = ReasonSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        etags.seen(request, token.revision)
        verb(token, by=self.actor, reason=wanted.validated_data["reason"])
        return self.show(request, token)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One token, with an ETag for `If-Match`."""
        return self.show(request, self.get_object())

    @extend_schema(request=NewTokenSerializer, responses={201: IssuedTokenSerializer}, parameters=[IDEMPOTENCY_KEY])
    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Issue a token for the owner of this one; its scopes are among those of this one."""
        wanted = NewTokenSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        owner: Any = request.user
        return self.show_once(*issuing.issue(**wanted.validated_data, owner=owner, by=self.actor))

    @extend_schema(request=RotationSerializer, responses={201: IssuedTokenSerializer}, parameters=[IDEMPOTENCY_KEY])
    @action(detail=True, methods=["post"])
    @idempotent
    def rotate(self, request: Request, pk: str) -> Response:
        """Issue a successor with the same rights; the old secret goes on for the overlap."""
        token = self.get_object()
        wanted = RotationSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        etags.seen(request, token.revision)
        rotated = rotation.rotate(token, by=self.actor, **wanted.validated_data)
        return self.show_once(rotated.token, rotated.secret)

    @extend_schema(request=ReasonSerializer, responses={200: TokenSerializer})
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """End a token at once and for good."""
        return self.apply(request, issuing.revoke)

    @extend_schema(request=ReasonSerializer, responses={200: TokenSerializer})
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: str) -> Response:
        """Refuse a token until it is enabled again."""
        return self.apply(request, issuing.disable)

    @extend_schema(request=ReasonSerializer, responses={200: TokenSerializer})
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: str) -> Response:
        """Honour a disabled token again."""
        return self.apply(request, issuing.enable)
