"""The native REST endpoint of the file `certsips.json`."""

from typing import ClassVar

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, inline_serializer
from rest_framework.fields import CharField
from rest_framework.request import Request
from rest_framework.response import Response

from gateway import certsips
from gateway.certsips import AUTH_API_PATH, SECURE_STORAGE_API_PATH, SERVICE_NAME, NameNotCovered
from portal.failures import ErrorSerializer
from portal.openapi import REQUEST_ID, answered
from portal.rest import Endpoint
from portal.scopes import Scope
from tokens import installing, registration

BASE64 = "Base64 of PEM text."
EXAMPLE = {
    "auth-api-path": AUTH_API_PATH,
    "cert-chain": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUI4RENDQVpXZ0F3SUJBZ0lRZjRwY2hsWmlo",
    "edge-certificates": {
        "certificate-chain": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJuVENDQVVLZ0F3SUJBZ0lGTHgw",
        "service-name": SERVICE_NAME,
    },
    "edge-ips": "192.168.0.150,10.0.0.4",
    "secure-storage-api-path": SECURE_STORAGE_API_PATH,
}
TRUSTED = inline_serializer(
    "CertsipsEdgeCertificates",
    {
        "certificate-chain": CharField(help_text=f"{BASE64} What apps on the device trust, and nothing else."),
        "service-name": CharField(help_text="The name that they call."),
    },
)
SHAPE = inline_serializer(
    "Certsips",
    {
        "auth-api-path": CharField(help_text="Without a slash in front; joined behind `/device/edge/`."),
        "cert-chain": CharField(help_text=f"{BASE64} What the TLS door shows, for clients elsewhere."),
        "edge-certificates": TRUSTED,
        "edge-ips": CharField(help_text="The addresses in the certificate, separated by commas."),
        "secure-storage-api-path": CharField(help_text="Not served here; apps expect it in the file."),
    },
)
REFUSED = {"error": str(NameNotCovered()), "code": NameNotCovered.code, "request_id": REQUEST_ID}
NOT_COVERED = OpenApiResponse(
    ErrorSerializer, "Apps would not trust the certificate of the TLS door.", [OpenApiExample("Refusal", REFUSED)]
)


class CertsipsView(Endpoint):
    """A file for an app on a device."""

    scopes: ClassVar = {"get": Scope.APPS_READ}

    @extend_schema(
        operation_id="apps_installations_certsips",
        responses={200: SHAPE, 409: NOT_COVERED},
        examples=[answered(EXAMPLE, status_codes=["200"])],
    )
    def get(self, request: Request, app: str, id: str) -> Response:
        """The file `certsips.json` for an installation, made anew at each call; after a new certificate it is stale."""
        installing.find(registration.find(app), id)
        return Response(certsips.content(), headers={"Cache-Control": "no-store"})
