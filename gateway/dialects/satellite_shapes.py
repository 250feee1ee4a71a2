"""The shapes of devices in the Satellite dialect; no member is ever null."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field
from rest_framework import serializers

from devices.models import Device

DEVICE = {
    "uuid": "3a9c1f6e-5a0b-4d3e-9f43-6a1c2f0b7d55",
    "created-at": 1763805600,
    "last-seen": 1763892000,
    "target": "intel-corei7-64-lmp-118",
    "tag": "main",
    "labels": {"line": "press 4", "serial": "SN1234567890"},
    "admission": "accepted",
}
DETAIL = {
    **DEVICE,
    "apps": ["edge-agent", "historian"],
    "ostree-hash": "6b3e8f0d9c0a4f3f9f7d2f3bb5e2a1de4c86b1a7d0f2b9c35e6f1a2d3c4b5a69",
    "pubkey": "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
    "-----END PUBLIC KEY-----\n",
    "update-name": "",
    "aktualizr-toml": '[tls]\nserver = "https://gatehouse.example:8444"\n',
    "hardware-info": '{"id":"press-4","class":"system"}',
    "network-info": '{"hostname":"press-4","mac":"00:01:02:03:04:05","local_ipv4":"10.1.2.3"}',
}
DEVICE_EXAMPLE = OpenApiExample("A device", value=DEVICE, response_only=True, status_codes=["200"])
DETAIL_EXAMPLE = OpenApiExample("A device", value=DETAIL, response_only=True, status_codes=["200"])
DENIED_EXAMPLE = OpenApiExample(
    "Two devices", value=["3a9c1f6e-5a0b-4d3e-9f43-6a1c2f0b7d55", "press-4"], response_only=True, status_codes=["200"]
)


@extend_schema_field({"$ref": "#/components/schemas/StatusEnum"})
class Admission(serializers.CharField):
    """One status is called by two names in JSON; in the document it is one thing."""


class SatelliteDeviceSerializer(serializers.Serializer[Device]):
    """A device as lists show it; times are Unix seconds."""

    def get_fields(self) -> dict[str, Any]:
        """Named here because no attribute of a class is called `created-at`."""
        return {
            "uuid": serializers.CharField(help_text="The device's id, any text."),
            "created-at": serializers.IntegerField(help_text="When its admission was requested."),
            "last-seen": serializers.IntegerField(help_text="Its last contact; 0 if there was none."),
            "target": serializers.CharField(help_text="What it said it runs; empty if it never said."),
            "tag": serializers.CharField(help_text="The tag that it said it follows."),
            "labels": serializers.DictField(
                child=serializers.CharField(), help_text="The members of its identity that are texts."
            ),
            "admission": Admission(help_text="The state of its admission."),
        }

    def to_representation(self, device: Device) -> dict[str, Any]:
        introduction, check_in = getattr(device, "introduction", None), getattr(device, "check_in", None)
        return {
            "uuid": device.pk,
            "created-at": int(device.request_time.timestamp()),
            "last-seen": int(device.last_seen.timestamp()) if device.last_seen else 0,
            "target": check_in.target if check_in else "",
            "tag": check_in.tag if check_in else "",
            "labels": introduction.labels() if introduction else {},
            "admission": device.status,
        }


class SatelliteDeviceDetailSerializer(SatelliteDeviceSerializer):
    """A device with what it uploaded; each text as it was sent, empty if it sent none."""

    def get_fields(self) -> dict[str, Any]:
        return {
            **super().get_fields(),
            "apps": serializers.ListField(child=serializers.CharField(), help_text="The apps that it said it runs."),
            "ostree-hash": serializers.CharField(),
            "pubkey": serializers.CharField(help_text="Its public key as PEM."),
            "update-name": serializers.CharField(help_text="Always empty: Gatehouse deploys no updates."),
            "aktualizr-toml": serializers.CharField(),
            "hardware-info": serializers.CharField(),
            "network-info": serializers.CharField(),
        }

    def to_representation(self, device: Device) -> dict[str, Any]:
        introduction, check_in = getattr(device, "introduction", None), getattr(device, "check_in", None)
        uploaded = getattr(device, "system_info", None)
        apps = check_in.apps.split(",") if check_in else []
        return {
            **super().to_representation(device),
            "apps": [app.strip() for app in apps if app.strip()],
            "ostree-hash": check_in.ostree_hash if check_in else "",
            "pubkey": introduction.key if introduction else "",
            "update-name": "",
            "aktualizr-toml": uploaded.config if uploaded else "",
            "hardware-info": uploaded.hardware if uploaded else "",
            "network-info": uploaded.network if uploaded else "",
        }
