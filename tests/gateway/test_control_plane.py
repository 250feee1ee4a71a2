"""The control plane as an Envoy asks it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from gateway import certificates, nodes
from gateway.models import GatewayNode
from portal.actor import Actor
from tokens import revocation
from tokens.models import Named, Revocation

pytestmark = pytest.mark.django_db
Ask = Callable[..., Any]


@pytest.fixture
def ask(root: Actor) -> Ask:
    """Poll as the local node; say what differs."""
    certificates.ensure_default(by=root)
    _, token = nodes.local(by=root)

    def poll(kind: str, held: str = "", *, names: tuple[str, ...] = (), node: str = "local", **headers: str) -> Any:
        version = {"version": {"major_number": 1, "minor_number": 40}}
        asked = {
            "version_info": held,
            "node": {"id": node, "user_agent_build_version": version},
            "resource_names": list(names),
        }
        sent = {"Authorization": f"Bearer {token}", **headers}
        return Client(headers=sent).post(f"/v3/discovery:{kind}", json.dumps(asked), content_type="application/json")

    return poll


@pytest.mark.parametrize(
    ("kind", "names", "found"),
    [
        ("listeners", (), ["http", "tls", "devices"]),
        ("clusters", (), ["portal"]),
        ("routes", ("doors",), ["doors"]),
        ("routes", ("device_door",), ["device_door"]),
        ("secrets", ("door",), ["door"]),
        ("secrets", ("device_cas",), ["device_cas"]),
        ("secrets", ("other",), []),
        ("extension_configs", ("access_token",), ["access_token"]),
        ("extension_configs", ("revocations",), ["revocations"]),
    ],
)
def test_each_type_is_sent_once_and_then_held(ask: Ask, kind: str, names: tuple[str, ...], found: list[str]) -> None:
    answer = ask(kind, names=names)
    sent = answer.json()
    assert answer.status_code == 200
    assert [resource["name"] for resource in sent["resources"]] == found
    assert all(resource["@type"] == sent["type_url"] for resource in sent["resources"])
    again = ask(kind, sent["version_info"], names=names)
    assert (again.status_code, again.content) == (304, b"")
    assert GatewayNode.objects.get().envoy_version == "1.40.0"


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"kind": "listeners", "Authorization": "Bearer x"}, 401, "node_token_refused"),
        ({"kind": "listeners", "Authorization": ""}, 401, "node_token_refused"),
        ({"kind": "listeners", "node": "remote"}, 403, "node_mismatch"),
        ({"kind": "runtimes"}, 404, "type_unknown"),
    ],
)
def test_refusals(ask: Ask, wrong: dict[str, str], status: int, code: str) -> None:
    answer = ask(**wrong)
    said = answer.json()
    assert (answer.status_code, said["code"]) == (status, code)
    assert said["request_id"] == answer["X-Request-Id"]
    assert ("WWW-Authenticate" in answer) == (status == 401)


@pytest.mark.parametrize("body", ["", "[", "[]", "null", '"x"', '{"node": 1}', '{"node": {"id": []}}', "[" * 100_000])
def test_bodies_that_are_no_request_are_refused(root: Actor, body: str) -> None:
    _, token = nodes.local(by=root)
    client = Client(headers={"Authorization": f"Bearer {token}"})
    answer = client.post("/v3/discovery:listeners", body, content_type="application/json")
    assert answer.status_code in (400, 403)


@pytest.mark.parametrize(
    "odd",
    [{"resource_names": 5}, {"resource_names": {"a": 1}}, {"resource_names": [{}]}, {"version_info": {}},
     {"node": {"id": "local", "user_agent_build_version": "1"}}],
)  # fmt: skip
def test_members_of_another_shape_are_no_fault(root: Actor, odd: dict[str, Any]) -> None:
    _, token = nodes.local(by=root)
    client = Client(headers={"Authorization": f"Bearer {token}"})
    body = json.dumps({"node": {"id": "local"}, **odd})
    assert client.post("/v3/discovery:secrets", body, content_type="application/json").status_code < 500


def test_nothing_is_remembered_for_names_that_are_nobodys(ask: Ask) -> None:
    for number in range(3):
        assert ask("secrets", names=("door", f"x{number}")).status_code == 200
    assert list(GatewayNode.objects.get().offered) == ["secrets/door"]


def test_other_methods_are_not_served(ask: Ask) -> None:
    answer = Client().get("/v3/discovery:listeners")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_without_a_database_a_node_keeps_what_it_holds(ask: Ask) -> None:
    with broken_database():
        answer = ask("listeners")
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert answer["Retry-After"]


@pytest.mark.parametrize(
    ("kind", "names", "queries"), [("listeners", (), 1), ("clusters", (), 2), ("routes", ("doors",), 2)]
)
def test_a_poll_with_nothing_new_reads_the_node_and_the_routes_and_builds_nothing(
    ask: Ask, django_assert_num_queries: Callable[..., Any], kind: str, names: tuple[str, ...], queries: int
) -> None:
    held = ask(kind, names=names).json()["version_info"]
    ask(kind, held, names=names)
    with django_assert_num_queries(queries):
        assert ask(kind, held, names=names).status_code == 304


def test_what_is_revoked_reaches_every_node_and_what_is_taken_back_leaves_it(ask: Ask) -> None:
    def held() -> str:
        return json.dumps(ask("extension_configs", names=("revocations",)).json()["resources"])

    assert "app1" not in held()
    revocation.refuse(Named.SUBJECT, ["ten1-app1-v1.0.0"])
    revocation.refuse(Named.GRANT, ["k3v9q2m8x1ab.1"])
    assert "ten1-app1-v1.0.0" in held()
    assert "k3v9q2m8x1ab.1" in held()
    revocation.take_back("ten1-app1-v1.0.0")
    assert "ten1-app1-v1.0.0" not in held()
    assert "k3v9q2m8x1ab.1" in held()


def test_what_commits_late_under_a_lower_key_reaches_the_nodes_too(ask: Ask) -> None:
    def held() -> str:
        return json.dumps(ask("extension_configs", names=("revocations",)).json()["resources"])

    until = timezone.now() + timedelta(hours=1)
    for key in (1, 3):
        Revocation.objects.create(pk=key, kind=Named.SUBJECT, value=f"ten1-app{key}-v1.0.0", until=until)
    assert "ten1-app3-v1.0.0" in held()
    revocation.take_back("ten1-app1-v1.0.0")
    Revocation.objects.create(pk=2, kind=Named.SUBJECT, value="ten1-app2-v1.0.0", until=until)
    assert "ten1-app2-v1.0.0" in held()
    assert "ten1-app1-v1.0.0" not in held()


@contextmanager
def broken_database() -> Iterator[None]:
    def fail(*call: Any) -> None:
        raise OperationalError("the database is gone")

    with connection.execute_wrapper(fail):
        yield
