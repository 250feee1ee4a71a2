"""The native REST endpoints about devices."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from devices import admission, counts, denial, device_lists, examples, filters, preauthorisation, submission
from devices import identity as identities
from devices.models import ID, Device, DeviceQuerySet, Status
from devices.serializers import (
    CountsSerializer,
    DeviceSerializer,
    LineOutcomesSerializer,
    NewDeviceSerializer,
)
from portal import audit_rest, etags
from portal.actor import Actor
from portal.audit_rest import AuditSerializer
from portal.bodies import Csv, JsonOrCsvParser, body_of, is_csv
from portal.idempotency import IDEMPOTENCY_KEY, idempotent
from portal.models import AuditEvent
from portal.openapi import answered, asked
from portal.paging import CountedPaging, LatestFirst
from portal.parameters import Word
from portal.refusal import Invalid
from portal.rest import Endpoint, NoMembers, ReasonSerializer
from portal.scopes import Scope

Verb = Callable[..., None]
Handler = TypeVar("Handler", bound=Callable[..., Response])


DRY_RUN = Word(
    name="dry_run", description="With a list: `true` judges every line and writes none.", words=("true", "false")
)


class DevicePaging(CountedPaging):
    ordering = "id"

    def order(self, view: Any) -> str:
        return str(view.wanted.get(filters.ORDERING.name, self.ordering))


def decides(answer: Any, reason: Any = examples.REASON) -> Callable[[Handler], Handler]:
    """Document a verb about one device, which answers the device as it then is."""
    return extend_schema(
        request=ReasonSerializer,
        responses={200: DeviceSerializer},
        parameters=[etags.IF_MATCH, etags.ETAG],
        examples=[asked(reason), answered(answer)],
    )


class FleetViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Endpoint, viewsets.GenericViewSet[Device]):
    """What the devices and the denied list share: finding a device, and one verb about it."""

    queryset = Device.objects.select_related("introduction")
    serializer_class = DeviceSerializer
    pagination_class = DevicePaging
    lookup_value_regex = ID

    def get_object(self) -> Device:
        return admission.find(self.kwargs["pk"], self.get_queryset())

    def apply(
        self, request: Request, verb: Verb, *decision: Any, takes: type[Serializer[Any]] = ReasonSerializer
    ) -> Device:
        """Do to the device what the verb says, for the reason in the body if it takes one."""
        device = self.get_object()
        wanted = takes(data=request.data)
        wanted.is_valid(raise_exception=True)
        seen = etags.seen(request, device.revision)
        verb(device, *decision, by=self.actor, seen=seen, **wanted.validated_data)
        return device

    def show(self, request: Request, device: Device) -> Response:
        return etags.answer(request, DeviceSerializer(device).data, device.revision)

    @extend_schema(parameters=[etags.IF_NONE_MATCH, etags.ETAG], examples=[answered(examples.ACCEPTED)])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One device, denied or not, with an ETag for `If-Match`."""
        return self.show(request, self.get_object())


