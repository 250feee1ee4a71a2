"""The conversations of a client of Insights Hub's identity management (seed 003): users, groups and members."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from portal import people
from portal.actor import Actor
from portal.models import Tenant, User
from portal.roles import Role
from portal.scopes import Scope
from tests.amount import many
from tokens import access_tokens, credentials, issuing, registration, shown_secrets

NOON = datetime(2026, 11, 25, 12, 0, 0, 123456, tzinfo=UTC)
NOBODYS = "c4aeb3ce-945c-405f-9e7e-9da096743285"
USERS, GROUPS = "/api/im/v3/Users", "/api/im/v3/Groups"
SCHEMAS = ["urn:scim:schemas:core:1.0"]
ADMINISTRATORS = "mdsp:core:TenantAdmin"

everywhere = pytest.mark.parametrize("base", ["/api/im/v3", "/api/identitymanagement/v3"])


@pytest.fixture
def client(rest: Callable[..., APIClient]) -> APIClient:
    """The API token of ada, who belongs to main."""
    return rest(Scope.USERS_READ)


@pytest.fixture
def others(db: None) -> list[User]:
    """Two people of another tenant."""
    Tenant.objects.create(name="ten2")
    return [User.objects.create(username=name, role="administrator", tenant_id="ten2") for name in ("tia", "tom")]


@pytest.fixture
def buy(administrator: User) -> Callable[..., APIClient]:
    """The client of an app with a home in a tenant, with an access token that it bought."""

    def make(tenant: str = "main", *scopes: Scope) -> APIClient:
        by = Actor.command("test")
        app = registration.register("app1", by=by, tenant=tenant)
        version = registration.add_version(app, "v1.0.0", by=by, scopes=scopes)
        issued = credentials.issue(version, by=by, owner=administrator)
        buyer = shown_secrets.of_client(issued.holder.client_id, issued.text, address="192.0.2.7")
        return APIClient(headers={"Authorization": f"Bearer {access_tokens.technical(buyer, tenant)}"})

    return make


def refused(answer: Any, status: int, word: str) -> str:
    """The message of a no, after a look at its whole shape."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    body = answer.json()
    assert set(body) == {"errors"}
    [error] = body["errors"]
    assert set(error) == {"code", "logref", "message"}
    assert error["code"] == f"mdsp.core.generic.{word}"
    assert error["logref"] == answer["X-Request-Id"]
    message: str = error["message"]
    assert message.endswith(".")
    return message


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [resource["userName"] for resource in answer.json()["resources"]]


