"""The native REST endpoints about the certificates of the doors."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from gateway import certificate_installation, certificate_listing, certificates_examples, remote_nodes
from gateway.certificate_pem import Sent
from gateway.certificates_serializers import (
    DoorCertificateSerializer,
    InstalledSerializer,
    NewDoorCertificateSerializer,
)
from gateway.models import TlsCertificate
from gateway.nodes import LOCAL
from portal import etags
from portal.idempotency import IDEMPOTENCY_KEY, idempotent
from portal.openapi import answered, asked
from portal.rest import Endpoint, NoMembers
from portal.scopes import Scope


class DoorCertificateViewSet(Endpoint, viewsets.GenericViewSet[Any]):
    """The certificates of the TLS doors, without their keys."""

    queryset = TlsCertificate.objects.all()
    serializer_class = DoorCertificateSerializer
    lookup_value_regex = "[0-9]{1,18}"
    scopes: ClassVar = {
        "list": Scope.GATEWAY_READ,
        "retrieve": Scope.GATEWAY_READ,
        "create": Scope.GATEWAY_MANAGE,
        "destroy": Scope.GATEWAY_MANAGE,
    }

    def get_object(self) -> TlsCertificate:
        return certificate_installation.find(int(self.kwargs["pk"]))

    @extend_schema(
        responses={200: DoorCertificateSerializer(many=True)}, examples=[answered(certificates_examples.LISTED)]
    )
    def list(self, request: Request) -> Response:
        """List what every door shows, and what Gatehouse made for those that show an installed one."""
        page: Any = self.paginate_queryset(self.get_queryset())
        listed: Any = certificate_listing.several(page)
        return self.get_paginated_response(DoorCertificateSerializer(listed, many=True).data)

    @extend_schema(responses={200: DoorCertificateSerializer}, examples=[answered(certificates_examples.LISTED)])
    def retrieve(self, request: Request, pk: str) -> Response:
        """One certificate; `live` once the node of its door holds it."""
        return Response(DoorCertificateSerializer(certificate_listing.one(self.get_object())).data)

    @extend_schema(
        request=NewDoorCertificateSerializer,
        responses={201: InstalledSerializer},
        parameters=[IDEMPOTENCY_KEY, etags.LOCATION],
        examples=[asked(certificates_examples.NEW), answered(certificates_examples.INSTALLED)],
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Install a certificate at a TLS door, in place of the one installed before. It is live within 4 s.

        Nobody waits for that here: ask for it under `Location` to see `live`. The same pair again changes nothing.
        """
        wanted = NewDoorCertificateSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        sent = wanted.validated_data
        node = remote_nodes.door(sent.get("node", LOCAL))
        installed = certificate_installation.install(
            Sent(sent["certificate"], "The certificate"),
            Sent(sent["key"], "The key"),
            by=self.actor,
            node=node,
            any_name=sent.get("any_name", False),
        )
        headers = {"Location": f"/api/v1/certificates/{installed.pk}"}
        return Response(InstalledSerializer(installed).data, 201, headers=headers)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Remove an installed certificate and destroy its key; the door shows Gatehouse's own again."""
        NoMembers(data=request.data).is_valid(raise_exception=True)
        certificate_installation.remove(self.get_object(), by=self.actor)
        return Response(status=204)
