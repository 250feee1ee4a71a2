"""The native REST endpoints about device CAs, and about the certificates that they sign."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from gateway import device_cas, device_certificates, examples
from gateway.ca_certificates import CACertificate
from gateway.models import DeviceCA, IssuedCertificate
from gateway.serializers import (
    DeviceCASerializer,
    IssuedCertificateSerializer,
    NewCertificateSerializer,
    NewDeviceCASerializer,
    SignedSerializer,
    signed,
)
from portal import etags
from portal.idempotency import IDEMPOTENCY_KEY, idempotent, idempotent_after
from portal.openapi import answered, asked
from portal.paging import LatestFirst, Paging
from portal.rest import Endpoint, NoMembers
from portal.scopes import Scope


class ByName(Paging):
    ordering = "name"


def _judged(view: Endpoint, request: Request) -> dict[str, Any]:
    """The name of a new CA, and its certificate unless it is to be made here."""
    wanted = NewDeviceCASerializer(data=request.data)
    wanted.is_valid(raise_exception=True)
    name, pem = wanted.validated_data["name"], wanted.validated_data.get("certificate")
    return {"name": name, "certificate": None if pem is None else device_cas.judge(name, pem)}


class DeviceCAViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Endpoint, viewsets.GenericViewSet[DeviceCA]):
    """The CAs whose certificates open the device door."""

    queryset = DeviceCA.objects.all()
    serializer_class = DeviceCASerializer
    pagination_class = ByName
    lookup_field = "name"
    lookup_value_regex = device_cas.NAME
    scopes: ClassVar = {
        "list": Scope.GATEWAY_READ,
        "retrieve": Scope.GATEWAY_READ,
        "certificates": Scope.GATEWAY_READ,
        "create": Scope.GATEWAY_MANAGE,
        "destroy": Scope.GATEWAY_MANAGE,
    }
    paged: ClassVar = ("list", "certificates")

    def get_object(self) -> DeviceCA:
        return device_cas.find(self.kwargs["name"])

    @extend_schema(examples=[answered(examples.DEVICE_CA)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the device CAs by name, those that have ended too."""
        return super().list(request, *args, **kwargs)

    @extend_schema(parameters=[etags.IF_NONE_MATCH, etags.ETAG], examples=[answered(examples.DEVICE_CA)])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One device CA, with an ETag for `If-Match`."""
        ca = self.get_object()
        # None is ever changed, but another may come under its name.
        return etags.answer(request, DeviceCASerializer(ca).data, ca.pk)

    @extend_schema(
        request=NewDeviceCASerializer,
        responses={201: DeviceCASerializer},
        parameters=[IDEMPOTENCY_KEY, etags.LOCATION, etags.ETAG],
        examples=[
            asked(examples.NEW_CA, "A CA of others"),
            asked(examples.NEW_CA_HERE, "A CA made here"),
            answered(examples.DEVICE_CA),
        ],
    )
    @idempotent_after(_judged)
    def create(self, request: Request, name: str, certificate: CACertificate | None) -> Response:
        """Trust a CA of others; without a certificate, make a CA whose key stays here and which signs from now on.

        It is live at the doors within two seconds.
        """
        by = self.actor
        ca = device_cas.trust(name, certificate, by=by) if certificate else device_cas.make(name, by=by)
        headers = {"Location": f"/api/v1/device-cas/{ca.name}", "ETag": etags.of(ca.pk)}
        return Response(DeviceCASerializer(ca).data, 201, headers=headers)

    @extend_schema(responses={204: None}, parameters=[etags.IF_MATCH])
    def destroy(self, request: Request, name: str) -> Response:
        """Withdraw a CA, and destroy its key if it is here; whatever it signed is refused at the door from now on."""
        NoMembers(data=request.data).is_valid(raise_exception=True)
        ca = self.get_object()
        etags.seen(request, ca.pk)
        device_cas.withdraw(ca, by=self.actor)
        return Response(status=204)

    @extend_schema(responses={200: IssuedCertificateSerializer(many=True)}, examples=[answered(examples.ISSUED)])
    @action(detail=True, methods=["get"], pagination_class=LatestFirst)
    def certificates(self, request: Request, name: str) -> Response:
        """What the CA has signed here, the latest first."""
        page: Any = self.paginate_queryset(device_certificates.issued_by(self.get_object()))  # type: ignore[arg-type]
        return self.get_paginated_response(IssuedCertificateSerializer(page, many=True).data)


class CertificateView(Endpoint):
    """A certificate for a device."""

    scopes: ClassVar = {"post": Scope.DEVICES_ENROL}

    @extend_schema(
        request=NewCertificateSerializer,
        responses={201: SignedSerializer},
        parameters=[IDEMPOTENCY_KEY],
        examples=[asked(examples.REQUEST), answered(examples.SIGNED)],
    )
    @idempotent
    def post(self, request: Request, id: str) -> Response:
        """Sign a certificate, which says who the device is; whether it may enter, its admission says.

        The device need not be known, and none is created or changed. One that is denied gets no certificate.
        """
        wanted = NewCertificateSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        certificate = device_certificates.sign(id, **wanted.validated_data, by=self.actor)
        return Response(signed(certificate), 201)


class CertificatesViewSet(mixins.ListModelMixin, Endpoint, viewsets.GenericViewSet[IssuedCertificate]):
    """The certificates that a device was given."""

    queryset = IssuedCertificate.objects.none()
    serializer_class = IssuedCertificateSerializer
    pagination_class = LatestFirst
    scopes: ClassVar = {"list": Scope.DEVICES_READ}

    def get_queryset(self) -> QuerySet[IssuedCertificate]:
        return device_certificates.issued_to(self.kwargs["id"])

    @extend_schema(examples=[answered(examples.ISSUED)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List what was signed here in the name of a device, the latest first; also of one that is not known."""
        return super().list(request, *args, **kwargs)
