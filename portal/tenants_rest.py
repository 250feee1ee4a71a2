"""Tenants over REST."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from portal import etags, tenants, tenants_examples
from portal.idempotency import IDEMPOTENCY_KEY, idempotent
from portal.models import Tenant
from portal.openapi import answered, asked
from portal.rest import Endpoint
from portal.scopes import Scope
from portal.tenants_serializers import NewTenantSerializer, TenantChangeSerializer, TenantSerializer

NAME = OpenApiParameter("name", str, OpenApiParameter.PATH, description="The name of the tenant.")


@extend_schema_view(**{name: extend_schema(parameters=[NAME]) for name in ("retrieve", "partial_update", "destroy")})
class TenantViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Endpoint, viewsets.GenericViewSet[Tenant]):
    """The accounts that people and apps belong to."""

    serializer_class = TenantSerializer
    queryset = Tenant.objects.all()
    lookup_field = "name"
    scopes: ClassVar = {
        "list": Scope.USERS_READ,
        "retrieve": Scope.USERS_READ,
        "create": Scope.USERS_MANAGE,
        "partial_update": Scope.USERS_MANAGE,
        "destroy": Scope.USERS_MANAGE,
    }

    def get_object(self) -> Tenant:
        return tenants.find(self.kwargs["name"])

    def show(self, request: Request, tenant: Tenant) -> Response:
        return etags.answer(request, TenantSerializer(tenant).data, tenant.revision)

    @extend_schema(examples=[answered(tenants_examples.TENANT)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List tenants by name."""
        return super().list(request, *args, **kwargs)

    @extend_schema(parameters=[etags.IF_NONE_MATCH, etags.ETAG], examples=[answered(tenants_examples.TENANT)])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One tenant, with an ETag for `If-Match`."""
        return self.show(request, self.get_object())

    @extend_schema(
        request=NewTenantSerializer,
        responses={201: TenantSerializer},
        parameters=[IDEMPOTENCY_KEY, etags.LOCATION, etags.ETAG],
        examples=[asked(tenants_examples.NEW), answered(tenants_examples.TENANT)],
    )
    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Add a tenant; its name stays."""
        wanted = NewTenantSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        tenant = tenants.make(**wanted.validated_data, by=self.actor)
        headers = {"Location": f"/api/v1/tenants/{tenant.name}", "ETag": etags.of(tenant.revision)}
        return Response(TenantSerializer(tenant).data, 201, headers=headers)

    @extend_schema(
        request=TenantChangeSerializer,
        responses={200: TenantSerializer},
        parameters=[etags.IF_MATCH, etags.ETAG],
        examples=[asked(tenants_examples.CHANGE), answered(tenants_examples.CHANGED)],
    )
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Give a tenant another title."""
        tenant = self.get_object()
        wanted = TenantChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        seen = etags.seen(request, tenant.revision)
        tenants.rename(tenant, wanted.validated_data["title"], by=self.actor, seen=seen)
        return self.show(request, tenant)

    @extend_schema(responses={204: None}, parameters=[etags.IF_MATCH])
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Remove a tenant to which nobody and nothing belongs any more; `main` stays."""
        tenant = self.get_object()
        tenants.delete(tenant, by=self.actor, seen=etags.seen(request, tenant.revision))
        return Response(status=204)
