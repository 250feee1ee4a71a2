"""The native REST endpoints about API tokens."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from portal import etags
from portal.idempotency import IDEMPOTENCY_KEY, idempotent
from portal.openapi import answered, asked
from portal.parameters import Line, Word
from portal.rest import Endpoint, ReasonSerializer
from portal.scopes import Scope
from tokens import ending, examples, issuing, listing, rotation
from tokens.models import ApiToken, TokenState
from tokens.serializers import IssuedTokenSerializer, NewTokenSerializer, RotationSerializer, TokenSerializer

OWNER = Line(name="owner", description="Only tokens of the person with this name.", most=150)
STATE = Word(name="state", description="Only tokens in this state.", words=TokenState.values)
BEGINNING = Line(name="q", description="The beginning of an id or a name.", most=100)

Handler = TypeVar("Handler", bound=Callable[..., Response])

rotates = extend_schema(
    request=RotationSerializer,
    responses={201: IssuedTokenSerializer},
    parameters=[IDEMPOTENCY_KEY, etags.IF_MATCH, etags.LOCATION, etags.ETAG],
    examples=[asked(examples.ROTATION), answered(examples.SUCCESSOR)],
)


def changes(answer: Any) -> Callable[[Handler], Handler]:
    """Document a verb about one token, which answers the token as it then is."""
    return extend_schema(
        request=ReasonSerializer,
        responses={200: TokenSerializer},
        parameters=[etags.IF_MATCH, etags.ETAG],
        examples=[asked(examples.LOST), answered(answer)],
    )


class TokenViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Endpoint, viewsets.GenericViewSet[ApiToken]):
    """The API tokens of the caller's owner; of everybody for a caller who also may see people."""

    serializer_class = TokenSerializer
    queryset = ApiToken.objects.all()
    lookup_value_regex = "[a-z0-9]{12}"
    scopes: ClassVar = {
        "list": Scope.TOKENS_READ,
        "retrieve": Scope.TOKENS_READ,
        "create": Scope.TOKENS_MANAGE,
        "rotate": Scope.TOKENS_MANAGE,
        "show_self": None,
        "rotate_self": Scope.CREDENTIALS_ROTATE_OWN,
        "revoke": Scope.TOKENS_MANAGE,
        "disable": Scope.TOKENS_MANAGE,
        "enable": Scope.TOKENS_MANAGE,
    }

    any_token: ClassVar = ("show_self",)
    reads: ClassVar = {"list": (OWNER, STATE, BEGINNING)}

    def get_queryset(self) -> QuerySet[ApiToken]:
        filters = {name: self.wanted[name] for name in listing.FILTERS if name in self.wanted}
        return listing.find(by=self.actor, **filters)

    def get_object(self) -> ApiToken:
        return listing.one(self.kwargs["pk"], by=self.actor)

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
        seen = etags.seen(request, token.revision)
        verb(token, by=self.actor, seen=seen, **wanted.validated_data)
        return self.show(request, token)

    def succeed(self, request: Request, token: ApiToken) -> Response:
        """The token's successor, with the overlap that the body names."""
        wanted = RotationSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        etags.seen(request, token.revision)
        with transaction.atomic():  # What cannot be shown must not be left behind.
            rotated = rotation.rotate(token, by=self.actor, **wanted.validated_data)
            return self.show_once(rotated.token, rotated.secret)

    @extend_schema(examples=[answered(examples.TOKEN)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List tokens by id: those of the caller's owner, and with the scope `users:read` those of everybody."""
        return super().list(request, *args, **kwargs)

    @extend_schema(parameters=[etags.IF_NONE_MATCH, etags.ETAG], examples=[answered(examples.TOKEN)])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One token, with an ETag for `If-Match`."""
        return self.show(request, self.get_object())

    @extend_schema(
        request=NewTokenSerializer,
        responses={201: IssuedTokenSerializer},
        parameters=[IDEMPOTENCY_KEY, etags.LOCATION, etags.ETAG],
        examples=[asked(examples.NEW), answered(examples.ISSUED)],
    )
    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Issue a token for the owner of this one; its scopes are among those of this one."""
        wanted = NewTokenSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        owner = issuing.person_behind(self.actor)
        with transaction.atomic():  # What cannot be shown must not be left behind.
            return self.show_once(*issuing.issue(**wanted.validated_data, owner=owner, by=self.actor))

    @rotates
    @action(detail=True, methods=["post"])
    @idempotent
    def rotate(self, request: Request, pk: str) -> Response:
        """Issue a successor of one's own token with the same rights; the old secret goes on for the overlap."""
        return self.succeed(request, self.get_object())

    @extend_schema(
        responses={200: TokenSerializer},
        parameters=[etags.IF_NONE_MATCH, etags.ETAG],
        examples=[answered(examples.TOKEN)],
    )
    @action(detail=False, url_path="self")
    def show_self(self, request: Request) -> Response:
        """The token that asks; any live one will do."""
        return self.show(request, issuing.shown_by(self.actor))

    @rotates
    @action(detail=False, methods=["post"], url_path="self/rotate")
    @idempotent
    def rotate_self(self, request: Request) -> Response:
        """Issue a successor of the token that asks, which needs no right over any other."""
        return self.succeed(request, issuing.shown_by(self.actor))

    @changes(examples.REVOKED)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """End a token at once and for good; another's with the scope `users:manage`, too."""
        return self.apply(request, ending.revoke)

    @changes(examples.DISABLED)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: str) -> Response:
        """Refuse a token until it is enabled again."""
        return self.apply(request, ending.disable)

    @changes(examples.ENABLED)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: str) -> Response:
        """Honour a disabled token again; what another has disabled only with the scope `users:manage`."""
        return self.apply(request, ending.enable)
