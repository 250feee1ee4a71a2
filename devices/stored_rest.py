"""The native REST endpoints about what is stored for a device: its configuration, and what it reported."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from devices import admission, configs, records
from devices import stored_examples as examples
from devices.configs import Config
from devices.models import ID, AppState, Device, UpdateEvent
from devices.stored_serializers import (
    AppStateSerializer,
    CheckInSerializer,
    ConfigSerializer,
    InventorySerializer,
    NewConfigSerializer,
    SystemInfoSerializer,
    UpdateEventSerializer,
)
from portal import etags, parameters
from portal.openapi import answered, asked
from portal.paging import LatestFirst
from portal.parameters import Line
from portal.rest import Endpoint, NoMembers
from portal.rfc3339 import written
from portal.scopes import Scope

UPDATE = Line(name="correlation_id", description="Only the steps of this update.", lookup="correlation_id", most=128)


class StoredViewSet(Endpoint, viewsets.GenericViewSet[Device]):
    """What is stored for a device; of one that is denied it was destroyed."""

    queryset = Device.objects.select_related("check_in", "system_info", "inventory")
    serializer_class = CheckInSerializer
    pagination_class = LatestFirst
    lookup_value_regex = ID
    scopes: ClassVar = {
        "config": Scope.DEVICES_READ,
        "put_config": Scope.DEVICES_UPDATE,
        "clear_config": Scope.DEVICES_UPDATE,
        "check_in": Scope.DEVICES_READ,
        "system_info": Scope.DEVICES_READ,
        "inventory": Scope.DEVICES_READ,
        "events": Scope.DEVICES_READ,
        "apps_states": Scope.DEVICES_READ,
    }
    reads: ClassVar = {"events": (UPDATE,)}
    paged: ClassVar = ("events", "apps_states")

    def get_object(self) -> Device:
        return admission.find(self.kwargs["pk"], self.get_queryset())

    @extend_schema(
        responses={200: ConfigSerializer},
        parameters=[etags.IF_NONE_MATCH, etags.ETAG],
        examples=[answered(examples.CONFIG)],
    )
    @action(detail=True, methods=["get"])
    def config(self, request: Request, pk: str) -> Response:
        """The files that the device fetches, with an ETag for `If-Match`; 404 if there are none."""
        return _shown(request, configs.find(self.get_object()))

    @extend_schema(
        operation_id="devices_config_replace",
        request=NewConfigSerializer,
        responses={200: ConfigSerializer},
        parameters=[etags.IF_MATCH, etags.ETAG],
        examples=[asked(examples.NEW_CONFIG), answered(examples.CONFIG)],
    )
    @config.mapping.put
    def put_config(self, request: Request, pk: str) -> Response:
        """Put files down for the device in place of those before; it fetches them at its next poll.

        A device that is not accepted yet may get its own ahead. The history names the files, never what is in them.
        """
        device = self.get_object()
        wanted = NewConfigSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        config = configs.put(device, by=self.actor, seen=_seen(request, device), **wanted.validated_data)
        if config is None:
            raise configs.NoConfig(device)
        return _shown(request, config)

    @extend_schema(operation_id="devices_config_clear", responses={204: None}, parameters=[etags.IF_MATCH])
    @config.mapping.delete
    def clear_config(self, request: Request, pk: str) -> Response:
        """Take the configuration away; the device finds nothing to fetch."""
        NoMembers(data=request.data).is_valid(raise_exception=True)
        device = self.get_object()
        seen = _seen(request, device)
        if configs.head(device) is None:
            raise configs.NoConfig(device)
        configs.clear(device, by=self.actor, seen=seen)
        return Response(status=204)

    @extend_schema(responses={200: CheckInSerializer}, examples=[answered(examples.CHECK_IN)])
    @action(detail=True, methods=["get"], url_path="check-in")
    def check_in(self, request: Request, pk: str) -> Response:
        """What the device said it runs when it was last served; kept when it is denied."""
        return Response(CheckInSerializer(self.get_object()).data)

    @extend_schema(responses={200: SystemInfoSerializer}, examples=[answered(examples.SYSTEM_INFO)])
    @action(detail=True, methods=["get"], url_path="system-info")
    def system_info(self, request: Request, pk: str) -> Response:
        """What the device uploaded about itself, each text as it was sent."""
        info = getattr(self.get_object(), "system_info", None)
        return Response({name: getattr(info, name, "") for name in ("hardware", "network", "config")})

    @extend_schema(responses={200: InventorySerializer}, examples=[answered(examples.INVENTORY)])
    @action(detail=True, methods=["get"])
    def inventory(self, request: Request, pk: str) -> Response:
        """The attributes that the device reported."""
        kept = getattr(self.get_object(), "inventory", None)
        return Response(
            {"attributes": records.reported(kept), "reported_at": written(kept.reported_at) if kept else None}
        )

    @extend_schema(responses={200: UpdateEventSerializer(many=True)}, examples=[answered(examples.EVENT)])
    @action(detail=True, methods=["get"])
    def events(self, request: Request, pk: str) -> Response:
        """The steps of updates that the device reported, the latest first; the newest 20 updates are kept."""
        narrowed = parameters.conditions((UPDATE,), self.wanted)
        return self._page(UpdateEvent.objects.filter(device=self.get_object(), **narrowed), UpdateEventSerializer)

    @extend_schema(responses={200: AppStateSerializer(many=True)}, examples=[answered(examples.APP_STATE)])
    @action(detail=True, methods=["get"], url_path="apps-states")
    def apps_states(self, request: Request, pk: str) -> Response:
        """How the apps on the device were, the latest first; the newest 10 reports are kept."""
        return self._page(AppState.objects.filter(device=self.get_object()), AppStateSerializer)

    def _page(self, rows: QuerySet[Any], shape: Any) -> Response:
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(shape(page, many=True).data)


def _seen(request: Request, device: Device) -> str | None:
    """The version that `If-Match` names, if the caller sent one."""
    head = configs.head(device)
    return etags.seen(request, head[0] if head else "")


def _shown(request: Request, config: Config) -> Response:
    return etags.answer(request, ConfigSerializer(config).data, config.version)
