"""The shapes of people and groups in the Insights Hub dialect. Roles are groups; what is not known is empty."""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from gateway.dialects.scim_conditions import whole
from gateway.dialects.scim_query import SCHEMA
from portal.models import User
from portal.rfc3339 import written
from portal.roles import Role

ADMINISTRATORS = "mdsp:core:TenantAdmin"
GROUPS = uuid.UUID("6f1c7a52-3a0e-5d53-9d0b-1f0a8f4f0d11")
# A role is part of the product: nobody made it at any time, and nobody changes it.
MADE = datetime(1970, 1, 1, tzinfo=UTC)

USER_ID = "5f0c2c0e-8f5e-4a53-9c67-0d8f3b1a7e21"


def display(role: str) -> str:
    """What the group of a role is called."""
    return ADMINISTRATORS if role == Role.ADMINISTRATOR else f"mdsp_customrole:{role}"


def group_id(tenant: str, role: str) -> str:
    """The same for the same tenant and role, and of no other."""
    return str(uuid.uuid5(GROUPS, f"{tenant}/{role}"))


def membership(tenant: str, role: str) -> dict[str, str]:
    return {"display": display(role), "type": "DIRECT", "value": group_id(tenant, role)}


def member(person_id: Any) -> dict[str, str]:
    return {"type": "USER", "value": str(person_id)}


def user(person: User, *, with_groups: bool = True) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "schemas": [SCHEMA],
        "id": str(person.pk),
        "userName": person.username,
        "name": {"familyName": person.last_name, "givenName": person.first_name},
        "emails": [{"value": person.email}] if person.email else [],
        "active": person.is_active,
        "meta": _meta(person.date_joined, person.changed_at, person.revision),
        "subtenants": [],
    }
    if with_groups:
        shape["groups"] = [membership(str(person.tenant_id), person.role)]
    if person.last_login:
        shape["lastLogonTime"] = int(person.last_login.timestamp() * 1000)
    return shape


def group(tenant: str, role: Role, members: Iterable[Any] | None = ()) -> dict[str, Any]:
    """The group of a role; `members` are the keys of its people, None if nobody asked for them."""
    shape: dict[str, Any] = {
        "schemas": [SCHEMA],
        "id": group_id(tenant, role),
        "displayName": display(role),
        "description": f"People with the role {role.label}.",
        "meta": _meta(MADE, MADE, 1),
    }
    if members is not None:
        shape["members"] = [member(person_id) for person_id in members]
    return shape


def group_facts(tenant: str, role: Role) -> dict[str, Any]:
    """What a filter may compare and a list be sorted by."""
    return {"id": group_id(tenant, role), "display": display(role), "made": MADE, "version": 1}


def _meta(created: datetime, changed: datetime, version: int) -> dict[str, Any]:
    return {"created": _shown(created), "lastModified": _shown(changed), "version": version}


def _shown(moment: datetime) -> str:
    return written(whole(moment), "milliseconds")


class InsightsMetaSerializer(serializers.Serializer[Any]):
    created = serializers.DateTimeField()
    lastModified = serializers.DateTimeField()
    version = serializers.IntegerField(help_text="It grows with each change.")


class InsightsNameSerializer(serializers.Serializer[Any]):
    familyName = serializers.CharField(allow_blank=True)
    givenName = serializers.CharField(allow_blank=True)


class InsightsEmailSerializer(serializers.Serializer[Any]):
    value = serializers.CharField()


class InsightsMembershipSerializer(serializers.Serializer[Any]):
    """A group that a person is in."""

    display = serializers.CharField()
    type = serializers.CharField(help_text="Always `DIRECT`.")
    value = serializers.CharField(help_text="The id of the group.")


class InsightsMemberSerializer(serializers.Serializer[Any]):
    """A person who is in a group."""

    type = serializers.CharField(help_text="Always `USER`.")
    value = serializers.CharField(help_text="The id of the person.")


class InsightsResourceSerializer(serializers.Serializer[Any]):
    """What every resource has; of the others `attributes` may leave some out."""

    schemas = serializers.ListField(child=serializers.CharField())
    id = serializers.UUIDField()
    meta = InsightsMetaSerializer(required=False)


class InsightsUserSerializer(InsightsResourceSerializer):
    userName = serializers.CharField(required=False)
    name = InsightsNameSerializer(required=False)
    emails = InsightsEmailSerializer(many=True, required=False)
    groups = InsightsMembershipSerializer(many=True, required=False)
    active = serializers.BooleanField(required=False)
    subtenants = serializers.ListField(child=serializers.CharField(), required=False, help_text="Always empty.")
    lastLogonTime = serializers.IntegerField(
        required=False, help_text="When the person last logged in, in milliseconds; absent if they never did."
    )


class InsightsGroupSerializer(InsightsResourceSerializer):
    displayName = serializers.CharField(required=False)
    description = serializers.CharField(required=False)
    members = InsightsMemberSerializer(many=True, required=False)


class InsightsPageSerializer(serializers.Serializer[Any]):
    schemas = serializers.ListField(child=serializers.CharField())
    startIndex = serializers.IntegerField()
    itemsPerPage = serializers.IntegerField(help_text="How many a page holds at most.")
    totalResults = serializers.IntegerField(help_text="How many there are on all pages.")


class InsightsUsersSerializer(InsightsPageSerializer):
    resources = InsightsUserSerializer(many=True)


class InsightsGroupsSerializer(InsightsPageSerializer):
    resources = InsightsGroupSerializer(many=True)


MEMBERSHIP = membership("main", Role.ADMINISTRATOR)
USER = {
    "schemas": [SCHEMA],
    "id": USER_ID,
    "userName": "ada",
    "name": {"familyName": "Lovelace", "givenName": "Ada"},
    "emails": [{"value": "ada@plant.example"}],
    "groups": [MEMBERSHIP],
    "active": True,
    "meta": {"created": "2026-11-01T08:00:00.000Z", "lastModified": "2026-11-25T08:00:00.000Z", "version": 3},
    "subtenants": [],
    "lastLogonTime": 1763805600000,
}
GROUP = group("main", Role.ADMINISTRATOR, [USER_ID])
PAGE = {"schemas": [SCHEMA], "startIndex": 1, "itemsPerPage": 100, "totalResults": 1}


def shown(name: str, value: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value, response_only=True, status_codes=["200"])


USER_EXAMPLE, USERS_EXAMPLE = shown("A user", USER), shown("A page", {**PAGE, "resources": [USER]})
GROUP_EXAMPLE, GROUPS_EXAMPLE = shown("A group", GROUP), shown("A page", {**PAGE, "resources": [GROUP]})
MEMBERSHIPS_EXAMPLE, MEMBERS_EXAMPLE = shown("Own groups", MEMBERSHIP), shown("Members", member(USER_ID))
