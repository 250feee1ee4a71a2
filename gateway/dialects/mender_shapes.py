"""The shapes of Mender's admission API in JSON, and the examples of its document."""

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field
from rest_framework import serializers

from devices.models import Device, Introduction, Status

NEW_DEVICE: Mapping[str, str] = {
    "device_identity": '{"mac":"00:01:02:03:04:05", "sku":"My Device 1", "sn":"SN1234567890"}',
    "key": (
        "-----BEGIN PUBLIC KEY-----\n"
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAzogVU7RGDilbsoUt/DdH\n"
        "VJvcepl0A5+xzGQ50cq1VE/Dyyy8Zp0jzRXCnnu9nu395mAFSZGotZVr+sWEpO3c\n"
        "yC3VmXdBZmXmQdZqbdD/GuixJOYfqta2ytbIUPRXFN7/I7sgzxnXWBYXYmObYvdP\n"
        "okP0mQanY+WKxp7Q16pt1RoqoAd0kmV39g13rFl35muSHbSBoAW3GBF3gO+mF5Ty\n"
        "1ddp/XcgLOsmvNNjY+2HOD5F/RX0fs07mWnbD7x+xz7KEKjF+H7ZpkqCwmwCXaf0\n"
        "iyYyh1852rti3Afw4mDxuVSD7sd9ggvYMc0QHIpQNkD4YWOhNiE1AB0zH57VbUYG\n"
        "UwIDAQAB\n"
        "-----END PUBLIC KEY-----\n"
    ),
}
DEVICE: Mapping[str, Any] = {
    "id": "291ae0e5956c69c2267489213df4459d19ed48a806603def19d417d004a4b67e",
    **NEW_DEVICE,
    "status": "pending",
    "attributes": {"mac": "00:01:02:03:04:05", "sku": "My Device 1", "sn": "SN1234567890"},
    "request_time": "2016-10-03T16:58:51.639Z",
}
DEVICE_EXAMPLE = OpenApiExample("A device", value=DEVICE, response_only=True, status_codes=["200"])
NEW_DEVICE_EXAMPLE = OpenApiExample("A new device", value=NEW_DEVICE, request_only=True)
STATUS_EXAMPLE = OpenApiExample("Accepted", value={"status": "accepted"}, status_codes=["200"])


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
    }
)
class Attributes(serializers.ReadOnlyField):
    """The identity decoded: texts, and lists of texts where a device sent one."""


class MenderDeviceSerializer(serializers.Serializer[Device]):
    """A device as Mender's admission shows it. One that came with a certificate alone is its common name."""

    id = serializers.CharField(help_text="The device's id, opaque.")
    device_identity = serializers.CharField(help_text="The identity, exactly the text that was sent.")
    key = serializers.CharField(help_text="The public key, exactly the text that was sent.")
    status = serializers.ChoiceField(choices=Status.choices, help_text="The state of the admission.")
    attributes = Attributes(help_text="The identity decoded.")
    request_time = serializers.DateTimeField(help_text="When the device was last submitted, or first asked.")

    def to_representation(self, device: Device) -> dict[str, Any]:
        introduction: Introduction | None = getattr(device, "introduction", None)
        identity = introduction.named() if introduction else {}
        text = introduction.text if introduction else ""
        if not identity:
            identity = {"common_name": device.pk}
            text = json.dumps(identity, separators=(",", ":"))
        return {
            "id": device.pk,
            "device_identity": text,
            "key": introduction.key if introduction else "",
            "status": device.status,
            "attributes": identity,
            "request_time": f"{device.request_time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
        }


class MenderNewDeviceSerializer(serializers.Serializer[Any]):
    """A device for admission; other members are ignored."""

    device_identity = serializers.CharField(help_text="A text holding a JSON object of texts, at most 8,192 bytes.")
    key = serializers.CharField(help_text="The device's public key, at most 16,384 bytes.")


class MenderStatusSerializer(serializers.Serializer[Any]):
    """The status of an admission; `accepted` and `rejected` are what it can be set to."""

    status = serializers.ChoiceField(choices=Status.choices)
