"""The native REST endpoints about devices."""

from collections.abc import Callable
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from devices import admission, bulk, counts, denial, identity, search, submission
from devices.models import ID, Device, DeviceQuerySet, Status
from devices.serializers import (
    CountsSerializer,
    DecisionsSerializer,
    DeviceSerializer,
    NewDeviceSerializer,
    OutcomeSerializer,
    OutcomesSerializer,
    ReasonSerializer,
)
from portal import etags, text
from portal.access import ScopeMissing
from portal.audit_rest import AuditSerializer, LatestFirst
from portal.idempotency import IDEMPOTENCY_KEY, idempotent
from portal.models import AuditEvent
from portal.paging import once, one_of
from portal.refusal import Invalid
from portal.rest import Endpoint
from portal.scopes import Scope

Verb = Callable[..., None]

MOST_WANTED = 200


class FleetViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Endpoint, viewsets.GenericViewSet[Device]):
    """What the devices and the denied list share: finding a device, and one verb about it."""

    queryset = Device.objects.select_related("introduction")
    serializer_class = DeviceSerializer
    lookup_value_regex = ID

    def get_object(self) -> Device:
        device = self.get_queryset().filter(pk=self.kwargs["pk"]).first()
        if device is None:
            raise admission.Unknown(self.kwargs["pk"])
        return device

    def apply(self, request: Request, verb: Verb, *decision: Any) -> Device:
        """Do to the device what the verb says, for the reason in the body."""
        device = self.get_object()
        wanted = ReasonSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        seen = etags.seen(request, device.revision)
        verb(device, *decision, by=self.actor, reason=wanted.validated_data["reason"], seen=seen)
        return device

    def show(self, request: Request, device: Device) -> Response:
        return etags.answer(request, DeviceSerializer(device).data, device.revision)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One device, with an ETag for `If-Match`."""
        return self.show(request, self.get_object())


class DeviceViewSet(FleetViewSet):
    """Devices that are not denied, and the decisions about them."""

    scopes: ClassVar = {
        "list": Scope.DEVICES_READ,
        "retrieve": Scope.DEVICES_READ,
        "create": Scope.DEVICES_ADMIT,
        "accept": Scope.DEVICES_ADMIT,
        "reject": Scope.DEVICES_ADMIT,
        "deny": Scope.DEVICES_DELETE,
        "purge": Scope.DEVICES_DELETE,
        "history": Scope.DEVICES_READ,
    }

    def get_queryset(self) -> DeviceQuerySet:
        devices: DeviceQuerySet = super().get_queryset()  # type: ignore[assignment]
        if self.action == "list":
            devices = devices.filter(denied_at=None)
            if status := one_of(self.request, "status", Status.values):
                devices = devices.filter(status=status)
            wanted = once(self.request, "q") or ""
            text.check("q", wanted, most=MOST_WANTED)
            devices = search.find(devices, wanted)
        return devices

    @extend_schema(
        parameters=[
            OpenApiParameter("status", enum=Status.values, description="Only devices of this status."),
            OpenApiParameter("q", description="The beginning of an id or a fingerprint, or a part of the identity."),
        ]
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List devices by id; denied ones are in the denied list."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewDeviceSerializer, responses={201: DeviceSerializer}, parameters=[IDEMPOTENCY_KEY])
    @idempotent
    def create(self, request: Request) -> Response:
        """Preauthorize a device: it is accepted when it proves this key."""
        wanted = NewDeviceSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            claimed = identity.read(wanted.validated_data["identity"])
        except identity.Malformed as malformed:
            raise Invalid("identity", f"This is no identity: {malformed}.") from malformed
        device = submission.preauthorize(claimed, wanted.validated_data["key"], by=self.actor)
        return Response(DeviceSerializer(device).data, 201, headers={"Location": f"/api/v1/devices/{device.pk}"})

    @extend_schema(request=ReasonSerializer, responses={200: DeviceSerializer})
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: str) -> Response:
        """Accept a pending or rejected device."""
        return self.show(request, self.apply(request, admission.decide, Status.ACCEPTED))

    @extend_schema(request=ReasonSerializer, responses={200: DeviceSerializer})
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str) -> Response:
        """Reject a pending or accepted device; its tokens die."""
        return self.show(request, self.apply(request, admission.decide, Status.REJECTED))

    @extend_schema(request=ReasonSerializer, responses={200: DeviceSerializer})
    @action(detail=True, methods=["post"])
    def deny(self, request: Request, pk: str) -> Response:
        """Put a device on the denied list; what it stored is destroyed."""
        return self.show(request, self.apply(request, denial.deny))

    @extend_schema(request=ReasonSerializer, responses={204: None})
    @action(detail=True, methods=["post"])
    def purge(self, request: Request, pk: str) -> Response:
        """Remove the record, denied or not; a device that comes with this id is new."""
        self.apply(request, denial.purge)
        return Response(status=204)

    @extend_schema(responses={200: AuditSerializer(many=True)})
    @action(detail=True, methods=["get"], pagination_class=LatestFirst)
    def history(self, request: Request, pk: str) -> Response:
        """What was done to the device, the latest first; also of one that was purged."""
        events = AuditEvent.objects.filter(subject_kind="device", subject_id=pk)
        page: Any = self.paginate_queryset(events)  # type: ignore[arg-type]
        return self.get_paginated_response(AuditSerializer(page, many=True).data)


class DeviceDecisionsView(Endpoint):
    """One decision on many devices."""

    scopes: ClassVar = {"post": Scope.DEVICES_ADMIT}

    @extend_schema(request=DecisionsSerializer, responses={200: OutcomesSerializer})
    def post(self, request: Request) -> Response:
        """Accept or reject up to 1,000 devices; one that is refused voids no other.

        To deny them needs the scope `devices:delete` as well.
        """
        wanted = DecisionsSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        asked = wanted.validated_data
        decision = bulk.DECISIONS[asked["decision"]]
        if not self.actor.may(decision.scope):
            raise ScopeMissing(decision.scope)
        ids = asked["ids"] if "ids" in asked else bulk.matching(**_named(asked["filter"]))
        outcomes: Any = bulk.decide(ids, decision, by=self.actor, reason=asked["reason"])
        return Response({"outcomes": OutcomeSerializer(outcomes, many=True).data})


class DeviceCountsView(Endpoint):
    """How many devices there are."""

    scopes: ClassVar = {"get": Scope.DEVICES_READ}

    @extend_schema(responses={200: CountsSerializer})
    def get(self, request: Request) -> Response:
        """Count the devices by status."""
        return Response(counts.by_tab())


def _named(chosen: dict[str, str]) -> dict[str, str]:
    return {"status": chosen["status"], "wanted": chosen["q"]}


class DeniedDeviceViewSet(FleetViewSet):
    """The denied list: who denied, when and why."""

    queryset = Device.objects.denied().select_related("introduction")
    scopes: ClassVar = {
        "list": Scope.DEVICES_READ,
        "retrieve": Scope.DEVICES_READ,
        "restore": Scope.DEVICES_DELETE,
    }

    def get_object(self) -> Device:
        device = Device.objects.select_related("introduction").filter(pk=self.kwargs["pk"]).first()
        if device is None or not device.is_denied:
            raise denial.NotOnDeniedList(f"{self.kwargs['pk']} is not on the denied list.")
        return device

    @extend_schema(request=ReasonSerializer, responses={200: DeviceSerializer})
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        """Take a device off the denied list; its record counts again, what it had stored is gone."""
        return self.show(request, self.apply(request, denial.restore))
