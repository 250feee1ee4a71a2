"""The shapes of devices in JSON."""

from typing import Any, ClassVar

from rest_framework import serializers

from devices import bulk
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


class FilterSerializer(StrictSerializer):
    """Which devices are meant, as the list would find them."""

    status = serializers.ChoiceField(choices=Status.choices, required=False, default="")
    q = Text(max_length=200, required=False, allow_blank=True, default="", help_text="As in the list.")


class DecisionsSerializer(StrictSerializer):
    """One decision on many devices: those named, or all that the filter finds when it is asked."""

    ids = serializers.ListField(child=Text(max_length=128), required=False, max_length=bulk.MOST)
    filter = FilterSerializer(required=False)
    decision = serializers.ChoiceField(choices=[(word, word) for word in bulk.DECISIONS])
    reason = Text(max_length=500, required=False, allow_blank=True, default="")

    def validate(self, attrs: Any) -> Any:
        if ("ids" in attrs) == ("filter" in attrs):
            raise serializers.ValidationError({"ids": ["Name devices by 'ids' or by 'filter', one of them."]})
        return attrs


class OutcomeSerializer(serializers.Serializer[bulk.Outcome]):
    """What became of one device."""

    id = serializers.CharField()
    status = serializers.CharField(help_text="Its status now, or `denied`; empty if there is no such device.")
    code = serializers.CharField(help_text="Why it was refused, for a program; empty if it was not.")
    error = serializers.CharField(help_text="The same as a sentence.")


class OutcomesSerializer(serializers.Serializer[Any]):
    outcomes = OutcomeSerializer(many=True)


class CountsSerializer(serializers.Serializer[Any]):
    """How many devices there are by status; `all` is all that are not denied."""

    pending = serializers.IntegerField()
    accepted = serializers.IntegerField()
    rejected = serializers.IntegerField()
    preauthorized = serializers.IntegerField()
    denied = serializers.IntegerField()
    all = serializers.IntegerField()


class NewDeviceSerializer(StrictSerializer):
    """A device that is expected: let in when it proves this key."""

    identity = Text(max_length=8192, help_text="The identity: a text holding a JSON object of texts.")
    key = Text(max_length=16384, help_text="The device's PEM public key.")
