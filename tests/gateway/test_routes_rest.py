"""Routes over REST: the same yes and the same no as the rules, with revisions, keys and pages."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from gateway import route_fields, routes
from gateway.models import Route
from portal.scopes import Scope
from tests.pki import Authority

pytestmark = pytest.mark.django_db
PATH = "/api/v1/routes"
NEW = {"prefix": "line", "target": "http://10.0.0.5:59880"}


@pytest.fixture
def client(rest: Callable[..., APIClient]) -> APIClient:
    return rest(Scope.GATEWAY_READ, Scope.GATEWAY_MANAGE)


def post(client: APIClient, **facts: Any) -> Any:
    return client.post(PATH, {**NEW, **facts}, format="json")


def test_a_route_is_made_read_changed_and_deleted(client: APIClient) -> None:
    made = post(client, enabled=False, timeout_s=0)
    assert made.status_code == 201
    route = made.json()
    assert (made["Location"], made["ETag"]) == (f"{PATH}/{route['id']}", '"1"')
    assert {name: route[name] for name in ("prefix", "scope", "enabled", "timeout_s", "body_limit", "created_by")} == {
        "prefix": "line", "scope": "gateway:line", "enabled": False, "timeout_s": 0, "body_limit": 1048576,
        "created_by": "token test",
    }  # fmt: skip
    place = made["Location"]
    assert client.get(place).json() == route
    for held in ('"1"', 'W/"1"', '"7", W/"1"', '"7","1" ', "*"):
        assert client.get(place, headers={"If-None-Match": held}).status_code == 304, held
    for other in ('"7"', 'W/"11"', '"7", "8"', "1", ""):
        assert client.get(place, headers={"If-None-Match": other}).status_code == 200, other
    changed: Any = client.patch(place, {"enabled": True}, format="json", headers={"If-Match": '"1"'})
    assert (changed.status_code, changed["ETag"], changed.json()["enabled"]) == (200, '"2"', True)
    stale: Any = client.patch(place, {"retries": 0}, format="json", headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert client.delete(place, headers={"If-Match": '"1"'}).status_code == 412
    assert client.delete(place).status_code == 204
    gone: Any = client.get(place)
    assert (gone.status_code, gone.json()["code"]) == (404, "route_unknown")


@pytest.mark.parametrize(
    ("facts", "status", "code", "field"),
    [
        ({"prefix": "Api/x"}, 400, "prefix_reserved", "prefix"),
        ({"target": "http://169.254.169.254"}, 400, "target_not_allowed", "target"),
        ({"target": "http://127.0.0.1"}, 400, "target_not_allowed", "target"),
        ({"scope": "gateway:read"}, 400, "invalid", "scope"),
        ({"methods": ["TRACE"]}, 400, "invalid", "methods.0"),
        ({"timeout_s": "30"}, 400, "invalid", "timeout_s"),
        ({"rate_per_minute": 60_001}, 400, "invalid", "rate_per_minute"),
        ({"burst": 0}, 400, "invalid", "burst"),
        ({"websocket": 1}, 400, "invalid", "websocket"),
        ({"websocket_max_s": 59}, 400, "invalid", "websocket_max_s"),
        ({"websocket": True, "methods": ["POST"]}, 400, "invalid", "websocket"),
        ({"health_path": "ping"}, 400, "invalid", "health_path"),
        ({"health_path": None}, 400, "invalid", "health_path"),
        ({"cors_origins": ["*"]}, 400, "invalid", "cors_origins"),
        ({"cors_origins": [7]}, 400, "invalid", "cors_origins.0"),
        ({"cors_origins": "https://app.example"}, 400, "invalid", "cors_origins"),
        ({"cors_credentials": "yes"}, 400, "invalid", "cors_credentials"),
        ({"target_ca": "x"}, 400, "invalid", "target_ca"),
        ({"target_ca": "-----BEGIN PRIVATE KEY-----"}, 400, "invalid", "target_ca"),
        ({"origin": "command"}, 400, "invalid", "origin"),
        ({"edited": True}, 400, "invalid", "edited"),
        ({"prefix": "TAKEN"}, 409, "prefix_taken", None),
    ],
)
def test_a_no_names_its_field(client: APIClient, facts: Any, status: int, code: str, field: str | None) -> None:
    Route.objects.create(prefix="taken", target="http://10.0.0.6", scope="gateway:taken", methods=["GET"])
    before = Route.objects.count()
    answer = post(client, **facts)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert list(answer.json().get("invalid", [None])) == [field]
    assert Route.objects.count() == before


def test_a_key_that_is_sent_again_makes_no_second_route(client: APIClient) -> None:
    headers = {"Idempotency-Key": "k1"}
    first, again = (client.post(PATH, NEW, format="json", headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert Route.objects.filter(prefix=NEW["prefix"]).count() == 1


@pytest.mark.django_db(transaction=True)
def test_envoy_and_dns_are_asked_before_the_transaction_in_which_others_wait(
    client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    for module, name in ((routes, "_try"), (route_fields, "target")):
        real = getattr(module, name)

        def watched(given: Any, real: Any = real) -> Any:
            asked.append(connection.in_atomic_block)
            return real(given)

        monkeypatch.setattr(module, name, watched)
    for key in ({}, {"Idempotency-Key": "k1"}):
        assert client.post(PATH, {**NEW, "prefix": f"p{len(asked)}"}, format="json", headers=key).status_code == 201
    assert asked == [False] * 4


def test_a_key_that_is_sent_again_before_the_first_is_judged_makes_one_route(
    client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers, real, answers = {"Idempotency-Key": "k1"}, routes.plan, []

    def overtaken(*args: Any, **facts: Any) -> Route:
        monkeypatch.setattr(routes, "plan", real)
        answers.append(client.post(PATH, NEW, format="json", headers=headers))
        return real(*args, **facts)

    monkeypatch.setattr(routes, "plan", overtaken)
    answers.append(client.post(PATH, NEW, format="json", headers=headers))
    # PostgreSQL has a turn for the transaction alone, which the judgement comes before: what is kept is replayed.
    assert [answer.status_code for answer in answers] == [409 if connection.vendor == "sqlite" else 201, 201]
    assert ("Idempotency-Replayed" in answers[1]) == (connection.vendor == "postgresql")
    assert Route.objects.filter(prefix=NEW["prefix"]).count() == 1


def test_the_list_comes_in_pages(client: APIClient) -> None:
    Route.objects.all().delete()
    for number in range(3):
        Route.objects.create(prefix=f"p{number}", target="http://10.0.0.6", scope="gateway:p", methods=["GET"])
    page: Any = client.get(f"{PATH}?limit=2").json()
    assert [route["prefix"] for route in page["results"]] == ["p0", "p1"]
    assert [route["prefix"] for route in client.get(page["next"]).json()["results"]] == ["p2"]  # type: ignore[attr-defined]


def test_everything_that_may_be_said_of_a_route_is_kept_and_told(client: APIClient) -> None:
    said = {
        "rate_per_minute": 60, "burst": 5, "health_path": "/ping", "websocket": True, "websocket_max_s": 3600,
        "cors_origins": ["https://app.example"], "cors_credentials": True, "target": "https://10.0.0.5",
        "target_ca": Authority().pem,
    }  # fmt: skip
    made = post(client, **said)
    assert made.status_code == 201, made.content
    route = made.json()
    assert {name: route[name] for name in said} == said
    assert (route["origin"], route["edited"]) == ("person", False)
    changed: Any = client.patch(made["Location"], {"target": "https://10.0.0.6"}, format="json")
    expected = {**route, "target": "https://10.0.0.6", "revision": 2, "changed_at": changed.json()["changed_at"]}
    assert changed.json() == expected


def test_a_route_of_a_list_says_whether_it_was_edited(client: APIClient) -> None:
    facts = {"prefix": "listed", "target": "http://10.0.0.6", "scope": "gateway:listed", "methods": ["GET"]}
    route = Route.objects.create(origin="built_in", **facts)
    answer: Any = client.patch(f"{PATH}/{route.pk}", {"timeout_s": 5}, format="json")
    assert (answer.json()["origin"], answer.json()["edited"]) == ("built_in", True)
