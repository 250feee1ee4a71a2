"""The shapes of enrolment rules in JSON."""

from typing import Any, ClassVar

from rest_framework import serializers

from devices import rules
from devices.models import EnrolmentRule, Verdict
from portal.rest import Flag, StrictSerializer, Text, When, WholeNumber

CONDITIONS = {
    "ca": "The SHA-256 of a device CA's certificate: the device comes with a certificate of this CA.",
    "attribute": "A member of the identity, whose value fits `pattern`; if it is a list, any of its values.",
    "pattern": "The whole value with its case; `*` is any text and `?` any one character.",
    "range_of": "The member of the identity that lies in the range; if empty, the id of the device does.",
    "first": "The first of a range, with a number in it such as SN0001.",
    "last": "The last of it: the same but for the number, as SN0999.",
}


class RuleSerializer(serializers.ModelSerializer[EnrolmentRule]):
    """A rule that decides on devices; times are RFC 3339 in UTC."""

    verdict = serializers.ChoiceField(choices=Verdict.choices)
    enabled = serializers.BooleanField(source="is_enabled")
    used = serializers.IntegerField(help_text="How many devices it has decided on.")

    class Meta:
        model = EnrolmentRule
        fields: ClassVar = [
            "id", "name", "verdict", "enabled", *CONDITIONS, "starts_at", "ends_at", "most", "used", "revision",
            "created_at", "created_by",
        ]  # fmt: skip
        read_only_fields = fields


class ConditionsSerializer(StrictSerializer):
    """What a rule asks of a device; what is left out or empty is not asked."""

    def get_fields(self) -> dict[str, Any]:
        longest = {"ca": 64, **rules.LONGEST}
        return {
            name: Text(max_length=longest[name], required=False, allow_blank=True, help_text=words)
            for name, words in CONDITIONS.items()
        }


class NewRuleSerializer(ConditionsSerializer):
    """A rule to be made, or what to change of one."""

    name = Text(max_length=64)
    verdict = serializers.ChoiceField(choices=Verdict.choices)
    enabled = Flag(source="is_enabled", required=False, help_text="Whether it decides; a new rule does at once.")
    starts_at = When(required=False, allow_null=True, help_text="It decides from this moment on.")
    ends_at = When(required=False, allow_null=True, help_text="It decides before this moment.")
    most = WholeNumber(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=rules.MOST_DEVICES,
        help_text="How many devices it decides on; null for any number.",
    )
    fits_every_device = Flag(required=False, help_text="Confirms a rule without conditions, which fits every device.")
    reason = Text(max_length=500, required=False, allow_blank=True)

    def get_fields(self) -> dict[str, Any]:
        own = serializers.Serializer.get_fields(self)
        return {"name": own.pop("name"), "verdict": own.pop("verdict"), **super().get_fields(), **own}


class ExampleSerializer(serializers.Serializer[Any]):
    """A device that fits."""

    id = serializers.CharField()
    status = serializers.CharField(help_text="Its status, or `denied`.")
    identity = serializers.DictField(help_text="What the device says it is.")


class PreviewSerializer(serializers.Serializer[Any]):
    """What a rule would have matched, whatever was decided about the devices."""

    looked_at = serializers.IntegerField(help_text="How many devices were looked at: at most the newest 10,000.")
    matched = serializers.IntegerField(help_text="How many of them meet the conditions.")
    waiting = serializers.IntegerField(help_text="How many of these wait for a decision.")
    examples = ExampleSerializer(many=True, help_text="The newest 50 of those that meet them.")
