"""A native endpoint reads the query parameters that its document names, each once, and refuses every other."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from devices.models import Device
from portal.scopes import Scope
from tests.test_scopes import fill, paths


@pytest.fixture
def client(rest: Callable[..., APIClient], make_device: Callable[..., Device]) -> APIClient:
    make_device("press-1")
    return rest(*Scope)


def native() -> Iterator[tuple[str, str, frozenset[str]]]:
    """Method, path and the names of the query parameters of every native operation."""
    for path, methods in paths().items():
        if path.startswith("/api/v1/"):
            for method, operation in methods.items():
                named = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
                yield method.upper(), fill(path, operation), frozenset(named)


@pytest.mark.parametrize(("method", "path", "named"), list(native()))
def test_a_parameter_that_the_document_does_not_name_is_refused_and_the_known_ones_are_told(
    client: APIClient, method: str, path: str, named: frozenset[str]
) -> None:
    answer = client.generic(method, f"{path}?unheard_of=1", "{}", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert list(answer.json()["invalid"]) == ["unheard_of"]
    told = answer.json()["error"].partition("; it reads ")[2].removesuffix(".")
    assert told == (", ".join(sorted(named)) or "none")


@pytest.mark.parametrize(("method", "path", "named"), [each for each in native() if each[2]])
def test_a_parameter_that_the_document_names_is_read_and_refused_twice(
    client: APIClient, method: str, path: str, named: frozenset[str]
) -> None:
    for name in named:
        answer = client.generic(method, f"{path}?{name}=&{name}=")
        assert answer.status_code == 400
        assert answer.json()["error"] == f"'{name}' is given twice; give it once."


@pytest.mark.parametrize(
    "query", ["=", "%00=1", "%FF=1", "a" * 5000, "limit%20=3", "LIMIT=3", "status[]=pending", "&x"]
)
def test_however_strange_its_name_is_it_is_refused(client: APIClient, query: str) -> None:
    answer = client.get(f"/api/v1/devices?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_a_query_without_parameters_is_none(client: APIClient) -> None:
    assert client.get("/api/v1/devices?&&").status_code == 200


def test_head_reads_what_get_reads(client: APIClient) -> None:
    assert client.head("/api/v1/devices?status=pending").status_code == 200
    assert client.head("/api/v1/devices?unheard_of=1").status_code == 400


def test_who_may_not_ask_learns_that_first(rest: Callable[..., APIClient]) -> None:
    assert APIClient().get("/api/v1/devices?unheard_of=1").status_code == 401
    assert rest(Scope.AUDIT_READ).get("/api/v1/devices?unheard_of=1").status_code == 403


@pytest.mark.parametrize("path", ["/devices", "/denied-devices", "/api/management/v1/admission/devices"])
def test_a_dialect_ignores_what_it_does_not_know(client: APIClient, path: str) -> None:
    assert client.get(f"{path}?unheard_of=1").status_code == 200


def test_nothing_is_done_that_an_unknown_parameter_might_have_narrowed(client: APIClient) -> None:
    answer: Any = client.post("/api/v1/devices/press-1/deny?dry_run=yes")
    assert answer.status_code == 400
    assert not Device.objects.get().is_denied
