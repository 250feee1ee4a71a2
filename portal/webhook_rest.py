"""Webhooks over REST, with the log of what was sent to each."""

from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from portal import deliveries, etags, webhook_examples, webhooks
from portal.idempotency import IDEMPOTENCY_KEY, idempotent
from portal.models import DeliveryState, Webhook
from portal.openapi import answered, asked
from portal.paging import Paging
from portal.parameters import Word
from portal.rest import Endpoint, NoMembers
from portal.scopes import Scope
from portal.webhook_serializers import (
    DeliverySerializer,
    IssuedWebhookSerializer,
    NewWebhookSerializer,
    ReplayedSerializer,
    ReplaySerializer,
    WebhookChangeSerializer,
    WebhookSerializer,
)

STATE = Word(name="state", description="Only deliveries in this state.", words=DeliveryState.values)


class Pages(Paging):
    """Webhooks by id, deliveries the latest first."""

    def order(self, view: Any) -> str:
        return "-pk" if view.action == "deliveries" else "pk"


class WebhookViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Endpoint, viewsets.GenericViewSet[Webhook]):
    """The webhooks of the installation."""

    serializer_class = WebhookSerializer
    queryset = Webhook.objects.all()
    pagination_class = Pages
    lookup_value_converter = "uuid"
    scopes: ClassVar = dict.fromkeys(
        (
            "list", "retrieve", "create", "partial_update", "destroy", "test", "rotate_secret", "deliveries",
            "replay", "replay_failed",
        ),
        Scope.WEBHOOKS_MANAGE,
    )  # fmt: skip
    reads: ClassVar = {"deliveries": (STATE,)}
    paged: ClassVar = ("list", "deliveries")

    def get_object(self) -> Webhook:
        return webhooks.find(self.kwargs["pk"])

    def show(self, request: Request, webhook: Webhook) -> Response:
        return etags.answer(request, WebhookSerializer(webhook).data, webhook.revision)

    def show_once(self, webhook: Webhook, secret: str, **headers: str) -> Response:
        """A webhook with its new secret; this answer is the only one that holds it."""
        shape = {**WebhookSerializer(webhook).data, "secret": secret}
        return Response(
            shape, 201, headers={**headers, "Cache-Control": "no-store", "ETag": etags.of(webhook.revision)}
        )

    @extend_schema(examples=[answered(webhook_examples.WEBHOOK)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List webhooks by id, each with how it does."""
        return super().list(request, *args, **kwargs)

    @extend_schema(parameters=[etags.IF_NONE_MATCH, etags.ETAG], examples=[answered(webhook_examples.WEBHOOK)])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One webhook, with an ETag for `If-Match`; its secret is never shown again."""
        return self.show(request, self.get_object())

    @extend_schema(
        request=NewWebhookSerializer,
        responses={201: IssuedWebhookSerializer},
        parameters=[IDEMPOTENCY_KEY, etags.LOCATION, etags.ETAG],
        examples=[asked(webhook_examples.NEW), answered(webhook_examples.ISSUED)],
    )
    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Tell an address of some topics from now on; the secret that signs what is sent is shown this once."""
        wanted = NewWebhookSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        with transaction.atomic():  # What cannot be shown must not be left behind.
            webhook, secret = webhooks.create(**wanted.validated_data, by=self.actor)
            return self.show_once(webhook, secret, Location=f"/api/v1/webhooks/{webhook.pk}")

    @extend_schema(
        request=WebhookChangeSerializer,
        responses={200: WebhookSerializer},
        parameters=[etags.IF_MATCH, etags.ETAG],
        examples=[asked(webhook_examples.CHANGE), answered(webhook_examples.CHANGED)],
    )
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change the name, the address or the topics, or switch it off and on; what waits goes on waiting."""
        webhook = self.get_object()
        wanted = WebhookChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        webhooks.change(webhook, by=self.actor, seen=etags.seen(request, webhook.revision), **wanted.validated_data)
        return self.show(request, webhook)

    @extend_schema(responses={204: None}, parameters=[etags.IF_MATCH])
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Remove a webhook with its log; what waits for it is not sent."""
        webhook = self.get_object()
        webhooks.delete(webhook, by=self.actor, seen=etags.seen(request, webhook.revision))
        return Response(status=204)

    @extend_schema(
        request=NoMembers,
        responses={201: IssuedWebhookSerializer},
        parameters=[IDEMPOTENCY_KEY, etags.IF_MATCH, etags.ETAG],
        examples=[asked({}), answered(webhook_examples.ROTATED)],
    )
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    @idempotent
    def rotate_secret(self, request: Request, pk: UUID) -> Response:
        """Make another secret, shown this once; for 24 h what is sent is signed with both."""
        webhook = self.get_object()
        NoMembers(data=request.data).is_valid(raise_exception=True)
        seen = etags.seen(request, webhook.revision)
        with transaction.atomic():
            return self.show_once(webhook, webhooks.rotate(webhook, by=self.actor, seen=seen))

    @extend_schema(
        request=NoMembers,
        responses={200: DeliverySerializer},
        examples=[asked({}), answered(webhook_examples.TESTED)],
    )
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: UUID) -> Response:
        """Send a `webhook.test` at once, and answer how that went; one at a time, 10 s at most, and not tried again."""
        webhook = self.get_object()
        NoMembers(data=request.data).is_valid(raise_exception=True)
        return Response(DeliverySerializer(deliveries.try_out(webhook, by=self.actor)).data)

    @extend_schema(responses={200: DeliverySerializer(many=True)}, examples=[answered(webhook_examples.DELIVERY)])
    @action(detail=True)
    def deliveries(self, request: Request, pk: UUID) -> Response:
        """What was sent and what waits, the latest first, each with the body exactly as it is sent."""
        found: QuerySet[Any] = deliveries.log(self.get_object(), self.wanted.get("state", ""))
        page: Any = self.paginate_queryset(found)
        return self.get_paginated_response(DeliverySerializer(page, many=True).data)

    @extend_schema(
        request=NoMembers,
        responses={200: DeliverySerializer},
        examples=[asked({}), answered(webhook_examples.REPLAYED)],
    )
    @action(detail=True, methods=["post"], url_path="deliveries/<int:delivery>/replay")
    def replay(self, request: Request, pk: UUID, delivery: int) -> Response:
        """Send a delivery again under its old `webhook-id`; one that waits is tried at once.

        While 10,000 wait no other is sent again: 409 `backlog_full`.
        """
        found = deliveries.find(self.get_object(), delivery)
        NoMembers(data=request.data).is_valid(raise_exception=True)
        deliveries.replay(found, by=self.actor)
        return Response(DeliverySerializer(found).data)

    @extend_schema(
        request=ReplaySerializer,
        responses={200: ReplayedSerializer},
        examples=[asked(webhook_examples.REPLAY_ALL), answered(webhook_examples.REPLAYED_ALL)],
    )
    @action(detail=True, methods=["post"], url_path="replay")
    def replay_failed(self, request: Request, pk: UUID) -> Response:
        """Send again, oldest first, every delivery that was made since then and has failed.

        No more than 10,000 wait, so it may be fewer; while so many wait, it is refused: 409 `backlog_full`.
        """
        webhook = self.get_object()
        wanted = ReplaySerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        return Response({"replayed": deliveries.replay_failed(webhook, wanted.validated_data["since"], by=self.actor)})
