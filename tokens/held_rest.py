"""What REST does alike to app credentials and to apps on devices: the verbs about what holds two secrets at most."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from django.db import transaction
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from portal import durations, etags
from portal.idempotency import IDEMPOTENCY_KEY, idempotent
from portal.openapi import answered, asked
from portal.paging import Paging
from portal.parameters import Parameter, Word
from portal.rest import Endpoint, NoMembers, ReasonSerializer, StrictSerializer
from tokens import held_examples, overlap, switching
from tokens.held_serializers import ConfirmSerializer, NeededReasonSerializer, SecretRotationSerializer
from tokens.models import TokenState
from tokens.overlap import Rotated

LONGEST = timedelta(days=3660)

View = TypeVar("View", bound=type[Any])


@dataclass(frozen=True, kw_only=True)
class Span(Parameter):
    """A length of time, such as 12h or 30d."""

    def read(self, sent: str) -> timedelta:
        try:
            span = durations.read(sent)
        except durations.TooLong:
            span = durations.MOST
        except ArgumentTypeError as wrong:
            raise self.refuse(f"'{self.name}' is a length of time; write 90s, 15m, 2h or 14d.") from wrong
        if span > LONGEST:
            raise self.refuse(f"'{self.name}' is too long; write at most {LONGEST.days}d.")
        return span

    def shape(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[0-9]{1,7}[smhd]$", "example": "30d"}


STATE = Word(name="state", description="Only those in this state.", words=TokenState.values)
EXPIRES_WITHIN = Span(name="expires_within", description="Only those that will expire within this time, such as 30d.")


class SoonestExpiryFirst(Paging):
    ordering = "expires_at"


class HolderViewSet(mixins.ListModelMixin, Endpoint, viewsets.GenericViewSet[Any]):
    """One that has `show_once` for a new secret. The ETag changes with what people do, not with the use of a secret."""

    pagination_class = SoonestExpiryFirst

    def show(self, holder: Any) -> Response:
        shape: Any = self.get_serializer_class()
        return Response(shape(holder).data, headers={"ETag": etags.of(holder.revision)})

    def show_once(self, rotated: Rotated, **headers: str) -> Response:
        """What holds the new secret, with it; this answer is the only one that has it."""
        headers |= {"Cache-Control": "no-store", "ETag": etags.of(rotated.holder.revision)}
        return Response(self.with_secret(rotated), 201, headers=headers)

    def with_secret(self, rotated: Rotated) -> Mapping[str, Any]:
        raise NotImplementedError

    def apply(self, request: Request, verb: Callable[..., object], takes: type[StrictSerializer]) -> Response:
        """Do what the verb says, as the body has it, and show what it is then."""
        holder = self.get_object()
        wanted = takes(data=request.data)
        wanted.is_valid(raise_exception=True)
        seen = etags.seen(request, holder.revision)
        with transaction.atomic():  # What cannot be shown must not be left behind.
            verb(holder, by=self.actor, seen=seen, **wanted.validated_data)
            return self.show(self.get_object())

    def retrieve(self, request: Request, **named: str) -> Response:
        """One of them, with an ETag for `If-Match`; no secret is shown again."""
        return self.show(self.get_object())

    def destroy(self, request: Request, **named: str) -> Response:
        """Remove what is disabled, revoked or expired; the history stays, and its name is free again."""
        NoMembers(data=request.data).is_valid(raise_exception=True)
        holder = self.get_object()
        switching.delete(holder, by=self.actor, seen=etags.seen(request, holder.revision))
        return Response(status=204)

    @action(detail=True, methods=["post"])
    @idempotent
    def rotate(self, request: Request, **named: str) -> Response:
        """Give it a new secret, which is shown this once; the old one goes on for the grace, unless a third would live.

        One that has expired is brought back so; one that is disabled or revoked is not.
        """
        holder = self.get_object()
        wanted = SecretRotationSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        seen = etags.seen(request, holder.revision)
        with transaction.atomic():  # What cannot be shown must not be left behind.
            return self.show_once(overlap.rotate(holder, by=self.actor, seen=seen, **wanted.validated_data))

    @action(detail=True, methods=["post"], url_path="end-overlap")
    def end_overlap(self, request: Request, **named: str) -> Response:
        """End the old secret now; one that was used in the last 24 hours only with `confirm`."""
        return self.apply(request, overlap.end_overlap, ConfirmSerializer)

    @action(detail=True, methods=["post"], url_path="cancel-rotation")
    def cancel_rotation(self, request: Request, **named: str) -> Response:
        """End the new secret and give the old one its own expiry back; a new one that was used only with `confirm`."""
        return self.apply(request, overlap.cancel_rotation, ConfirmSerializer)

    @action(detail=True, methods=["post"])
    def disable(self, request: Request, **named: str) -> Response:
        """Refuse it and what it has bought until it is enabled again."""
        return self.apply(request, switching.disable, NeededReasonSerializer)

    @action(detail=True, methods=["post"])
    def enable(self, request: Request, **named: str) -> Response:
        """Give back exactly what disabling took."""
        return self.apply(request, switching.enable, ReasonSerializer)

    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, **named: str) -> Response:
        """End it at once and for good, from any state, with all that it has bought."""
        return self.apply(request, switching.revoke, NeededReasonSerializer)


def documented(shape: type[Any], with_secret: type[Any], of_one: Any, examples: Any) -> Callable[[View], View]:
    """Describe the verbs with the shapes and the examples of one kind; `of_one` is the example of one of them."""

    def verb(takes: type[Any], sent: Any, answer: Any) -> Any:
        return extend_schema(
            request=takes,
            responses={200: shape},
            parameters=[etags.IF_MATCH, etags.ETAG],
            examples=[asked(sent), answered(answer)],
        )

    return extend_schema_view(
        list=extend_schema(examples=[answered(of_one)]),
        retrieve=extend_schema(parameters=[etags.ETAG], examples=[answered(of_one)]),
        destroy=extend_schema(responses={204: None}, parameters=[etags.IF_MATCH]),
        rotate=extend_schema(
            request=SecretRotationSerializer,
            responses={201: with_secret},
            parameters=[IDEMPOTENCY_KEY, etags.IF_MATCH, etags.ETAG],
            examples=[asked(held_examples.ROTATION), answered(examples.ROTATED)],
        ),
        end_overlap=verb(ConfirmSerializer, held_examples.CONFIRMED, examples.OVERLAP_ENDED),
        cancel_rotation=verb(ConfirmSerializer, held_examples.CONFIRMED, examples.CANCELLED),
        disable=verb(NeededReasonSerializer, held_examples.SUSPECT, examples.DISABLED),
        enable=verb(ReasonSerializer, held_examples.CLEARED, examples.ENABLED),
        revoke=verb(NeededReasonSerializer, held_examples.LEAKED, examples.REVOKED),
    )
