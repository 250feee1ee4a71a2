"""The native REST endpoints about devices."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from devices import admission, denial, identity, submission
from devices.models import ID, Device, Status
from devices.serializers import DeviceSerializer, NewDeviceSerializer, ReasonSerializer
from portal.paging import one_of
from portal.refusal import Invalid
from portal.rest import Endpoint
from portal.scopes import Scope

Verb = Callable[..., None]


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
        verb(device, *decision, by=self.actor, reason=wanted.validated_data["reason"])
        return device


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
    }

    def get_queryset(self) -> QuerySet[Device]:
        devices: QuerySet[Device] = super().get_queryset()
        if self.action == "list":
            devices = devices.filter(denied_at=None)
            if status := one_of(self.request, "status", Status.values):
                devices = devices.filter(status=status)
        return devices

    @extend_schema(
        parameters=[OpenApiParameter("status", enum=Status.values, description="Only devices of this status.")]
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List devices by id; denied ones are in the denied list."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewDeviceSerializer, responses={201: DeviceSerializer})
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
        return Response(DeviceSerializer(self.apply(request, admission.decide, Status.ACCEPTED)).data)

    @extend_schema(request=ReasonSerializer, responses={200: DeviceSerializer})
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str) -> Response:
        """Reject a pending or accepted device; its tokens die."""
        return Response(DeviceSerializer(self.apply(request, admission.decide, Status.REJECTED)).data)

    @extend_schema(request=ReasonSerializer, responses={200: DeviceSerializer})
    @action(detail=True, methods=["post"])
    def deny(self, request: Request, pk: str) -> Response:
        """Put a device on the denied list; what it stored is destroyed."""
        return Response(DeviceSerializer(self.apply(request, denial.deny)).data)

    @extend_schema(request=ReasonSerializer, responses={204: None})
    @action(detail=True, methods=["post"])
    def purge(self, request: Request, pk: str) -> Response:
        """Remove the record, denied or not; a device that comes with this id is new."""
        self.apply(request, denial.purge)
        return Response(status=204)


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
        return Response(DeviceSerializer(self.apply(request, denial.restore)).data)
