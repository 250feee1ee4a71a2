"""The audit trail over REST."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from portal import audit_listing, parameters
from portal.models import AuditEvent
from portal.openapi import answered
from portal.paging import LatestFirst
from portal.parameters import Line, Moment
from portal.refusal import NotFound
from portal.rest import Endpoint
from portal.scopes import Scope

EXAMPLE: dict[str, Any] = {
    "number": 4711,
    "at": "2026-11-25T08:05:00.000000Z",
    "actor": "line-3",
    "actor_kind": "token",
    "credential": "k3v9q2m8x1ab",
    "address": "10.0.7.12",
    "verb": "device.accepted",
    "subject_kind": "device",
    "subject_id": "press-1",
    "before": {"status": "pending"},
    "after": {"status": "accepted"},
    "reason": "As ordered by maintenance.",
    "request_id": "0d5b9a8e-6f0c-4c55-9c39-4b1c1e6a6f3d",
}
EXACTLY = ("actor", "verb", "subject_kind", "subject_id", "request_id")
FILTERS = (
    *(Line(name=name, description="Only rows with exactly this.", lookup=name) for name in EXACTLY),
    Moment(name="after", description="Only changes then or later.", lookup="at__gte"),
    Moment(name="before", description="Only changes before then.", lookup="at__lt"),
)


class NoSuchRow(NotFound):
    code = "audit_row_not_found"

    def __init__(self, number: int) -> None:
        super().__init__(f"The audit trail has no row {number}; the list shows the latest first.")


class Facts(serializers.DictField):
    """Facts by name; what no rule of ours has written may be something else, which is shown all the same."""

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(dict(audit_listing.named(value)))


class AuditSerializer(serializers.ModelSerializer[AuditEvent]):
    """One change: who did what to which subject, why, and how it was before and after."""

    before = Facts(allow_null=True)
    after = Facts(allow_null=True)

    class Meta:
        model = AuditEvent
        fields: ClassVar = [
            "number", "at", "actor", "actor_kind", "credential", "address", "verb", "subject_kind", "subject_id",
            "before", "after", "reason", "request_id",
        ]  # fmt: skip
        read_only_fields = fields


class AuditViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Endpoint, viewsets.GenericViewSet[AuditEvent]):
    """Who did what to which subject, when and why."""

    scopes: ClassVar = {"list": Scope.AUDIT_READ, "retrieve": Scope.AUDIT_READ}
    reads: ClassVar = {"list": FILTERS}
    queryset = AuditEvent.objects.all()
    serializer_class = AuditSerializer
    pagination_class = LatestFirst
    lookup_field = "number"
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[AuditEvent]:
        return AuditEvent.objects.filter(**parameters.conditions(FILTERS, self.wanted))

    def get_object(self) -> AuditEvent:
        number = self.kwargs["number"]
        event = AuditEvent.objects.filter(number=number).first()
        if event is None:
            raise NoSuchRow(number)
        return event

    @extend_schema(examples=[answered(EXAMPLE)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Read the audit trail, the latest change first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(examples=[answered(EXAMPLE)])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One change by its number in the chain."""
        return super().retrieve(request, *args, **kwargs)
