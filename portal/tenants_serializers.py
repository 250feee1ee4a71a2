"""The shapes of tenants in JSON."""

from typing import ClassVar

from rest_framework import serializers

from portal.models import Tenant
from portal.rest import StrictSerializer, Text
from portal.tenants import LONGEST_TITLE

NAME_HELP = "1 to 20 of a-z and 0-9, the first a letter; it stays."


class TenantSerializer(serializers.ModelSerializer[Tenant]):
    """An account that people and apps belong to."""

    class Meta:
        model = Tenant
        fields: ClassVar = ["name", "title"]
        read_only_fields = fields


class NewTenantSerializer(StrictSerializer):
    """What the account is called: by programs, and by people."""

    name = Text(max_length=20, help_text=NAME_HELP)
    title = Text(max_length=LONGEST_TITLE, required=False, allow_blank=True)


class TenantChangeSerializer(StrictSerializer):
    """What is to be otherwise."""

    title = Text(max_length=LONGEST_TITLE, allow_blank=True)
