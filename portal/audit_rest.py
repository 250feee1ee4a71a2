"""The audit trail over REST."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from portal import text
from portal.models import AuditEvent
from portal.paging import Paging, once
from portal.rest import Endpoint
from portal.scopes import Scope

MOST_WANTED = 200


class AuditSerializer(serializers.ModelSerializer[AuditEvent]):
    """One change: who did what to which subject, why, and how it was before and after."""

    before = serializers.DictField(allow_null=True)
    after = serializers.DictField(allow_null=True)

    class Meta:
        model = AuditEvent
        fields: ClassVar = [
            "number", "at", "actor", "actor_kind", "credential", "address", "verb", "subject_kind", "subject_id",
            "before", "after", "reason", "request_id",
        ]  # fmt: skip
        read_only_fields = fields


class LatestFirst(Paging):
    ordering = "-number"


class AuditView(Endpoint, GenericAPIView[AuditEvent]):
    """The audit trail, the latest first."""

    scopes: ClassVar = {"get": Scope.AUDIT_READ}
    queryset = AuditEvent.objects.all()
    serializer_class = AuditSerializer
    pagination_class = LatestFirst
    filters: ClassVar = ("actor", "verb", "subject_kind", "subject_id", "request_id")

    def get_queryset(self) -> QuerySet[AuditEvent]:
        sent = {name: once(self.request, name) or "" for name in self.filters}
        for name, value in sent.items():
            text.check(name, value, most=MOST_WANTED)
        return AuditEvent.objects.filter(**{name: value for name, value in sent.items() if value})

    @extend_schema(
        parameters=[OpenApiParameter(name, description="Only rows with exactly this.") for name in filters],
        responses={200: AuditSerializer(many=True)},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Read the audit trail."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)
