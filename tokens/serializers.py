"""The shapes of API tokens in JSON."""

from typing import ClassVar

from rest_framework import serializers

from portal.rest import StrictSerializer, Text, WholeNumber
from portal.scope_field import ScopesField
from tokens import rotation
from tokens.models import ApiToken, TokenState


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    """An API token without its secret."""

    owner = serializers.CharField(source="owner.username")
    scopes = serializers.ListField(child=serializers.CharField())
    addresses = serializers.ListField(child=serializers.CharField(), help_text="Where it may come from; [] is all.")
    replaces = serializers.CharField(source="replaces_id", allow_null=True, help_text="The token it was rotated from.")
    replaced_by = serializers.SerializerMethodField(help_text="The token that was rotated from it, or null.")
    state = serializers.ChoiceField(choices=TokenState.choices)

    class Meta:
        model = ApiToken
        fields: ClassVar = [
            "id", "name", "owner", "scopes", "state", "created_at", "expires_at", "revoked_at", "revoked_by",
            "last_used_at", "last_used_from", "addresses", "disabled_at", "disabled_by", "replaces", "replaced_by",
            "revision",
        ]  # fmt: skip
        read_only_fields = fields

    def get_replaced_by(self, token: ApiToken) -> str | None:
        successor = getattr(token, "replaced_by", None)
        return successor.pk if successor else None


class RotationSerializer(StrictSerializer):
    """How long the old secret goes on."""

    overlap_hours = WholeNumber(min_value=0, max_value=rotation.LONGEST_OVERLAP_HOURS, required=False, default=24)


class NewTokenSerializer(StrictSerializer):
    """What a new token may do and how long it lives."""

    name = Text(max_length=100)
    scopes = ScopesField(min_length=1)
    days = WholeNumber(min_value=1, help_text="How long it lives, at most GATEHOUSE_TOKEN_MAX_DAYS.")
    addresses = serializers.ListField(
        child=Text(max_length=43), required=False, help_text="Networks it may come from, such as 10.0.0.0/8."
    )


class IssuedTokenSerializer(TokenSerializer):
    """A new token with its secret, which is shown this once."""

    token = serializers.CharField(help_text="The secret; it is not shown again.")

    class Meta(TokenSerializer.Meta):
        fields: ClassVar = [*TokenSerializer.Meta.fields, "token"]
        read_only_fields = fields
