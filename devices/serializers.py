"""The shapes of devices in JSON."""

from typing import Any, ClassVar

from django.core.validators import RegexValidator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from devices import bulk, filters, preauthorisation
from devices.models import ID, Device, KeyChange, KeyChangeRequest, Status
from portal.parameters import Parameter, Word
from portal.rest import StrictSerializer, Text
from portal.rfc3339 import written


class DeviceSerializer(serializers.ModelSerializer[Device]):
    """A device; times are RFC 3339 in UTC."""

    identity = serializers.DictField(source="introduction.named", help_text="What the device says it is.")
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

    def to_representation(self, device: Device) -> dict[str, Any]:
        """What the fields say, written out: asking each of them for each device took most of the time of a list."""
        said = getattr(device, "introduction", None)
        return {
            "id": device.pk,
            "status": device.status,
            "denied": device.is_denied,
            "identity": said.named() if said else {},
            "identity_text": said.text if said else "",
            "key": said.key if said else "",
            "fingerprint": device.fingerprint,
            "request_time": written(device.request_time),
            "last_seen": written(device.last_seen),
            "decided_at": written(device.decided_at),
            "decided_by": device.decided_by,
            "denied_at": written(device.denied_at),
            "denied_by": device.denied_by,
            "denied_reason": device.denied_reason,
            "revision": device.revision,
        }


class KeyChangeSerializer(serializers.ModelSerializer[KeyChangeRequest]):
    """A known device that came with another key; the present one goes on until somebody decides."""

    device = serializers.CharField(source="device_id", help_text="The id of the device.")
    proven = serializers.BooleanField(help_text="Whether it was asked for by means of the present key.")
    state = serializers.ChoiceField(choices=KeyChange.choices)

    class Meta:
        model = KeyChangeRequest
        fields: ClassVar = [
            "id", "device", "present_fingerprint", "new_fingerprint", "seen_at", "seen_from", "proven", "state",
            "decided_at", "decided_by",
        ]  # fmt: skip
        read_only_fields = fields


def _said_by(parameter: Parameter) -> type[Text]:
    """The field of a text that the parameter reads, with its shape; one list of words must not become two enums."""
    shape = {name: value for name, value in parameter.shape().items() if name != "enum"}
    return extend_schema_field(shape)(type("Said", (Text,), {}))


def _description(parameter: Parameter) -> str:
    words = f" One of {', '.join(parameter.words)}." if isinstance(parameter, Word) else ""
    return parameter.description + words


class FilterSerializer(StrictSerializer):
    """Which devices are meant: the filters of the list of devices, by the same names."""

    def get_fields(self) -> dict[str, Any]:
        return {
            each.name: _said_by(each)(required=False, allow_blank=True, help_text=_description(each))
            for each in filters.FILTERS
        }

    def to_internal_value(self, data: Any) -> Any:
        sent = super().to_internal_value(data)
        read = {each.name: each.read(sent[each.name]) for each in filters.FILTERS if each.name in sent}
        return {name: value for name, value in read.items() if value is not None}


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


class LineOutcomeSerializer(serializers.Serializer[preauthorisation.Outcome]):
    """What became of a line of a list."""

    line = serializers.IntegerField(help_text="The line of the file that it begins in; the first row is line 1.")
    id = serializers.CharField(help_text="The id of the device; empty if the line says none.")
    status = serializers.CharField(help_text="`preauthorized`, `ready` in a dry run, or `refused`.")
    code = serializers.CharField(help_text="Why it was refused, for a program; empty if it was not.")
    error = serializers.CharField(help_text="The same as a sentence.")


class LineOutcomesSerializer(serializers.Serializer[Any]):
    outcomes = LineOutcomeSerializer(many=True)


class CountsSerializer(serializers.Serializer[Any]):
    """How many devices there are by status; `all` is all that are not denied."""

    pending = serializers.IntegerField()
    accepted = serializers.IntegerField()
    rejected = serializers.IntegerField()
    preauthorized = serializers.IntegerField()
    denied = serializers.IntegerField()
    all = serializers.IntegerField()


class NewDeviceSerializer(StrictSerializer):
    """A device that is expected: let in when it proves this key. Send `identity` or `id`, one of them."""

    identity = Text(
        max_length=8192, required=False, help_text="The identity: a text holding a JSON object of texts; makes the id."
    )
    id = Text(
        max_length=128,
        required=False,
        validators=[RegexValidator(rf"\A{ID}\Z", "An id is 1 to 128 of A-Z a-z 0-9 _ : -.")],
        help_text="The id of a device that has no identity: the CN of the certificate that it will come with.",
    )
    key = Text(max_length=16384, help_text="The device's PEM public key.")

    def validate(self, attrs: Any) -> Any:
        if ("identity" in attrs) == ("id" in attrs):
            raise serializers.ValidationError({"identity": ["Send 'identity' or 'id', one of them."]})
        return attrs
