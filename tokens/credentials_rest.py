"""The native REST endpoints about app credentials."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from portal import etags
from portal.failures import ErrorSerializer
from portal.idempotency import IDEMPOTENCY_KEY, idempotent
from portal.openapi import answered, asked
from portal.parameters import Line
from portal.scopes import Scope
from tokens import credentials, credentials_examples, held_listing, owners, registration
from tokens.credentials_serializers import (
    CredentialSerializer,
    NewCredentialSerializer,
    OwnerSerializer,
    ShownCredentialSerializer,
)
from tokens.held_rest import EXPIRES_WITHIN, STATE, HolderViewSet, documented
from tokens.models import AppCredential
from tokens.overlap import Rotated

APP = Line(name="app", description="Only those of the app with this name.", most=20)
OWNER = Line(name="owner", description="Only those of the person with this name.", most=150)
PART = Line(name="q", description="Part of a client id, or an id.", most=100)
FILTERS = ("state", "expires_within", "app", "owner", "q")
NO_VERSION = OpenApiResponse(
    ErrorSerializer,
    "There is no such app or version.",
    [OpenApiExample("Refusal", credentials_examples.NO_VERSION)],
)


@documented(CredentialSerializer, ShownCredentialSerializer, credentials_examples.CREDENTIAL, credentials_examples)
class CredentialViewSet(HolderViewSet):
    """What instances of app versions show to buy access tokens; the soonest expiry comes first."""

    serializer_class = CredentialSerializer
    queryset = AppCredential.objects.all()
    lookup_value_regex = "[a-z0-9]{12}"
    scopes: ClassVar = {
        "list": Scope.CREDENTIALS_READ,
        "retrieve": Scope.CREDENTIALS_READ,
        "create": Scope.CREDENTIALS_MANAGE,
        "partial_update": Scope.CREDENTIALS_MANAGE,
        "destroy": Scope.CREDENTIALS_MANAGE,
        "rotate": Scope.CREDENTIALS_MANAGE,
        "end_overlap": Scope.CREDENTIALS_MANAGE,
        "cancel_rotation": Scope.CREDENTIALS_MANAGE,
        "disable": Scope.CREDENTIALS_MANAGE,
        "enable": Scope.CREDENTIALS_MANAGE,
        "revoke": Scope.CREDENTIALS_MANAGE,
    }
    reads: ClassVar = {"list": (STATE, EXPIRES_WITHIN, APP, OWNER, PART)}

    def get_queryset(self) -> QuerySet[AppCredential]:
        filters = {name: self.wanted[name] for name in FILTERS if name in self.wanted}
        return held_listing.credentials(**filters)

    def get_object(self) -> AppCredential:
        return credentials.find(self.kwargs["pk"])

    def with_secret(self, rotated: Rotated) -> Mapping[str, Any]:
        pair = f"{rotated.holder.client_id}:{rotated.text}"
        key = f"Bearer {b64encode(pair.encode()).decode()}"
        return {**CredentialSerializer(rotated.holder).data, "secret": rotated.text, "x_space_auth_key": key}

    @extend_schema(
        request=NewCredentialSerializer,
        responses={201: ShownCredentialSerializer, 404: NO_VERSION},
        parameters=[IDEMPOTENCY_KEY, etags.LOCATION, etags.ETAG],
        examples=[asked(credentials_examples.NEW), answered(credentials_examples.ISSUED)],
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Issue credentials for an instance of a version, which may have one set; the secret is shown this once."""
        wanted = NewCredentialSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        facts = wanted.validated_data
        version = registration.find_version(registration.find(facts.pop("app")), facts.pop("version"))
        owner = owners.chosen(facts.pop("owner", None), by=self.actor)
        with transaction.atomic():  # What cannot be shown must not be left behind.
            issued = credentials.issue(version, by=self.actor, owner=owner, **facts)
            return self.show_once(issued, Location=f"/api/v1/credentials/{issued.holder.pk}")

    @extend_schema(
        request=OwnerSerializer,
        responses={200: CredentialSerializer},
        parameters=[etags.IF_MATCH, etags.ETAG],
        examples=[asked(credentials_examples.OWNER), answered(credentials_examples.HANDED_OVER)],
    )
    def partial_update(self, request: Request, **named: str) -> Response:
        """Hand it over to another person, who hears when the secret expires."""
        return self.apply(request, self.hand_over, OwnerSerializer)

    def hand_over(self, credential: AppCredential, *, owner: str, **how: Any) -> None:
        credentials.hand_over(credential, owner=owners.named(owner), **how)