class DeviceViewSet(FleetViewSet):
    """Devices that are not denied, and the decisions about them."""

    scopes: ClassVar = {
        "list": Scope.DEVICES_READ,
        "retrieve": Scope.DEVICES_READ,
        "create": Scope.DEVICES_ADMIT,
        "destroy": Scope.DEVICES_DELETE,
        "accept": Scope.DEVICES_ADMIT,
        "reject": Scope.DEVICES_ADMIT,
        "deny": Scope.DEVICES_DELETE,
        "purge": Scope.DEVICES_DELETE,
        "history": Scope.DEVICES_READ,
    }

    parser_classes = (JsonOrCsvParser,)
    takes_csv: ClassVar = ("create",)
    reads: ClassVar = {"list": (*filters.FILTERS, filters.ORDERING), "create": (DRY_RUN,)}
    paged: ClassVar = ("list", "history")

    def get_queryset(self) -> DeviceQuerySet:
        devices: DeviceQuerySet = super().get_queryset()  # type: ignore[assignment]
        return filters.narrow(devices.present(), self.wanted) if self.action == "list" else devices

    def total(self) -> int | None:
        return filters.total(self.wanted)

    @extend_schema(examples=[answered(examples.ACCEPTED)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List devices by id, or in another order; denied ones are in the denied list."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        request={"application/json": NewDeviceSerializer, "text/csv": OpenApiTypes.BINARY},
        responses={201: DeviceSerializer, 200: LineOutcomesSerializer},
        parameters=[IDEMPOTENCY_KEY, etags.LOCATION, etags.ETAG],
        examples=[
            asked(examples.NEW, "By its identity"),
            asked(examples.NEW_BY_CERTIFICATE, "By the name in its certificate"),
            asked(examples.LIST, "A list", media_type="text/csv"),
            answered(examples.PREAUTHORIZED, status_codes=["201"]),
            answered(examples.LINE_OUTCOMES, "Of a list", status_codes=["200"]),
        ],
    )
    def create(self, request: Request) -> Response:
        """Preauthorize a device: it is accepted when it proves this key. Or those of a list, as `text/csv`.

        A 409 names the device that has the id or the identity already. The first row of a list names its columns:
        `key` and members of the identity, or `key` and `id`. A list is answered with an outcome for each line:
        `preauthorized`, `ready` in a dry run, or `refused`; a line that is refused voids no other. A list with an
        `Idempotency-Key` may be sent again, and comes to the same.
        """
        sent: Any = request.data
        if not sent and is_csv(request.content_type or "") and not body_of(request):
            raise Invalid("list", "The list is empty; its first row names the columns, the others say a device each.")
        return self.preauthorize_all(request, sent.raw) if isinstance(sent, Csv) else self.preauthorize(request)

    def preauthorize_all(self, request: Request, sent: bytes) -> Response:
        lines = device_lists.read(device_lists.decode(sent))
        if self.wanted.get(DRY_RUN.name) == "true":
            outcomes = preauthorisation.judge(lines)
        else:
            # Not in one transaction with a kept answer: all others would wait for the whole list.
            again = IDEMPOTENCY_KEY.name in request.headers
            outcomes = preauthorisation.carry_out(lines, by=self.actor, again=again)
        return Response(LineOutcomesSerializer({"outcomes": outcomes}).data)

    @idempotent
    def preauthorize(self, request: Request) -> Response:
        if DRY_RUN.name in self.wanted:
            raise DRY_RUN.refuse("Only a list can be judged without being carried out; send it as text/csv.")
        wanted = NewDeviceSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        device = _preauthorized(**wanted.validated_data, by=self.actor)
        headers = {"Location": f"/api/v1/devices/{device.pk}", "ETag": etags.of(device.revision)}
        return Response(DeviceSerializer(device).data, 201, headers=headers)

    @extend_schema(responses={204: None}, parameters=[etags.IF_MATCH])
    def destroy(self, request: Request, pk: str) -> Response:
        """Put a device on the denied list, as `deny` does, without a reason; its record stays."""
        self.apply(request, denial.deny, takes=NoMembers)
        return Response(status=204)

    @decides(examples.ACCEPTED)
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: str) -> Response:
        """Accept a pending or rejected device."""
        return self.show(request, self.apply(request, admission.decide, Status.ACCEPTED))

    @decides(examples.REJECTED)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str) -> Response:
        """Reject a pending or accepted device; its tokens die."""
        return self.show(request, self.apply(request, admission.decide, Status.REJECTED))

    @decides(examples.DENIED, examples.STOLEN)
    @action(detail=True, methods=["post"])
    def deny(self, request: Request, pk: str) -> Response:
        """Put a device on the denied list; what it stored is destroyed."""
        return self.show(request, self.apply(request, denial.deny))

    @extend_schema(
        request=ReasonSerializer,
        responses={204: None},
        parameters=[etags.IF_MATCH],
        examples=[asked({"reason": "It was scrapped."})],
    )
    @action(detail=True, methods=["post"])
    def purge(self, request: Request, pk: str) -> Response:
        """Remove the record, denied or not; a device that comes with this id is new."""
        self.apply(request, denial.purge)
        return Response(status=204)

    @extend_schema(responses={200: AuditSerializer(many=True)}, examples=[answered(audit_rest.EXAMPLE)])
    @action(detail=True, methods=["get"], pagination_class=LatestFirst)
    def history(self, request: Request, pk: str) -> Response:
        """What was done to the device, the latest first; also of one that was purged."""
        events = AuditEvent.objects.filter(subject_kind="device", subject_id=pk)
        page: Any = self.paginate_queryset(events)  # type: ignore[arg-type]
        return self.get_paginated_response(AuditSerializer(page, many=True).data)


class DeviceCountsView(Endpoint):
    """How many devices there are."""

    scopes: ClassVar = {"get": Scope.DEVICES_READ}

    @extend_schema(responses={200: CountsSerializer}, examples=[answered(examples.COUNTS)])
    def get(self, request: Request) -> Response:
        """Count the devices by status."""
        return Response(counts.by_tab())


def _preauthorized(*, key: str, by: Actor, identity: str = "", id: str = "") -> Device:
    if id:
        return submission.preauthorize_id(id, key, by=by)
    try:
        claimed = identities.read(identity)
    except identities.Malformed as malformed:
        raise Invalid("identity", f"This is no identity: {malformed}.") from malformed
    return submission.preauthorize(claimed, key, by=by)


class DeniedDeviceViewSet(FleetViewSet):
    """The denied list: who denied, when and why."""

    queryset = Device.objects.denied().select_related("introduction")
    scopes: ClassVar = {
        "list": Scope.DEVICES_READ,
        "retrieve": Scope.DEVICES_READ,
        "restore": Scope.DEVICES_DELETE,
        "destroy": Scope.DEVICES_DELETE,
    }

    def get_object(self) -> Device:
        device = Device.objects.select_related("introduction").filter(pk=self.kwargs["pk"]).first()
        if device is None or not device.is_denied:
            raise denial.NotOnDeniedList(f"{self.kwargs['pk']} is not on the denied list.")
        return device

    def total(self) -> int:
        return counts.by_tab()[counts.DENIED]

    @extend_schema(examples=[answered(examples.DENIED)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the denied devices by id."""
        return super().list(request, *args, **kwargs)

    @extend_schema(parameters=[etags.IF_NONE_MATCH, etags.ETAG], examples=[answered(examples.DENIED)])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One denied device, with an ETag for `If-Match`."""
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(responses={204: None}, parameters=[etags.IF_MATCH])
    def destroy(self, request: Request, pk: str) -> Response:
        """Take a device off the denied list, as `restore` does, without a reason; its record counts again."""
        self.apply(request, denial.restore, takes=NoMembers)
        return Response(status=204)

    @decides(examples.RESTORED)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        """Take a device off the denied list; its record counts again, what it had stored is gone."""
        return self.show(request, self.apply(request, denial.restore))
