"""The shapes of app credentials in JSON."""

from rest_framework import serializers

from portal.rest import Flag, StrictSerializer, Text, WholeNumber
from portal.scope_field import ScopesField
from tokens.held_serializers import HolderSerializer
from tokens.models import Stage

DAYS_HELP = "How long the secret lives, at most 365 days and GATEHOUSE_TOKEN_MAX_DAYS; left out, the most."
OWNER_HELP = "The name of an active person, who hears when the secret expires; left out, the person who asks."


class CredentialSerializer(HolderSerializer):
    """App credentials without their secrets."""

    id = serializers.CharField()
    client_id = serializers.CharField(help_text="What a client shows beside its secret; it stays for life.")
    app = serializers.CharField(source="version.app.name")
    version = serializers.CharField(source="version.version")
    host_tenant = serializers.CharField()
    stage = serializers.ChoiceField(choices=Stage.choices)
    instance = serializers.CharField(help_text="The label of the instance; empty for the only one.")
    scopes = serializers.ListField(child=serializers.CharField())


class ShownCredentialSerializer(CredentialSerializer):
    """App credentials with a new secret, which is shown this once."""

    secret = serializers.CharField(help_text="It is not shown again.")
    x_space_auth_key = serializers.CharField(help_text="Client id and secret, as the header of that name takes them.")


class NewCredentialSerializer(StrictSerializer):
    """For which version, and what it may do."""

    app = Text(max_length=20)
    version = Text(max_length=30)
    instance = Text(
        max_length=20, required=False, allow_blank=True, help_text="1 to 20 of a-z and 0-9, to tell instances apart."
    )
    scopes = ScopesField(help_text="Among those of the version and of who asks.")
    days = WholeNumber(min_value=1, required=False, help_text=DAYS_HELP)
    owner = Text(max_length=150, required=False, help_text=OWNER_HELP)
    rotate_own = Flag(
        required=False, default=True, help_text="Whether it also gets `credentials:rotate-own`, if who asks holds it."
    )


class OwnerSerializer(StrictSerializer):
    """Whom to hand it to."""

    owner = Text(max_length=150, help_text="The name of an active person.")
