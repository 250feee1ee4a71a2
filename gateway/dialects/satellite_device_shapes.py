"""The shapes of the device gateway's API, and how its document tells of the certificate and the refusals."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from devices import check_in
from portal.failures import ErrorSerializer
from portal.openapi import ScopedSchema, answered, asked

CONFIG_EXAMPLE = answered(
    {"wireguard.conf": {"Value": "enabled=1", "Unencrypted": True, "OnChanged": ["/usr/bin/reload-wireguard"]}}
)
PEM = "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"
CERTIFICATE_EXAMPLE = answered(
    {
        "certificate": PEM,
        "ca": PEM,
        "serial": "5f0e8f2d6c1b4a398d7e6f5a4b3c2d1e",
        "fingerprint": "9f2c4be1a0d3c5f7988b6a5d4c3b2a190817263544536271809fa0b1c2d3e4f5",
        "not_before": "2026-11-25T08:00:00Z",
        "not_after": "2027-11-25T08:05:00Z",
    }
)
EVENT_EXAMPLE = asked(
    [
        {
            "id": "7e1c2a0e-58b5-4d0c-9a4b-0c9f7c3b8f11",
            "deviceTime": "2026-11-25T08:00:00Z",
            "event": {
                "correlationId": "2026-11-25-lmp-119",
                "ecu": "press-4",
                "success": True,
                "targetName": "intel-corei7-64-lmp-119",
                "version": "119",
            },
            "eventType": {"id": "EcuInstallationCompleted", "version": 0},
        }
    ]
)
STATES_EXAMPLE = asked(
    {
        "deviceTime": "2026-11-25T08:00:00Z",
        "ostree": "6b3e8f0d9c0a4f3f9f7d2f3bb5e2a1de4c86b1a7d0f2b9c35e6f1a2d3c4b5a69",
        "apps": {
            "historian": {
                "uri": "registry.example/historian@sha256:5f0e8f2d",
                "state": "healthy",
                "services": [
                    {
                        "name": "db",
                        "hash": "9f2c4be1",
                        "health": "healthy",
                        "image": "postgres:18",
                        "state": "running",
                        "status": "Up 2 hours",
                    }
                ],
            }
        },
    }
)

SAID = {
    "x-ats-target": "What the device runs. As of the others: if it is sent it replaces, empty clears, absent keeps.",
    "x-ats-tags": "The tags that it follows.",
    "x-ats-dockerapps": "The apps that it runs, separated by commas.",
    "x-ats-ostreehash": "The hash of its file system.",
}
TIME = "An RFC 3339 moment."
WAIT = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds until it is worth asking again."}}

REFUSALS = {
    "400": "A header or the body is wrong; `invalid` says which and why.",
    "403": "There is no certificate, it is not accepted, or the device is not let in; `code` says which of these.",
    "409": "The device's state, or that of the device CAs, does not allow this.",
    "411": "A body came without its length.",
    "413": "The body is over 100,000 bytes.",
    "429": "Too many devices wait already for this one to be taken down.",
    "503": "The database does not answer; nothing was changed.",
}


class DeviceErrorSerializer(ErrorSerializer):
    """The body of every answer that is not a success; the last three where the certificate names a device."""

    retry_after = serializers.IntegerField(required=False, help_text="Seconds until it is worth asking again.")
    device = serializers.CharField(required=False, help_text="The CN of the certificate.")
    fingerprint = serializers.CharField(
        required=False, help_text="SHA-256 of the key that was presented, to compare with the page."
    )


class DeviceSchema(ScopedSchema):
    """Operations that a client certificate opens, instead of a token with a scope."""

    @property
    def needs(self) -> str:
        return "A client certificate of a device CA is needed, and the device must be accepted."

    def error_serializer(self) -> Any:
        return DeviceErrorSerializer

    def get_override_parameters(self) -> list[Any]:
        said = [
            OpenApiParameter(name, str, OpenApiParameter.HEADER, description=SAID[name]) for name in check_in.HEADERS
        ]
        return [*super().get_override_parameters(), *said]

    def refusals(self, operation: dict[str, Any]) -> list[str]:
        of_bodies = {"411", "413"} if self.method in ("POST", "PUT") else set()
        of_certificates = {"409"} if self.path.endswith("/certificate") else set()
        return sorted({"400", "403", "429", "503"} | of_bodies | of_certificates)

    def _refused(self, status: str) -> Any:
        described = OpenApiResponse(DeviceErrorSerializer, REFUSALS[status])
        response = self._get_response_for_code(described, status)  # type: ignore[no-untyped-call]
        return response | ({"headers": WAIT} if status in ("403", "429", "503") else {})


class CertificateScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Mutual TLS, as OpenAPI 3.1 names it."""

    target_class = "gateway.dialects.satellite_device.CertificateAuthentication"
    name = "deviceCertificate"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "mutualTLS",
            "description": (
                "A certificate that a device CA of this installation has signed: exactly one CN, which is the device's "
                "id, and clientAuth as extended key usage."
            ),
        }


