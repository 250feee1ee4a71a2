"""The native REST endpoints about apps, their versions, and whose data a version may open."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from portal import etags
from portal.idempotency import IDEMPOTENCY_KEY, idempotent
from portal.openapi import answered, asked
from portal.paging import Paging
from portal.rest import Endpoint, NoMembers
from portal.scopes import Scope
from tokens import apps_examples, registration, tenant_grants
from tokens.apps_serializers import (
    AppSerializer,
    DeclaredSerializer,
    GrantSerializer,
    NewAppSerializer,
    NewVersionSerializer,
    TenantNamedSerializer,
    VersionSerializer,
)
from tokens.models import App, AppVersion, TenantGrant


class ByName(Paging):
    ordering = "name"


class ByTenant(Paging):
    ordering = "tenant_id"


class AppViewSet(mixins.ListModelMixin, Endpoint, viewsets.GenericViewSet[App]):
    """The apps that are registered."""

    serializer_class = AppSerializer
    queryset = App.objects.registered()
    pagination_class = ByName
    lookup_field, lookup_url_kwarg, lookup_value_regex = "name", "app", registration.NAME
    scopes: ClassVar = {
        "list": Scope.APPS_READ,
        "retrieve": Scope.APPS_READ,
        "create": Scope.APPS_MANAGE,
        "destroy": Scope.APPS_MANAGE,
    }

    def get_object(self) -> App:
        return registration.find(self.kwargs["app"])

    @extend_schema(examples=[answered(apps_examples.APP)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List apps by name."""
        return super().list(request, *args, **kwargs)

    @extend_schema(parameters=[etags.IF_NONE_MATCH, etags.ETAG], examples=[answered(apps_examples.APP)])
    def retrieve(self, request: Request, app: str) -> Response:
        """One app."""
        found = self.get_object()
        return etags.answer(request, AppSerializer(found).data, found.pk)

    @extend_schema(
        request=NewAppSerializer,
        responses={201: AppSerializer},
        parameters=[IDEMPOTENCY_KEY, etags.LOCATION, etags.ETAG],
        examples=[asked(apps_examples.NEW_APP), answered(apps_examples.APP)],
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Register an app; its name stays."""
        wanted = NewAppSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        app = registration.register(**wanted.validated_data, by=self.actor)
        headers = {"Location": f"/api/v1/apps/{app.name}", "ETag": etags.of(app.pk)}
        return Response(AppSerializer(app).data, 201, headers=headers)

    @extend_schema(responses={204: None}, parameters=[etags.IF_MATCH])
    def destroy(self, request: Request, app: str) -> Response:
        """De-register an app with its versions: every credential and app token of it is revoked."""
        NoMembers(data=request.data).is_valid(raise_exception=True)
        found = self.get_object()
        etags.seen(request, found.pk)
        registration.deregister(found, by=self.actor)
        return Response(status=204)


class VersionViewSet(mixins.ListModelMixin, Endpoint, viewsets.GenericViewSet[AppVersion]):
    """The versions of an app that are registered."""

    serializer_class = VersionSerializer
    queryset = AppVersion.objects.registered()
    lookup_field = lookup_url_kwarg = "version"
    lookup_value_regex = registration.VERSION
    scopes: ClassVar = {
        "list": Scope.APPS_READ,
        "retrieve": Scope.APPS_READ,
        "create": Scope.APPS_MANAGE,
        "partial_update": Scope.APPS_MANAGE,
        "destroy": Scope.APPS_MANAGE,
        "transfer": Scope.APPS_MANAGE,
    }

    def get_queryset(self) -> QuerySet[AppVersion]:
        versions: QuerySet[AppVersion] = AppVersion.objects.registered().select_related("app")
        return versions.filter(app=registration.find(self.kwargs["app"]))

    def get_object(self) -> AppVersion:
        return _version(self.kwargs)

    def show(self, request: Request, version: AppVersion) -> Response:
        return etags.answer(request, VersionSerializer(version).data, version.revision)

    @extend_schema(examples=[answered(apps_examples.VERSION)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the versions of the app as they were added."""
        return super().list(request, *args, **kwargs)

    @extend_schema(parameters=[etags.IF_NONE_MATCH, etags.ETAG], examples=[answered(apps_examples.VERSION)])
    def retrieve(self, request: Request, app: str, version: str) -> Response:
        """One version of the app."""
        return self.show(request, self.get_object())

    @extend_schema(
        request=NewVersionSerializer,
        responses={201: VersionSerializer},
        parameters=[IDEMPOTENCY_KEY, etags.LOCATION, etags.ETAG],
        examples=[asked(apps_examples.NEW_VERSION), answered(apps_examples.VERSION)],
    )
    @idempotent
    def create(self, request: Request, app: str) -> Response:
        """Add a version with what it declares, which is fixed from then on."""
        wanted = NewVersionSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        added = registration.add_version(registration.find(app), **wanted.validated_data, by=self.actor)
        headers = {"Location": f"/api/v1/apps/{app}/versions/{added.version}", "ETag": etags.of(added.revision)}
        return Response(VersionSerializer(added).data, 201, headers=headers)

    @extend_schema(
        request=DeclaredSerializer,
        responses={200: VersionSerializer},
        parameters=[etags.ETAG],
        examples=[asked({}), answered(apps_examples.VERSION)],
    )
    def partial_update(self, request: Request, app: str, version: str) -> Response:
        """Nothing of a version can be changed: what it declares is fixed, and naming it is refused by name."""
        found = self.get_object()
        wanted = DeclaredSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        registration.refuse_change(found, wanted.validated_data)
        return self.show(request, found)

    @extend_schema(responses={204: None}, parameters=[etags.IF_MATCH])
    def destroy(self, request: Request, app: str, version: str) -> Response:
        """De-register a version: its credentials and app tokens are revoked with all that they have bought."""
        NoMembers(data=request.data).is_valid(raise_exception=True)
        found = self.get_object()
        registration.deregister_version(found, by=self.actor, seen=etags.seen(request, found.revision))
        return Response(status=204)

    @extend_schema(
        request=TenantNamedSerializer,
        responses={200: VersionSerializer},
        parameters=[etags.IF_MATCH, etags.ETAG],
        examples=[asked(apps_examples.TRANSFER), answered(apps_examples.TRANSFERRED)],
    )
    @action(detail=True, methods=["post"])
    def transfer(self, request: Request, app: str, version: str) -> Response:
        """Hand a version over to the tenant that operates it and issues its own credentials; those of dev end."""
        found = self.get_object()
        wanted = TenantNamedSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        seen = etags.seen(request, found.revision)
        with transaction.atomic():  # What cannot be shown must not be left behind.
            handed_over = registration.transfer(found, wanted.validated_data["tenant"], by=self.actor, seen=seen)
            return self.show(request, handed_over)


class GrantViewSet(mixins.ListModelMixin, Endpoint, viewsets.GenericViewSet[TenantGrant]):
    """The tenants whose data a version may open, beside the one that hosts it, once it is in operation."""

    serializer_class = GrantSerializer
    queryset = TenantGrant.objects.all()
    pagination_class = ByTenant
    lookup_url_kwarg, lookup_value_regex = "tenant", registration.NAME
    scopes: ClassVar = {"list": Scope.APPS_READ, "create": Scope.APPS_MANAGE, "destroy": Scope.APPS_MANAGE}

    def get_queryset(self) -> QuerySet[TenantGrant]:
        return TenantGrant.objects.filter(version=_version(self.kwargs))

    @extend_schema(examples=[answered(apps_examples.GRANT)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the grants of a version by tenant."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        request=TenantNamedSerializer,
        responses={201: GrantSerializer},
        parameters=[IDEMPOTENCY_KEY],
        examples=[asked(apps_examples.NEW_GRANT), answered(apps_examples.GRANT)],
    )
    @idempotent
    def create(self, request: Request, app: str, version: str) -> Response:
        """Let the version open the data of this tenant."""
        wanted = TenantNamedSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        given = tenant_grants.give(_version(self.kwargs), wanted.validated_data["tenant"], by=self.actor)
        return Response(GrantSerializer(given).data, 201)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, app: str, version: str, tenant: str) -> Response:
        """Close the data of this tenant; what the credentials of the version have bought is refused at once."""
        NoMembers(data=request.data).is_valid(raise_exception=True)
        tenant_grants.withdraw(_version(self.kwargs), tenant, by=self.actor)
        return Response(status=204)


def _version(named: dict[str, Any]) -> AppVersion:
    return registration.find_version(registration.find(named["app"]), named["version"])
