"""Users and groups in the Insights Hub dialect (seed 003): the people of the caller's tenant, and their roles."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.dialects import insights_identity_shapes as shapes
from gateway.dialects import scim_conditions, scim_query
from gateway.dialects.insights_hub import TAG, InsightsEndpoint, InsightsErrorSerializer
from gateway.dialects.scim_conditions import NOBODY
from gateway.dialects.scim_query import Wanted
from gateway.dialects.scim_text import folded
from gateway.dialects.scim_tree import Attribute, Kind, table
from portal.models import User
from portal.refusal import NotFound
from portal.rest import MethodNotAllowed
from portal.roles import Role
from portal.scopes import Scope

MOMENTS = {"meta.created": "created", "meta.lastModified": "lastModified", "meta.version": "version"}
USER_ATTRIBUTES = table(
    Attribute("id", Kind.TEXT, "id_text"),
    Attribute("userName", Kind.TEXT, "username"),
    Attribute("email", Kind.TEXT, "email"),
    Attribute("givenName", Kind.TEXT, "first_name"),
    Attribute("familyName", Kind.TEXT, "last_name"),
    Attribute("active", Kind.FLAG, "is_active"),
    Attribute("origin", Kind.TEXT, constant="gatehouse"),
    Attribute("verified", Kind.FLAG, constant=True),
    Attribute("phoneNumber", Kind.TEXT, constant=""),
    Attribute("created", Kind.MOMENT, "date_joined"),
    Attribute("lastModified", Kind.MOMENT, "changed_at"),
    Attribute("version", Kind.NUMBER, "revision"),
    Attribute("groups.display", Kind.ALONE),
    also={"emails.value": "email", **MOMENTS},
)
GROUP_ATTRIBUTES = table(
    Attribute("id", Kind.TEXT, "id"),
    Attribute("displayName", Kind.TEXT, "display"),
    Attribute("created", Kind.MOMENT, "made"),
    Attribute("lastModified", Kind.MOMENT, "made"),
    Attribute("version", Kind.NUMBER, "version"),
    also=MOMENTS,
)
USER_SORTS = {
    "userName": "name_folded",
    "id": "pk",
    "email": "email_folded",
    "givenName": "given_folded",
    "familyName": "family_folded",
    "active": "is_active",
    "created": "date_joined",
    "lastModified": "changed_at",
}
GROUP_SORTS = {"displayName": "display", "id": "id", "created": "made", "lastModified": "made"}

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

WRONG = OpenApiResponse(InsightsErrorSerializer, "A parameter is wrong; the message says which.")
ID = OpenApiParameter("id", str, OpenApiParameter.PATH, description="Its id, opaque.")


class IdentityEndpoint(InsightsEndpoint):
    """The base of all: what is here is read, and changed elsewhere."""

    scopes: ClassVar[Mapping[str, Scope | None]] = {"get": Scope.USERS_READ}

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        raise MethodNotAllowed(request, "people and their roles are managed in the portal")


@extend_schema(tags=[TAG])
class UserList(IdentityEndpoint):
    """The people of the tenant."""

    @extend_schema(
        operation_id="insights_list_users",
        parameters=scim_query.documented(USER_SORTS, 'active eq true and userName sw "a"'),
        responses={200: shapes.InsightsUsersSerializer, 400: WRONG},
        examples=[shapes.USERS_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        """List the people of the tenant of the token, active or not."""
        wanted = scim_query.read(request.query_params, USER_SORTS, USER_ATTRIBUTES)
        found = scim_conditions.searchable(people_of(tenant_of(request)))
        if wanted.filter is not None:
            found = found.filter(scim_conditions.condition(wanted.filter, in_group))
        if wanted.of_subtenant:
            found = found.filter(NOBODY)
        listed = found.order_by(f"-{wanted.sort}" if wanted.descending else wanted.sort, "pk")[wanted.slice]
        with_groups = wanted.shows("groups")
        resources = [wanted.shown(shapes.user(person, with_groups=with_groups)) for person in listed]
        return Response(wanted.page(resources, found.count()))


@extend_schema(tags=[TAG])
class OwnGroups(IdentityEndpoint):
    """Whoever holds the token."""

    scopes: ClassVar[Mapping[str, Scope | None]] = {"get": None}
    any_token = ("get",)

    @extend_schema(
        operation_id="insights_own_groups",
        responses={200: shapes.InsightsMembershipSerializer(many=True)},
        examples=[shapes.MEMBERSHIPS_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        """List the groups of the token's owner; an app has none."""
        if self.actor.kind != "token":
            return Response([])
        person: Any = request.user
        return Response([shapes.membership(person.tenant_id, person.role)])


