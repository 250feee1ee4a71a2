"""Tenants over REST: the same rules, with pages, ETags and Idempotency-Key as everywhere."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from portal.models import AuditEvent, Tenant, User
from portal.scopes import Scope

TENANTS = "/api/v1/tenants"
NEW = {"name": "ten1", "title": "Plant 7"}


@pytest.fixture
def client(rest: Callable[..., APIClient]) -> APIClient:
    return rest(Scope.USERS_READ, Scope.USERS_MANAGE)


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    return body


def test_one_is_made_read_renamed_and_deleted(client: APIClient) -> None:
    made = client.post(TENANTS, NEW, format="json")
    assert (made.status_code, made.json(), made["Location"], made["ETag"]) == (201, NEW, f"{TENANTS}/ten1", '"1"')
    read = client.get(made["Location"])
    assert (read.status_code, read.json(), read["ETag"]) == (200, NEW, '"1"')
    assert client.get(made["Location"], headers={"If-None-Match": '"1"'}).status_code == 304
    changed = client.patch(made["Location"], {"title": "Plant 8"}, format="json", headers={"If-Match": '"1"'})
    assert (changed.json(), changed["ETag"]) == ({"name": "ten1", "title": "Plant 8"}, '"2"')
    gone = client.delete(made["Location"], headers={"If-Match": '"2"'})
    assert (gone.status_code, gone.content) == (204, b"")
    refused(client.get(made["Location"]), 404, "tenant_not_found")
    verbs = AuditEvent.objects.filter(subject_kind="tenant").order_by("number").values_list("verb", "actor_kind")
    assert list(verbs) == [("tenant.made", "token"), ("tenant.changed", "token"), ("tenant.deleted", "token")]


def test_a_title_may_be_left_out_or_empty(client: APIClient) -> None:
    assert client.post(TENANTS, {"name": "ten1"}, format="json").json() == {"name": "ten1", "title": ""}
    assert client.patch(f"{TENANTS}/main", {"title": ""}, format="json").json() == {"name": "main", "title": ""}


def test_sent_again_with_the_same_key_it_is_made_once(client: APIClient) -> None:
    first, second = (client.post(TENANTS, NEW, format="json", headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert second["Idempotency-Replayed"] == "true"
    refused(client.post(TENANTS, NEW, format="json"), 409, "tenant_exists")


def test_the_list_goes_on_page_by_page(client: APIClient) -> None:
    Tenant.objects.bulk_create([Tenant(name=f"t{number}") for number in range(5)])
    names, url = [], f"{TENANTS}?limit=2"
    while url:
        page = client.get(url).json()
        names += [tenant["name"] for tenant in page["results"]]
        url = page["next"]
    assert names == ["main", "t0", "t1", "t2", "t3", "t4"]


@pytest.mark.parametrize(
    ("sent", "member"),
    [
        ({"name": "ten-1"}, "name"),
        ({"name": "Ten1"}, "name"),
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"name": "a" * 21}, "name"),
        ({"name": "a\u0000"}, "body"),
        ({"title": "x"}, "name"),
        ({"name": "ten1", "title": "a" * 101}, "title"),
        ({"name": "ten1", "title": "a\u202eb"}, "title"),
        ({"name": "ten1", "title": None}, "title"),
        ({"name": "ten1", "owner": "x"}, "owner"),
    ],
)
def test_what_is_wrong_is_named(client: APIClient, sent: dict[str, Any], member: str) -> None:
    assert list(refused(client.post(TENANTS, sent, format="json"), 400, "invalid")["invalid"]) == [member]


@pytest.mark.parametrize("sent", [{"name": "other"}, {"title": "x", "name": "main"}, {}, {"title": 5}])
def test_the_name_stays_and_a_change_says_what(client: APIClient, sent: dict[str, Any]) -> None:
    refused(client.patch(f"{TENANTS}/main", sent, format="json"), 400, "invalid")
    assert Tenant.objects.get().name == "main"


@pytest.mark.parametrize("name", ["nobody", "TEN1", "a-b", "a" * 300, "%00", "main%0A"])
def test_one_that_is_not_there_is_not_found(client: APIClient, name: str) -> None:
    for answer in (
        client.get(f"{TENANTS}/{name}"),
        client.patch(f"{TENANTS}/{name}", {"title": "x"}, format="json"),
        client.delete(f"{TENANTS}/{name}"),
    ):
        assert answer.status_code == 404


def test_what_was_not_seen_is_not_changed(client: APIClient) -> None:
    for answer in (
        client.patch(f"{TENANTS}/main", {"title": "x"}, format="json", headers={"If-Match": '"7"'}),
        client.delete(f"{TENANTS}/main", headers={"If-Match": '"7"'}),
    ):
        refused(answer, 412, "precondition_failed")


def test_one_that_somebody_belongs_to_stays(client: APIClient) -> None:
    Tenant.objects.create(name="ten1")
    User.objects.create(username="tia", tenant_id="ten1")
    told = refused(client.delete(f"{TENANTS}/ten1"), 409, "tenant_in_use")
    assert told["error"] == "The tenant ten1 has 1 user; move or remove them first."
    refused(client.delete(f"{TENANTS}/main"), 409, "tenant_needed")


def test_reading_and_changing_need_their_scopes(rest: Callable[..., APIClient]) -> None:
    reader, manager = rest(Scope.USERS_READ), rest(Scope.USERS_MANAGE)
    assert (reader.get(TENANTS).status_code, reader.get(f"{TENANTS}/main").status_code) == (200, 200)
    assert (manager.get(TENANTS).status_code, manager.get(f"{TENANTS}/main").status_code) == (403, 403)
    assert reader.post(TENANTS, NEW, format="json").status_code == 403
    assert reader.patch(f"{TENANTS}/main", {"title": "x"}, format="json").status_code == 403
    assert reader.delete(f"{TENANTS}/main").status_code == 403
    assert manager.post(TENANTS, NEW, format="json").status_code == 201
