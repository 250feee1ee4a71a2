"""The shapes of apps on devices in JSON."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.rest import StrictSerializer, Text, WholeNumber
from portal.rfc3339 import written
from tokens import held_listing
from tokens.credentials_serializers import DAYS_HELP, OWNER_HELP
from tokens.held_serializers import HolderSerializer
from tokens.models import InstalledApp

CERTSIPS_HELP = "The file `certsips.json`; null while the certificate of the door does not fit."


class InstallationSerializer(HolderSerializer):
    """A version of an app on a device, without its tokens.

    What is said of one token is said of the newest that is live.
    """

    id = serializers.CharField()
    app = serializers.CharField(source="app.name")
    version = serializers.CharField(source="version.version")
    device = serializers.CharField(source="on")
    hint = serializers.SerializerMethodField(help_text="The last four characters of that token.")
    last_used_at = serializers.SerializerMethodField()
    last_used_from = serializers.SerializerMethodField()

    def get_hint(self, installed: InstalledApp) -> str:
        secret = held_listing.current(installed)
        return secret.hint if secret else ""

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_last_used_at(self, installed: InstalledApp) -> str | None:
        secret = held_listing.current(installed)
        return written(secret.last_used_at) if secret else None

    def get_last_used_from(self, installed: InstalledApp) -> str:
        secret = held_listing.current(installed)
        return secret.last_used_from if secret else ""


class ShownAppTokenSerializer(serializers.Serializer[Any]):
    """An app on a device with a new token, which is shown this once."""

    id = serializers.CharField()
    app = serializers.CharField()
    version = serializers.CharField()
    device = serializers.CharField()
    expires_at = serializers.DateTimeField()
    app_token = serializers.CharField(help_text="It is not shown again.")
    apptoken_file = serializers.CharField(help_text="The file `.apptoken`, to the byte.")
    certsips_file = serializers.CharField(allow_null=True, help_text=CERTSIPS_HELP)


class NewInstallationSerializer(StrictSerializer):
    """Which version on which device."""

    device = Text(max_length=128, help_text="The id of an accepted device.")
    version = Text(max_length=30)
    days = WholeNumber(min_value=1, required=False, help_text=DAYS_HELP)
    owner = Text(max_length=150, required=False, help_text=OWNER_HELP)


class InstalledVersionSerializer(StrictSerializer):
    """Which version is to be there."""

    version = Text(max_length=30)