class SelfSerializer(serializers.Serializer[Any]):
    """The device that asks; texts are empty where nothing is known."""

    uuid = serializers.CharField(help_text="Its id, the CN of its certificate.")
    docker_apps = serializers.CharField(help_text="The apps that it said it runs, separated by commas.")
    group_name = serializers.CharField(help_text="Always empty: Gatehouse keeps no groups.")
    last_seen = serializers.IntegerField(help_text="Unix seconds.")
    ostree_hash = serializers.CharField()
    pubkey = serializers.CharField(help_text="Its public key as PEM.")
    target_name = serializers.CharField(help_text="What it said it runs.")
    tag = serializers.CharField()
    update_name = serializers.CharField(help_text="Always empty: Gatehouse deploys no updates.")


# Files by their names; the last two members only where they were set.
CONFIG_FILES: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "properties": {
            "Value": {"type": "string"},
            "Unencrypted": {"type": "boolean"},
            "OnChanged": {
                "type": "array",
                "items": {"type": "string"},
                "description": "The command to run after a change, and its arguments.",
            },
        },
        "required": ["Value"],
    },
}


class EventTypeSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="Such as `EcuDownloadStarted`.")
    version = serializers.IntegerField()


class EventBodySerializer(serializers.Serializer[Any]):
    correlationId = serializers.CharField(help_text="Which update this is a step of: 1 to 128 of A-Z a-z 0-9 _ and -.")
    ecu = serializers.CharField()
    success = serializers.BooleanField(required=False)
    targetName = serializers.CharField()
    version = serializers.CharField()
    details = serializers.CharField(required=False)


class EventSerializer(serializers.Serializer[Any]):
    """A step of an update."""

    id = serializers.CharField(max_length=128, help_text="Its own id; one that is known is not kept again.")
    deviceTime = serializers.CharField(help_text=TIME + " One that cannot be read becomes the time of receipt.")
    event = EventBodySerializer()
    eventType = EventTypeSerializer()


class AppServiceSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    hash = serializers.CharField()
    health = serializers.CharField(required=False)
    image = serializers.CharField()
    logs = serializers.CharField(required=False)
    state = serializers.CharField()
    status = serializers.CharField()


class AppStateSerializer(serializers.Serializer[Any]):
    uri = serializers.CharField()
    state = serializers.CharField()
    services = AppServiceSerializer(many=True)


class AppsStatesSerializer(serializers.Serializer[Any]):
    """All apps at a time."""

    deviceTime = serializers.CharField(help_text=TIME)
    ostree = serializers.CharField()
    apps = serializers.DictField(child=AppStateSerializer())


class NetworkSerializer(serializers.Serializer[Any]):
    hostname = serializers.CharField(required=False)
    mac = serializers.CharField(required=False)
    local_ipv4 = serializers.CharField(required=False)


class CertificateRequestSerializer(serializers.Serializer[Any]):
    csr = serializers.CharField(help_text="One PEM CERTIFICATE REQUEST whose only CN is the device's id.")
