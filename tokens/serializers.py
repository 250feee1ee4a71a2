"""The shapes of API tokens in JSON."""

from typing import ClassVar

from rest_framework import serializers

from portal.rest import StrictSerializer, Text, WholeNumber
from portal.scopes import Scope
from tokens.models import ApiToken


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    """An API token without its secret."""

    owner = serializers.CharField(source="owner.username")
    scopes = serializers.ListField(child=serializers.CharField())
    state = serializers.ChoiceField(choices=["live", "disabled", "expired", "revoked"])

    class Meta:
        model = ApiToken
        fields: ClassVar = [
            "id", "name", "owner", "scopes", "state", "created_at", "expires_at", "revoked_at", "revoked_by",
            "last_used_at", "last_used_from",
        ]  # fmt: skip
        read_only_fields = fields


class NewTokenSerializer(StrictSerializer):
    """What a new token may do and how long it lives."""

    name = Text(max_length=100)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices), min_length=1)
    days = WholeNumber(min_value=1, help_text="How long it lives, at most GATEHOUSE_TOKEN_MAX_DAYS.")


class IssuedTokenSerializer(TokenSerializer):
    """A new token with its secret, which is shown this once."""

    token = serializers.CharField(help_text="The secret; it is not shown again.")

    class Meta(TokenSerializer.Meta):
        fields: ClassVar = [*TokenSerializer.Meta.fields, "token"]
        read_only_fields = fields