def displays(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [resource["displayName"] for resource in answer.json()["resources"]]


class TestUser:
    @everywhere
    def test_is_shown_with_all_that_is_known(self, client: APIClient, administrator: User, base: str) -> None:
        User.objects.filter(pk=administrator.pk).update(
            first_name="Ada", last_name="Lovelace", email="ada@plant.example", date_joined=NOON,
            changed_at=NOON + timedelta(hours=1), revision=3, last_login=NOON,
        )  # fmt: skip
        listed = client.get(f"{base}/Users").json()
        [shown] = listed["resources"]
        [group] = shown.pop("groups")
        assert shown == {
            "schemas": SCHEMAS,
            "id": str(administrator.pk),
            "userName": "ada",
            "name": {"familyName": "Lovelace", "givenName": "Ada"},
            "emails": [{"value": "ada@plant.example"}],
            "active": True,
            "meta": {"created": "2026-11-25T12:00:00.123Z", "lastModified": "2026-11-25T13:00:00.123Z", "version": 3},
            "subtenants": [],
            "lastLogonTime": int(NOON.timestamp() * 1000),
        }
        assert (group["display"], group["type"]) == (ADMINISTRATORS, "DIRECT")
        del listed["resources"]
        assert listed == {"schemas": SCHEMAS, "startIndex": 1, "itemsPerPage": 100, "totalResults": 1}
        assert client.get(f"{base}/Users/{administrator.pk}").json() == {**shown, "groups": [group]}
        assert client.get(f"{base}/Users/{str(administrator.pk).upper()}").json()["userName"] == "ada"
        assert client.get(f"{base}/Groups/{group['value']}").json()["displayName"] == ADMINISTRATORS

    def test_of_whom_little_is_known_has_empty_texts_and_no_last_logon(self, client: APIClient, viewer: User) -> None:
        User.objects.filter(pk=viewer.pk).update(is_active=False)
        shown = client.get(f"{USERS}/{viewer.pk}").json()
        assert (shown["name"], shown["emails"]) == ({"familyName": "", "givenName": ""}, [])
        assert (shown["active"], "lastLogonTime" in shown) == (False, False)
        assert shown["groups"][0]["display"] == "mdsp_customrole:viewer"

    @pytest.mark.parametrize("wrong", ["nobody", "0", NOBODYS, "{}", "Me", "%00", "a" * 300, "ME"])
    def test_that_is_not_there_is_no_match(self, client: APIClient, wrong: str) -> None:
        assert "in this tenant" in refused(client.get(f"{USERS}/{wrong}"), 404, "noMatch")

    def test_a_change_is_seen_as_another_version(self, client: APIClient, viewer: User, root: Actor) -> None:
        before = client.get(f"{USERS}/{viewer.pk}").json()["meta"]
        people.change_password(viewer, "another good password", by=root)
        assert client.get(f"{USERS}/{viewer.pk}").json()["meta"] == before


class TestTenant:
    def test_of_another_nobody_and_nothing_is_seen(
        self, client: APIClient, others: list[User], viewer: User, buy: Callable[..., APIClient]
    ) -> None:
        theirs = buy("ten2", Scope.USERS_READ)
        assert names(client.get(USERS)) == ["ada", "vera"]
        assert names(theirs.get(USERS)) == ["tia", "tom"]
        refused(client.get(f"{USERS}/{others[0].pk}"), 404, "noMatch")
        refused(theirs.get(f"{USERS}/{viewer.pk}"), 404, "noMatch")
        assert names(client.get(USERS, {"filter": 'userName eq "tia" or active eq true'})) == ["ada", "vera"]
        ours = {group["id"]: group for group in client.get(GROUPS).json()["resources"]}
        hers = {group["id"]: group for group in theirs.get(GROUPS).json()["resources"]}
        assert not set(ours) & set(hers)
        for group_id in hers:
            refused(client.get(f"{GROUPS}/{group_id}"), 404, "noMatch")
            refused(client.get(f"{GROUPS}/{group_id}/members"), 404, "noMatch")
        members = {member["value"] for group in hers.values() for member in group["members"]}
        assert members == {str(person.pk) for person in others}

    def test_of_an_api_token_is_its_owners_from_one_call_to_the_next(
        self, client: APIClient, others: list[User], administrator: User
    ) -> None:
        User.objects.filter(pk=administrator.pk).update(tenant_id="ten2")
        assert names(client.get(USERS)) == ["ada", "tia", "tom"]


class TestOwnGroups:
    @everywhere
    def test_of_an_api_token_are_its_owners_without_any_scope(
        self, rest: Callable[..., APIClient], operator: User, base: str
    ) -> None:
        _, shown = issuing.issue("x", [Scope.DEVICES_READ], owner=operator, days=1, by=Actor.command("test"))
        answer = APIClient(headers={"Authorization": f"Bearer {shown}"}).get(f"{base}/Users/me")
        [group] = answer.json()
        assert set(group) == {"display", "type", "value"}
        assert (group["display"], group["type"]) == ("mdsp_customrole:operator", "DIRECT")
        assert group["value"] == rest(Scope.USERS_READ).get(f"{base}/Users/{operator.pk}").json()["groups"][0]["value"]

    def test_of_an_app_are_none(self, buy: Callable[..., APIClient]) -> None:
        answer = buy("main").get(f"{USERS}/me")
        assert (answer.status_code, answer.json()) == (200, [])

    def test_need_a_token(self, db: None) -> None:
        refused(APIClient().get(f"{USERS}/me"), 401, "unauthorized")


class TestGroups:
    @everywhere
    def test_are_the_roles_with_everybody_in_them(
        self, client: APIClient, administrator: User, operator: User, viewer: User, base: str
    ) -> None:
        User.objects.filter(pk=operator.pk).update(is_active=False)
        page = client.get(f"{base}/Groups").json()
        groups = page.pop("resources")
        assert page == {"schemas": SCHEMAS, "startIndex": 1, "itemsPerPage": 100, "totalResults": 3}
        people_of = {group["displayName"]: group["members"] for group in groups}
        assert people_of == {
            ADMINISTRATORS: [{"type": "USER", "value": str(administrator.pk)}],
            "mdsp_customrole:operator": [{"type": "USER", "value": str(operator.pk)}],
            "mdsp_customrole:viewer": [{"type": "USER", "value": str(viewer.pk)}],
        }
        for group in groups:
            assert set(group) == {"schemas", "id", "displayName", "description", "members", "meta"}
            assert group["meta"] == {
                "created": "1970-01-01T00:00:00.000Z",
                "lastModified": "1970-01-01T00:00:00.000Z",
                "version": 1,
            }
            assert client.get(f"{base}/Groups/{group['id']}").json() == group
            assert client.get(f"{base}/Groups/{group['id'].upper()}/members").json() == group["members"]

    def test_have_ids_that_stay(self, client: APIClient) -> None:
        ids = {group["displayName"]: group["id"] for group in client.get(GROUPS).json()["resources"]}
        assert ids == {
            ADMINISTRATORS: "95d07172-bbf7-572f-a812-59139f95091a",
            "mdsp_customrole:operator": "983f8c23-962a-5b13-97e4-83fc37607a4d",
            "mdsp_customrole:viewer": "4841c27c-8bf2-5dfe-9b1f-ab60c85a5fe7",
        }

    def test_without_anybody_are_there_too(self, client: APIClient) -> None:
        [viewers] = client.get(GROUPS, {"filter": 'displayName eq "MDSP_CustomRole:viewer"'}).json()["resources"]
        assert viewers["members"] == []
        assert client.get(f"{GROUPS}/{viewers['id']}/members").json() == []

    def test_of_users_there_are_none(self, client: APIClient) -> None:
        page = client.get(GROUPS, {"filter": 'displayName sw "mdsp_usergroup"'}).json()
        assert (page["resources"], page["totalResults"]) == ([], 0)

    @pytest.mark.parametrize("wrong", ["nobody", NOBODYS, "a" * 300])
    def test_that_are_not_there_are_no_match(self, client: APIClient, wrong: str) -> None:
        refused(client.get(f"{GROUPS}/{wrong}"), 404, "noMatch")
        refused(client.get(f"{GROUPS}/{wrong}/members"), 404, "noMatch")


class TestQuery:
    @pytest.fixture(autouse=True)
    def _crowd(self, administrator: User) -> None:
        """Nine more people, whose names are in disorder."""
        for at, name in enumerate(["Hugo", "ben", "Dora", "carl", "Gina", "emil", "Fay", "ian", "Kim"]):
            User.objects.create(
                username=name, role=["viewer", "operator"][at % 2], email=f"{name[::-1]}@x.example", is_active=at != 3,
                first_name=f"n{at // 3}", last_name=name[-1].upper(), date_joined=NOON + timedelta(minutes=at % 4),
                changed_at=NOON - timedelta(minutes=at),
            )  # fmt: skip

    @pytest.mark.parametrize(
        ("start", "count", "shown", "start_in_force", "count_in_force"),
        [
            (None, None, 10, 1, 100),
            ("1", "4", 4, 1, 4),
            ("9", "4", 2, 9, 4),
            ("11", "4", 0, 11, 4),
            ("0", "4", 4, 1, 4),
            ("-7", "4", 4, 1, 4),
            ("1", "0", 0, 1, 0),
            ("1", "-3", 0, 1, 0),
            ("1", "501", 10, 1, 500),
            ("+1", "500", 10, 1, 500),
            ("9" * 40, "9" * 400, 0, 10**9, 500),
        ],
    )
    def test_a_page_is_what_was_asked_for(
        self, client: APIClient, start: str | None, count: str | None, shown: int, start_in_force: int,
        count_in_force: int,
    ) -> None:  # fmt: skip
        query = {name: value for name, value in (("startIndex", start), ("count", count)) if value is not None}
        page = client.get(USERS, query).json()
        assert len(page["resources"]) == shown
        assert (page["startIndex"], page["itemsPerPage"]) == (start_in_force, count_in_force)
        assert page["totalResults"] == 10

    @pytest.mark.parametrize("sort", [None, "userName", "id", "email", "givenName", "familyName", "active", "created",
                                      "lastModified", "USERNAME"])  # fmt: skip
    @pytest.mark.parametrize("order", [None, "ascending", "descending"])
    def test_pages_in_any_order_hold_everybody_once(
        self, client: APIClient, sort: str | None, order: str | None
    ) -> None:
        query = {name: value for name, value in (("sortBy", sort), ("sortOrder", order)) if value}
        whole = names(client.get(USERS, query))
        pages = [names(client.get(USERS, {**query, "startIndex": start, "count": 3})) for start in (1, 4, 7, 10)]
        assert [name for page in pages for name in page] == whole
        assert len(set(whole)) == 10

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, ["ada", "ben", "carl", "Dora", "emil", "Fay", "Gina", "Hugo", "ian", "Kim"]),
            ({"sortOrder": "descending"}, ["Kim", "ian", "Hugo", "Gina", "Fay", "emil", "Dora", "carl", "ben", "ada"]),
            ({"sortBy": "lastModified", "count": "3", "filter": "version eq 1 and not (userName eq \"ada\")"},
             ["Kim", "ian", "Fay"]),
            ({"sortBy": "email", "count": "3"}, ["ada", "Gina", "Dora"]),
            ({"sortBy": "active", "count": "1"}, ["carl"]),
            ({"filter": "active eq false"}, ["carl"]),
            ({"filter": 'groups.display eq "mdsp:core:TenantAdmin"'}, ["ada"]),
            ({"filter": 'userName sw "K" or emails.value co "NEB@"'}, ["ben", "Kim"]),
            ({"filter": 'id eq "nobody"'}, []),
            ({"subtenant": ""}, ["ada", "ben", "carl", "Dora", "emil", "Fay", "Gina", "Hugo", "ian", "Kim"]),
            ({"subtenant": "sub1"}, []),
            ({"unknown": ["a", "b"], "count": "1"}, ["ada"]),
        ],
    )  # fmt: skip
    def test_the_order_and_the_filter_are_those_of_the_query(
        self, client: APIClient, query: dict[str, Any], expected: list[str]
    ) -> None:
        page = client.get(USERS, query)
        assert names(page) == expected
        if "count" not in query:
            assert page.json()["totalResults"] == len(expected)

    @pytest.mark.parametrize(
        ("query", "members"),
        [
            ("userName", {"schemas", "id", "userName"}),
            ("USERNAME, name ,meta", {"schemas", "id", "userName", "name", "meta"}),
            ("groups", {"schemas", "id", "groups"}),
            ("nickName,name.givenName", {"schemas", "id"}),
            ("lastLogonTime", {"schemas", "id"}),
            ("emails,active,subtenants", {"schemas", "id", "emails", "active", "subtenants"}),
            ("", {"schemas", "id", "userName", "name", "emails", "groups", "active", "meta", "subtenants"}),
        ],
    )
    def test_only_the_members_that_were_asked_for_come(self, client: APIClient, query: str, members: set[str]) -> None:
        for shown in client.get(USERS, {"attributes": query}).json()["resources"]:
            assert set(shown) == members

    def test_so_do_those_of_groups(self, client: APIClient) -> None:
        for shown in client.get(GROUPS, {"attributes": "displayName"}).json()["resources"]:
            assert set(shown) == {"schemas", "id", "displayName"}

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, ["mdsp:core:TenantAdmin", "mdsp_customrole:operator", "mdsp_customrole:viewer"]),
            ({"sortOrder": "descending"},
             ["mdsp_customrole:viewer", "mdsp_customrole:operator", "mdsp:core:TenantAdmin"]),
            ({"startIndex": "2", "count": "1"}, ["mdsp_customrole:operator"]),
            ({"count": "0"}, []),
            ({"subtenant": "x"}, []),
            ({"filter": 'displayName sw "MDSP_CUSTOMROLE" and not (displayName co "view")'},
             ["mdsp_customrole:operator"]),
            ({"filter": 'created lt "2000-01-01T00:00:00Z" and version ge 2'}, []),
        ],
    )  # fmt: skip
    def test_groups_are_listed_alike(self, client: APIClient, query: dict[str, str], expected: list[str]) -> None:
        assert displays(client.get(GROUPS, query)) == expected

    @pytest.mark.parametrize("sort", ["id", "created", "lastModified"])
    def test_groups_in_another_order_are_the_same(self, client: APIClient, sort: str) -> None:
        ids = [group["id"] for group in client.get(GROUPS, {"sortBy": sort}).json()["resources"]]
        assert ids == sorted(ids)
        assert len(ids) == 3

    @pytest.mark.parametrize(
        ("query", "told"),
        [
            ({"count": "many"}, "The parameter count is a whole number."),
            ({"count": ""}, "The parameter count is a whole number."),
            ({"startIndex": "1.5"}, "The parameter startIndex is a whole number."),
            ({"startIndex": "١"}, "The parameter startIndex is a whole number."),
            ({"sortBy": "password"}, "The parameter sortBy is one of "),
            ({"sortBy": ""}, "The parameter sortBy is one of "),
            ({"sortOrder": "up"}, "The parameter sortOrder is one of ascending, descending."),
            ({"count": ["1", "1"]}, "The parameter count is given twice; give it once."),
            ({"attributes": ["id", "id"]}, "The parameter attributes is given twice; give it once."),
            ({"filter": ["email pr", "email pr"]}, "The parameter filter is given twice; give it once."),
            ({"subtenant": ["a", "b"]}, "The parameter subtenant is given twice; give it once."),
            ({"filter": ""}, "Invalid filter expression: [] The end stands where an attribute is due."),
            ({"filter": "nick pr"}, "Invalid filter expression: [nick pr] There is no attribute nick here."),
            ({"filter": "x" * 2000}, "Invalid filter expression: [xxx"),
            ({"filter": 'id eq "\\ud800"'}, 'Invalid filter expression: [id eq "\\ud800"] "\\ud800" at character 7 is'),
            ({"filter": 'id eq "\0"'}, "Invalid filter expression: ["),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("path", [USERS, GROUPS])
    def test_what_is_wrong_is_named(self, client: APIClient, path: str, query: dict[str, Any], told: str) -> None:
        assert refused(client.get(path, query), 400, "invalidParameter").startswith(told)

    def test_what_is_no_unicode_is_read_as_what_nobody_is_called(self, client: APIClient) -> None:
        assert client.get(f"{USERS}?filter=userName+eq+%22%ff%22").json()["totalResults"] == 0

    @given(st.dictionaries(
        st.sampled_from(["startIndex", "count", "sortBy", "sortOrder", "filter", "attributes", "subtenant"]),
        st.one_of(st.text(max_size=20), st.sampled_from(["1", "id", "ascending", "email pr"])), max_size=4,
    ))  # fmt: skip
    @settings(max_examples=many(60), suppress_health_check=list(HealthCheck))
    def test_no_query_is_more_than_refused(self, client: APIClient, query: dict[str, str]) -> None:
        readable = {name: value.encode("utf-8", "replace") for name, value in query.items()}
        assert client.get(USERS, readable).status_code in (200, 400)
        assert client.get(GROUPS, readable).status_code in (200, 400)

    def test_a_list_costs_the_same_however_many_there_are(self, client: APIClient) -> None:
        client.get(USERS)
        costs = []
        for path in (
            USERS, f"{USERS}?count=1", f"{USERS}?attributes=userName", f"{USERS}?filter=email+pr", f"{USERS}/me",
            GROUPS, f"{GROUPS}?count=1", f"{GROUPS}?attributes=displayName",
        ):  # fmt: skip
            with CaptureQueriesContext(connection) as asked:
                client.get(path)
            costs.append(len(asked))
        # The token, its owner, the people on the page and how many there are; the members of all groups at once.
        assert costs == [4, 4, 4, 4, 2, 3, 3, 2]


class TestDoor:
    @everywhere
    @pytest.mark.parametrize(
        "path", ["Users", "Users/{id}", "Users/me", "Groups", "Groups/{id}", "Groups/{id}/members"]
    )
    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_nothing_is_changed_here(self, db: None, base: str, path: str, method: str) -> None:
        answer = getattr(APIClient(), method)(f"{base}/{path}".format(id=uuid.uuid4()))
        assert "managed in the portal" in refused(answer, 405, "methodNotAllowed")
        assert set(answer["Allow"].split(", ")) == {"GET", "HEAD"}

    @everywhere
    @pytest.mark.parametrize("path", ["Users", "Users/{id}", "Groups", "Groups/{id}", "Groups/{id}/members"])
    def test_who_holds_another_scope_is_told_which_is_needed(
        self, rest: Callable[..., APIClient], base: str, path: str
    ) -> None:
        answer = rest(*set(Scope) - {Scope.USERS_READ}).get(f"{base}/{path}".format(id=uuid.uuid4()))
        assert "users:read" in refused(answer, 403, "forbidden")

    @pytest.mark.parametrize("path", [USERS, GROUPS, f"{USERS}/me", f"{USERS}/x", f"{GROUPS}/x"])
    def test_without_a_token_or_with_a_bad_one_nobody_is_let_in(self, db: None, path: str) -> None:
        answer = APIClient().get(path)
        refused(answer, 401, "unauthorized")
        assert answer["WWW-Authenticate"] == 'Bearer realm="gatehouse"'
        answer = APIClient(headers={"Authorization": "Bearer gate_pat_wrong"}).get(path)
        refused(answer, 401, "unauthorized")
        assert answer["WWW-Authenticate"] == 'Bearer realm="gatehouse", error="invalid_token"'

    def test_an_app_reads_with_the_scope_that_it_bought(self, buy: Callable[..., APIClient]) -> None:
        assert names(buy("main", Scope.USERS_READ).get(USERS)) == ["ada"]

    def test_an_app_without_it_does_not(self, buy: Callable[..., APIClient]) -> None:
        refused(buy("main", Scope.DEVICES_READ).get(USERS), 403, "forbidden")

    @pytest.mark.parametrize("media", ["application/json", "text/plain", "multipart/form-data", "nonsense"])
    def test_the_content_type_of_a_get_is_nobodys_business(self, client: APIClient, media: str) -> None:
        answer: Any = client.generic("GET", USERS, "{", content_type=media)
        assert names(answer) == ["ada"]

    @everywhere
    @pytest.mark.parametrize(
        "path",
        ["", "/", "/Users/", "/users", "/Users/me/", "/Groups/", "/Groups/x/", "/Groups/x/members/", "/Groups/x/member",
         "/Users/x/y", "/.", "x"],
    )  # fmt: skip
    def test_every_other_address_is_no_match(self, client: APIClient, base: str, path: str) -> None:
        for answer in (client.get(f"{base}{path}"), client.post(f"{base}{path}")):
            refused(answer, 404, "noMatch")

    @pytest.mark.parametrize("path", ["/api/im/", "/api/im/v4/Users", "/api/technicaltokenmanager/v3/",
                                      "/api/identitymanagement/v3x/Users"])  # fmt: skip
    def test_no_door_of_its_own_is_left_to_the_house(self, db: None, path: str) -> None:
        refused(Client().get(path), 404, "noMatch")

    def test_an_empty_query_is_no_query(self, client: APIClient) -> None:
        assert names(client.get(f"{USERS}?")) == ["ada"]

    def test_a_host_that_is_none_is_told_so_in_the_shape(self, db: None) -> None:
        for path in (USERS, "/api/technicaltokenmanager/v3/oauth/token"):
            refused(Client().get(path, HTTP_HOST="a b"), 400, "invalidParameter")

    def test_a_database_that_is_gone_is_told_with_when_to_come_again(self, client: APIClient) -> None:
        def gone(*args: Any) -> None:
            raise OperationalError("gone")

        with connection.execute_wrapper(gone):
            answer = client.get(USERS)
        refused(answer, 503, "serviceUnavailable")
        assert answer["Retry-After"] == "5"

    def test_a_fault_tells_nothing_but_its_id(self, client: APIClient, caplog: pytest.LogCaptureFixture) -> None:
        def broken(*args: Any) -> None:
            raise ZeroDivisionError("of no interest")

        with connection.execute_wrapper(broken):
            message = refused(client.get(USERS), 500, "internalServerError")
        assert "no interest" not in message
        assert "of no interest" in caplog.text


def test_everybody_reads_who_may_read_people_and_the_roles_say_so(make_person: Callable[..., User]) -> None:
    person = make_person("vic", Role.VIEWER)
    _, shown = issuing.issue("x", [Scope.USERS_READ], owner=person, days=1, by=Actor.person(person))
    assert names(APIClient(headers={"Authorization": f"Bearer {shown}"}).get(USERS)) == ["vic"]
