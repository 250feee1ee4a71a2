"""The shapes of devices in JSON."""

from typing import ClassVar

from rest_framework import serializers

from devices.models import Device, Status
from portal.rest import StrictSerializer, Text


class DeviceSerializer(serializers.ModelSerializer[Device]):
    """A device; times are RFC 3339 in UTC."""

    identity = serializers.DictField(source="introduction.members", help_text="What the device says it is.")
    identity_text = serializers.CharField(source="introduction.text", help_text="The identity as it was sent.")
    key = serializers.CharField(source="introduction.key", help_text="The public key as it was sent.")
    status = serializers.ChoiceField(choices=Status.choices, help_text="The state of the admission.")
    denied = serializers.BooleanField(source="is_denied")

    class Meta:
        model = Device
        fields: ClassVar = [
            "id", "status", "denied", "identity", "identity_text", "key", "fingerprint", "request_time", "last_seen",
            "decided_at", "decided_by", "denied_at", "denied_by", "denied_reason", "revision",
        ]  # fmt: skip
        read_only_fields = fields


class ReasonSerializer(StrictSerializer):
    """Why, in words that the history keeps."""

    reason = Text(max_length=500, required=False, allow_blank=True, default="")


class NewDeviceSerializer(StrictSerializer):
    """A device that is expected: let in when it proves this key."""

    identity = Text(max_length=8192, help_text="The identity: a text holding a JSON object of texts.")
    key = Text(max_length=16384, help_text="The device's PEM public key.")
