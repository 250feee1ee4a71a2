"""The native REST endpoints about shutdowns."""

import hashlib
import json
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from devices import shutdown, shutdown_approval, shutdown_cancel, shutdown_listing
from devices import shutdown_examples as examples
from devices.models import JobState, ShutdownJob, TargetState, Via
from devices.shutdown_serializers import (
    ApproveSerializer,
    CancelledSerializer,
    CancelSerializer,
    NewShutdownSerializer,
    RefuseSerializer,
    RetrySerializer,
    ShutdownSerializer,
    TargetSerializer,
)
from portal import etags, parameters
from portal.idempotency import IDEMPOTENCY_KEY, idempotent_for_owner
from portal.openapi import answered, asked
from portal.paging import Paging
from portal.parameters import Line, Word
from portal.rest import Endpoint, StrictSerializer
from portal.scopes import Scope

STATE = Word(name="state", description="Only shutdowns in this state.", words=JobState.values, lookup="state")
DEVICE = Line(
    name="device", description="Only shutdowns of the device with this id.", lookup="targets__device_id", most=128
)
TARGET_STATE = Word(name="state", description="Only devices in this state.", words=TargetState.values, lookup="state")


class Pages(Paging):
    """Shutdowns the latest first, their devices by id."""

    def order(self, view: Any) -> str:
        return "device_id" if view.action == "targets" else "-created_at"


class ShutdownViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Endpoint, viewsets.GenericViewSet[ShutdownJob]):
    """Orders to shut devices down, and how they go."""

    queryset = ShutdownJob.objects.all()
    serializer_class = ShutdownSerializer
    pagination_class = Pages
    lookup_value_converter = "uuid"
    scopes: ClassVar = {
        "list": Scope.SHUTDOWNS_READ,
        "retrieve": Scope.SHUTDOWNS_READ,
        "targets": Scope.SHUTDOWNS_READ,
        "create": Scope.SHUTDOWNS_REQUEST,
        "cancel": Scope.SHUTDOWNS_REQUEST,
        "retry": Scope.SHUTDOWNS_REQUEST,
        "approve": Scope.SHUTDOWNS_APPROVE,
        "refuse": Scope.SHUTDOWNS_APPROVE,
    }
    reads: ClassVar = {"list": (STATE, DEVICE), "targets": (TARGET_STATE,)}
    paged: ClassVar = ("list", "targets")

    def get_object(self) -> ShutdownJob:
        return shutdown.find(self.kwargs["pk"])

    def unchanged(self, job: ShutdownJob) -> None:
        """Refuse a shutdown that is not what `If-Match` says; the rule asks once it holds the lock."""
        etags.seen(self.request, _version(ShutdownSerializer(job).data))

    @extend_schema(examples=[answered(examples.SHUTDOWN)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List shutdowns, the latest first."""
        found = ShutdownJob.objects.filter(**parameters.conditions((STATE, DEVICE), self.wanted))
        page: Any = self.paginate_queryset(found)
        counts = shutdown_listing.counts([job.pk for job in page])
        return self.get_paginated_response(ShutdownSerializer(page, many=True, context={"counts": counts}).data)

    @extend_schema(parameters=[etags.IF_NONE_MATCH, etags.ETAG], examples=[answered(examples.SHUTDOWN)])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One shutdown; its ETag changes with its state and its counts."""
        return _show(request, self.get_object())

    @extend_schema(
        request=NewShutdownSerializer,
        responses={201: ShutdownSerializer},
        parameters=[IDEMPOTENCY_KEY, etags.LOCATION, etags.ETAG],
        examples=[asked(examples.NEW), answered(examples.SHUTDOWN)],
    )
    @idempotent_for_owner
    def create(self, request: Request) -> Response:
        """Order the shutdown of devices by their ids; each goes off at most once, and never after it has expired.

        One device that cannot be shut down is a 409 that says why; among several it is `skipped`. From a number of
        devices on that the installation sets another person has to approve it, whether a person or an app orders.
        """
        wanted = _said(NewShutdownSerializer, request)
        confirm = wanted.validated_data.get("confirm_count")
        return _made(shutdown.order(wanted.order(), by=self.actor, via=Via.API, confirm_count=confirm))

    @extend_schema(responses={200: TargetSerializer(many=True)}, examples=[answered(examples.TARGET)])
    @action(detail=True, methods=["get"])
    def targets(self, request: Request, pk: UUID) -> Response:
        """The devices of a shutdown by id, each with the apps on it that were told."""
        narrowed = parameters.conditions((TARGET_STATE,), self.wanted)
        page: Any = self.paginate_queryset(self.get_object().targets.filter(**narrowed).prefetch_related("acks"))  # type: ignore[arg-type]
        return self.get_paginated_response(TargetSerializer(page, many=True).data)

    @extend_schema(
        request=CancelSerializer,
        responses={200: CancelledSerializer},
        parameters=[etags.IF_MATCH],
        examples=[
            asked(examples.CANCEL, "All that is left"),
            asked(examples.CANCEL_SOME, "Some devices"),
            answered(examples.CANCELLED),
        ],
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: UUID) -> Response:
        """Cancel what no device has claimed yet; `too_late` names the devices that have the order or are through."""
        wanted = _said(CancelSerializer, request)
        done = shutdown_cancel.cancel(
            self.get_object(), by=self.actor, unchanged=self.unchanged, **wanted.validated_data
        )
        return Response(CancelledSerializer(done).data)

    @extend_schema(
        request=RetrySerializer,
        responses={201: ShutdownSerializer},
        parameters=[IDEMPOTENCY_KEY, etags.LOCATION, etags.ETAG],
        examples=[asked(examples.RETRY), answered(examples.RETRIED)],
    )
    @action(detail=True, methods=["post"])
    @idempotent_for_owner
    def retry(self, request: Request, pk: UUID) -> Response:
        """Order it anew for the devices that failed, expired, were skipped or stayed unconfirmed, once each."""
        wanted = _said(RetrySerializer, request)
        return _made(shutdown.retry(self.get_object(), by=self.actor, via=Via.API, **wanted.validated_data))

    @extend_schema(
        request=ApproveSerializer,
        responses={200: ShutdownSerializer},
        parameters=[etags.IF_MATCH, etags.ETAG],
        examples=[asked(examples.APPROVE), answered(examples.APPROVED)],
    )
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: UUID) -> Response:
        """Let it start. Whoever ordered it cannot, in person or by a token, and no app can."""
        wanted = _said(ApproveSerializer, request)
        job = shutdown_approval.approve(
            self.get_object(), by=self.actor, unchanged=self.unchanged, **wanted.validated_data
        )
        return _show(request, job)

    @extend_schema(
        request=RefuseSerializer,
        responses={200: ShutdownSerializer},
        parameters=[etags.IF_MATCH, etags.ETAG],
        examples=[asked(examples.REFUSE), answered(examples.REFUSED)],
    )
    @action(detail=True, methods=["post"])
    def refuse(self, request: Request, pk: UUID) -> Response:
        """Do not let it start, for good."""
        wanted = _said(RefuseSerializer, request)
        job = shutdown_approval.refuse(
            self.get_object(), by=self.actor, unchanged=self.unchanged, **wanted.validated_data
        )
        return _show(request, job)


def _said(shape: type[StrictSerializer], request: Request) -> Any:
    wanted = shape(data=request.data)
    wanted.is_valid(raise_exception=True)
    return wanted


def _version(data: Any) -> str:
    """Names what is shown: a shutdown has no revision, as it changes with each of its devices."""
    return hashlib.sha256(json.dumps(data, cls=JSONEncoder).encode()).hexdigest()[:24]


def _show(request: Request, job: ShutdownJob) -> Response:
    data = ShutdownSerializer(job).data
    return etags.answer(request, data, _version(data))


def _made(job: ShutdownJob) -> Response:
    data = ShutdownSerializer(job).data
    headers = {"Location": f"/api/v1/shutdowns/{job.pk}", "ETag": etags.of(_version(data))}
    return Response(data, 201, headers=headers)