@extend_schema(tags=[TAG], parameters=[ID])
class OneUser(IdentityEndpoint):
    """One of the people of the tenant."""

    @extend_schema(
        operation_id="insights_user",
        responses={200: shapes.InsightsUserSerializer},
        examples=[shapes.USER_EXAMPLE],
    )
    def get(self, request: Request, id: str) -> Response:
        """Show a person of the tenant of the token."""
        found = people_of(tenant_of(request)).filter(pk=UUID(id)).first() if _ID.fullmatch(id) else None
        if found is None:
            raise NotFound(f"There is no user {id[:40]} in this tenant; the list of users shows all.")
        return Response(shapes.user(found))


@extend_schema(tags=[TAG])
class GroupList(IdentityEndpoint):
    """The groups of the tenant: one for each role."""

    @extend_schema(
        operation_id="insights_list_groups",
        parameters=scim_query.documented(GROUP_SORTS, 'displayName sw "mdsp_customrole:"'),
        responses={200: shapes.InsightsGroupsSerializer, 400: WRONG},
        examples=[shapes.GROUPS_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        """List the groups of the tenant of the token."""
        wanted = scim_query.read(request.query_params, GROUP_SORTS, GROUP_ATTRIBUTES)
        tenant = tenant_of(request)
        found = [] if wanted.of_subtenant else groups(tenant, wanted)
        page = found[wanted.slice]
        members = members_of(tenant, page) if wanted.shows("members") and page else {}
        resources = [wanted.shown(shapes.group(tenant, role, members.get(role, ()))) for role in page]
        return Response(wanted.page(resources, len(found)))


@extend_schema(tags=[TAG], parameters=[ID])
class OneGroup(IdentityEndpoint):
    """One of the groups of the tenant."""

    @extend_schema(
        operation_id="insights_group",
        responses={200: shapes.InsightsGroupSerializer},
        examples=[shapes.GROUP_EXAMPLE],
    )
    def get(self, request: Request, id: str) -> Response:
        """Show a group with its members."""
        tenant = tenant_of(request)
        role = role_of(tenant, id)
        return Response(shapes.group(tenant, role, members_of(tenant, [role])[role]))


@extend_schema(tags=[TAG], parameters=[ID])
class GroupMembers(IdentityEndpoint):
    """Who is in a group."""

    @extend_schema(
        operation_id="insights_group_members",
        responses={200: shapes.InsightsMemberSerializer(many=True)},
        examples=[shapes.MEMBERS_EXAMPLE],
    )
    def get(self, request: Request, id: str) -> Response:
        """List the members of a group, active or not."""
        tenant = tenant_of(request)
        role = role_of(tenant, id)
        return Response([shapes.member(person_id) for person_id in members_of(tenant, [role])[role]])


def tenant_of(request: Request) -> str:
    """The tenant whose data the token opens: of an access token its user tenant, of an API token its owner's."""
    asker: Any = request
    tenant: str = asker.auth.tenant or asker.user.tenant_id
    return tenant


def people_of(tenant: str) -> QuerySet[User]:
    return User.objects.filter(tenant=tenant)


def in_group(name: str) -> Q:
    """The people in the group of this name, in any case."""
    return Q(role__in=[role for role in Role if folded(shapes.display(role)) == folded(name)])


def groups(tenant: str, wanted: Wanted) -> list[Role]:
    """The roles whose groups were asked for, in the order that was."""
    facts = {role: shapes.group_facts(tenant, role) for role in Role}
    tree = wanted.filter
    found = [role for role in Role if tree is None or scim_conditions.fits(tree, facts[role])]
    found.sort(key=lambda role: str(facts[role]["id"]))
    found.sort(key=lambda role: _in_any_case(facts[role][wanted.sort]), reverse=wanted.descending)
    return found


def role_of(tenant: str, group_id: str) -> Role:
    role = next((role for role in Role if shapes.group_id(tenant, role) == group_id.lower()), None)
    if role is None:
        raise NotFound(f"There is no group {group_id[:40]} in this tenant; the list of groups shows all.")
    return role


def members_of(tenant: str, roles: Iterable[Role]) -> dict[str, list[UUID]]:
    """The keys of the people of each role, in one query."""
    members: dict[str, list[UUID]] = defaultdict(list)
    for role, person_id in people_of(tenant).filter(role__in=roles).order_by("pk").values_list("role", "pk"):
        members[role].append(person_id)
    return members


def _in_any_case(value: Any) -> Any:
    return folded(value) if isinstance(value, str) else value
