"""The shapes in JSON of what app credentials and installations have in common: two secrets at most, and their verbs."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.rest import Flag, StrictSerializer, Text, WholeNumber
from portal.rfc3339 import written
from tokens import held_listing, overlap
from tokens.models import Holder, TokenState

SECRET_STATES = ("live", "expired", "ended")


class SecretSerializer(serializers.Serializer[Any]):
    """A secret, of which nothing is shown but its end."""

    id = serializers.CharField()
    hint = serializers.CharField(help_text="Its last four characters.")
    state = serializers.ChoiceField(choices=SECRET_STATES)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(help_text="When it is too old.")
    ends_at = serializers.DateTimeField(allow_null=True, help_text="When a rotation ends it before that.")
    last_used_at = serializers.DateTimeField(allow_null=True)
    last_used_from = serializers.CharField()


class OverlapSerializer(serializers.Serializer[Any]):
    """Whether two secrets are live."""

    open = serializers.BooleanField()
    ends_at = serializers.DateTimeField(allow_null=True, help_text="When the older of the two ends.")


class HolderSerializer(serializers.Serializer[Any]):
    """What holds secrets, without any of them."""

    owner = serializers.SerializerMethodField(help_text="Who hears of its end; null once nobody active would.")
    state = serializers.ChoiceField(choices=TokenState.choices)
    expires_at = serializers.DateTimeField(help_text="When the last of its secrets ends.")
    rotation = serializers.SerializerMethodField()
    secrets = serializers.SerializerMethodField(
        help_text=f"The newest first, at most {held_listing.MOST}: those that stand, then those that ended last."
    )

    def get_owner(self, holder: Holder) -> str | None:
        return holder.owner.username if holder.owner and holder.owner.is_active else None

    @extend_schema_field(OverlapSerializer)
    def get_rotation(self, holder: Holder) -> dict[str, Any]:
        living = holder.living()
        is_open = len(living) == 2
        return {"open": is_open, "ends_at": written(living[0].end) if is_open else None}

    @extend_schema_field(SecretSerializer(many=True))
    def get_secrets(self, holder: Holder) -> Any:
        return SecretSerializer(held_listing.worth_showing(holder), many=True).data


class SecretRotationSerializer(StrictSerializer):
    """How long the old secret goes on, and how long the new one lives."""

    grace_hours = WholeNumber(
        min_value=0,
        max_value=overlap.LONGEST_GRACE_HOURS,
        required=False,
        default=overlap.GRACE_HOURS,
        help_text="How long the old secret goes on, never beyond its own expiry; 0 ends it at once.",
    )
    days = WholeNumber(min_value=1, required=False, help_text="How long the new secret lives; left out, the most.")
    force = Flag(required=False, default=False, help_text="Of two that live, end the older at once.")
    end_tokens = Flag(required=False, default=False, help_text="Also end what the old secret has bought.")
    reason = Text(max_length=500, required=False, allow_blank=True, default="")


class ConfirmSerializer(StrictSerializer):
    """Whether a secret that is in use may stop."""

    confirm = Flag(required=False, default=False)


class NeededReasonSerializer(StrictSerializer):
    """Why, in words that the history keeps."""

    reason = Text(max_length=500)
