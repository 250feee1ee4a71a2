"""The control plane as an Envoy asks it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from gateway import certificates, nodes
from gateway.models import GatewayNode
from portal.actor import Actor

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


def test_other_methods_are_not_served(ask: Ask) -> None:
    answer = Client().get("/v3/discovery:listeners")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_without_a_database_a_node_keeps_what_it_holds(ask: Ask) -> None:
    with broken_database():
        answer = ask("listeners")
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert answer["Retry-After"]


def test_a_poll_with_nothing_new_reads_the_node_and_builds_nothing(
    ask: Ask, django_assert_num_queries: Callable[..., Any]
) -> None:
    held = ask("routes", names=("doors",)).json()["version_info"]
    ask("routes", held, names=("doors",))
    with django_assert_num_queries(1):
        assert ask("routes", held, names=("doors",)).status_code == 304


@contextmanager
def broken_database() -> Iterator[None]:
    def fail(*call: Any) -> None:
        raise OperationalError("the database is gone")

    with connection.execute_wrapper(fail):
        yield
