"""The native REST endpoints about apps on devices."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from portal import etags
from portal.idempotency import IDEMPOTENCY_KEY, idempotent
from portal.openapi import answered, asked
from portal.parameters import Line
from portal.scopes import Scope
from tokens import device_files, held_listing, installations_examples, installing, owners, registration
from tokens.held_rest import EXPIRES_WITHIN, STATE, HolderViewSet, documented
from tokens.installations_serializers import (
    InstallationSerializer,
    InstalledVersionSerializer,
    NewInstallationSerializer,
    ShownAppTokenSerializer,
)
from tokens.models import App, InstalledApp
from tokens.overlap import Rotated

DEVICE = Line(name="device", description="Only the one on the device with this id.", most=128)
VERSION = Line(name="version", description="Only those of this version.", most=30)
FILTERS = ("state", "expires_within", "device", "version")


@documented(
    InstallationSerializer, ShownAppTokenSerializer, installations_examples.INSTALLATION, installations_examples
)
class InstallationViewSet(HolderViewSet):
    """Where an app is installed, one version on one device; the soonest expiry comes first."""

    serializer_class = InstallationSerializer
    queryset = InstalledApp.objects.all()
    lookup_value_regex = installing.ID
    scopes: ClassVar = {
        "list": Scope.APPS_READ,
        "retrieve": Scope.APPS_READ,
        "create": Scope.APPS_MANAGE,
        "partial_update": Scope.APPS_MANAGE,
        "destroy": Scope.APPS_MANAGE,
        "rotate": Scope.APPS_MANAGE,
        "end_overlap": Scope.APPS_MANAGE,
        "cancel_rotation": Scope.APPS_MANAGE,
        "disable": Scope.APPS_MANAGE,
        "enable": Scope.APPS_MANAGE,
        "revoke": Scope.APPS_MANAGE,
    }
    reads: ClassVar = {"list": (STATE, EXPIRES_WITHIN, DEVICE, VERSION)}

    @property
    def app(self) -> App:
        return registration.find(self.kwargs["app"])

    def get_queryset(self) -> QuerySet[InstalledApp]:
        filters = {name: self.wanted[name] for name in FILTERS if name in self.wanted}
        return held_listing.installations(self.app, **filters)

    def get_object(self) -> InstalledApp:
        return installing.find(self.app, self.kwargs["pk"])

    def with_secret(self, rotated: Rotated) -> Mapping[str, Any]:
        installed: InstalledApp = rotated.holder
        shape = {
            "id": installed.pk,
            "app": installed.app.name,
            "version": installed.version.version,
            "device": installed.on,
            "expires_at": installed.expires_at,
            "app_token": rotated.text,
            "apptoken_file": installing.token_file(rotated.text),
            "certsips_file": device_files.certsips(),
        }
        return ShownAppTokenSerializer(shape).data

    @extend_schema(
        request=NewInstallationSerializer,
        responses={201: ShownAppTokenSerializer},
        parameters=[IDEMPOTENCY_KEY, etags.LOCATION, etags.ETAG],
        examples=[asked(installations_examples.NEW), answered(installations_examples.ISSUED)],
    )
    @idempotent
    def create(self, request: Request, **named: str) -> Response:
        """Install a version on an accepted device; the app token is shown this once, with the files for the app."""
        wanted = NewInstallationSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        facts, app = wanted.validated_data, self.app
        version = registration.find_version(app, facts["version"])
        owner = owners.named(facts["owner"]) if "owner" in facts else owners.behind(self.actor)
        with transaction.atomic():  # What cannot be shown must not be left behind.
            made = installing.install(version, facts["device"], by=self.actor, owner=owner, days=facts.get("days"))
            return self.show_once(made, Location=f"/api/v1/apps/{app.name}/installations/{made.holder.pk}")

    @extend_schema(
        request=InstalledVersionSerializer,
        responses={200: InstallationSerializer},
        parameters=[etags.IF_MATCH, etags.ETAG],
        examples=[asked(installations_examples.CHANGE), answered(installations_examples.CHANGED)],
    )
    def partial_update(self, request: Request, **named: str) -> Response:
        """Put another version in its place; the token stays.

        Features count from the next request on, scopes from the next access token on.
        """
        return self.apply(request, self.change_version, InstalledVersionSerializer)

    def change_version(self, installed: InstalledApp, *, version: str, **how: Any) -> None:
        installing.change_version(installed, registration.find_version(installed.app, version), **how)
