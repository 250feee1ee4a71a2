"""The shapes of apps, their versions and tenant grants in JSON."""

from typing import ClassVar

from rest_framework import serializers

from portal.rest import StrictSerializer, Text
from portal.scope_field import ScopesField
from tokens.models import App, AppVersion, Stage, TenantGrant
from tokens.registration import FEATURES

NAME_HELP = "1 to 20 of a-z and 0-9, the first a letter; it stays."
VERSION_HELP = "1 to 30 of a-z, 0-9, '.' and '_', the first a letter or a digit."


class AppSerializer(serializers.ModelSerializer[App]):
    """An app; its tenant is where it is at home."""

    tenant = serializers.CharField(source="tenant_id")

    class Meta:
        model = App
        fields: ClassVar = ["name", "title", "tenant"]
        read_only_fields = fields


class NewAppSerializer(StrictSerializer):
    """What the app is called, by programs and by people, and where it is at home."""

    name = Text(max_length=20, help_text=NAME_HELP)
    title = Text(max_length=100, required=False, allow_blank=True)
    tenant = Text(max_length=20, required=False, help_text="The tenant where it is at home; left out, `main`.")


class VersionSerializer(serializers.ModelSerializer[AppVersion]):
    """A version of an app; features and scopes are as they were declared when it was made."""

    app = serializers.CharField(source="app.name")
    features = serializers.ListField(child=serializers.CharField())
    scopes = serializers.ListField(child=serializers.CharField())
    host_tenant = serializers.CharField(source="host_tenant_id", help_text="The tenant that hosts it.")
    stage = serializers.ChoiceField(choices=Stage.choices)

    class Meta:
        model = AppVersion
        fields: ClassVar = [
            "app", "version", "features", "scopes", "host_tenant", "stage", "created_at", "created_by",
            "transferred_at",
        ]  # fmt: skip
        read_only_fields = fields


class DeclaredSerializer(StrictSerializer):
    """What a version declares when it is made, and what nobody changes afterwards."""

    features = serializers.ListField(
        child=serializers.ChoiceField(
            choices=FEATURES,
            error_messages={"invalid_choice": f"There is no feature {{input}}; there is {', '.join(FEATURES)}."},
        ),
        required=False,
        help_text="What the app may do on its device.",
    )
    scopes = ScopesField(
        required=False,
        help_text="What its credentials and its installations may be given at most.",
    )


class NewVersionSerializer(DeclaredSerializer):
    """A version with what it declares; both lists are fixed from then on."""

    version = Text(max_length=30, help_text=VERSION_HELP)


class TenantNamedSerializer(StrictSerializer):
    """Which tenant."""

    tenant = Text(max_length=20)


class GrantSerializer(serializers.ModelSerializer[TenantGrant]):
    """That a version in operation may open the data of this tenant, too."""

    tenant = serializers.CharField(source="tenant_id")

    class Meta:
        model = TenantGrant
        fields: ClassVar = ["tenant", "created_at", "created_by"]
        read_only_fields = fields
