"""The Satellite dialect (seed 001): devices and the denied list, at the root and under /v1."""

from typing import ClassVar

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from devices import admission, counts, denial
from devices.models import Device
from gateway.dialects import satellite_listing
from gateway.dialects.satellite_listing import ORDERS
from gateway.dialects.satellite_shapes import (
    DENIED_EXAMPLE,
    DETAIL_EXAMPLE,
    DEVICE_EXAMPLE,
    SatelliteDeviceDetailSerializer,
    SatelliteDeviceSerializer,
)
from portal.failures import ErrorSerializer
from portal.rest import Endpoint
from portal.scopes import Scope

MOST_DEVICES = 1000
MOST_DENIED = 10_000
TAG = "Satellite"

UUID = OpenApiParameter("uuid", str, OpenApiParameter.PATH, description="The device's id, any text.")
OFFSET = OpenApiParameter("offset", int, description="How many to skip; 0 unless told.")
LINK = OpenApiParameter("Link", str, OpenApiParameter.HEADER, response=[200], description="first, prev, next and last.")
WRONG = OpenApiResponse(ErrorSerializer, "A parameter is wrong; `invalid` says which.")


class SatelliteEndpoint(Endpoint):
    """The base of all: what a query holds beside the documented parameters is ignored."""

    reads = None


@extend_schema(tags=[TAG])
class DeviceList(SatelliteEndpoint):
    """The devices that are not denied."""

    scopes: ClassVar = {"get": Scope.DEVICES_READ}

    @extend_schema(
        operation_id="satellite_list_devices",
        parameters=[
            OpenApiParameter("order-by", enum=list(ORDERS), description="The order; `name-asc` unless told."),
            OpenApiParameter("limit", int, description=f"How many at most, from 1 to {MOST_DEVICES}, which is usual."),
            OFFSET,
            LINK,
        ],
        responses={200: SatelliteDeviceSerializer(many=True), 400: WRONG},
        examples=[DEVICE_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        """List all devices that are not denied, whatever their admission."""
        page = satellite_listing.read(request, most=MOST_DEVICES, ordered=True)
        order = ORDERS[page.others["order-by"]]
        # Found by id alone, so that what a far page skips costs no look into what devices say of themselves.
        ids = Device.objects.present().order_by(*order).values("pk")[page.slice]
        devices = Device.objects.filter(pk__in=ids).select_related("introduction", "check_in").order_by(*order)
        found = list(devices.defer("introduction__text", "introduction__key"))
        links = page.links(total=counts.by_tab()[counts.ALL], more=len(found) > page.limit)
        shape = SatelliteDeviceSerializer()
        return Response([shape.to_representation(device) for device in found[: page.limit]], headers={"Link": links})


@extend_schema(tags=[TAG], parameters=[UUID])
class OneDevice(SatelliteEndpoint):
    """One device that is not denied."""

    scopes: ClassVar = {"get": Scope.DEVICES_READ, "delete": Scope.DEVICES_DELETE}

    @extend_schema(
        operation_id="satellite_device", responses={200: SatelliteDeviceDetailSerializer}, examples=[DETAIL_EXAMPLE]
    )
    def get(self, request: Request, uuid: str) -> Response:
        """Show a device, with what it uploaded."""
        related = ("introduction", "check_in", "system_info")
        device = admission.find(uuid, Device.objects.present().select_related(*related))
        return Response(SatelliteDeviceDetailSerializer(device).data)

    @extend_schema(operation_id="satellite_deny_device", responses={204: None})
    def delete(self, request: Request, uuid: str) -> Response:
        """Put a device on the denied list: it is refused everywhere, and what it stored is destroyed."""
        if not denial.deny_by_id(uuid, by=self.actor):
            raise admission.Unknown(uuid)
        return Response(status=204)


@extend_schema(tags=[TAG])
class DeniedList(SatelliteEndpoint):
    """The denied list."""

    scopes: ClassVar = {"get": Scope.DEVICES_READ}

    @extend_schema(
        operation_id="satellite_list_denied_devices",
        parameters=[
            OpenApiParameter("limit", int, description=f"How many at most, from 1 to {MOST_DENIED}, which is usual."),
            OFFSET,
            LINK,
        ],
        responses={200: serializers.ListSerializer(child=serializers.CharField()), 400: WRONG},
        examples=[DENIED_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        """List the ids of denied devices, ascending."""
        page = satellite_listing.read(request, most=MOST_DENIED, ordered=False)
        ids = list(Device.objects.denied().order_by("pk").values_list("pk", flat=True)[page.slice])
        links = page.links(total=counts.by_tab()[counts.DENIED], more=len(ids) > page.limit)
        return Response(ids[: page.limit], headers={"Link": links})


@extend_schema(tags=[TAG], parameters=[UUID])
class OneDenied(SatelliteEndpoint):
    """One device on the denied list."""

    scopes: ClassVar = {"delete": Scope.DEVICES_DELETE}

    @extend_schema(operation_id="satellite_restore_device", responses={204: None})
    def delete(self, request: Request, uuid: str) -> Response:
        """Take a device off the denied list; its record counts again, what it had stored is gone."""
        if not denial.restore_by_id(uuid, by=self.actor):
            raise denial.NotOnDeniedList(f"{uuid} is not on the denied list.")
        return Response(status=204)
