"""Every operation in the OpenAPI asks for the scope that it names, and for no other."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from portal.scopes import Scope
from tests.documents import document

# Fits every pattern of a path parameter that is text.
SOME_ID = "a" * 12
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


def paths() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = document()["paths"]
    return found


def fill(path: str, operation: dict[str, Any]) -> str:
    """The path with a value for each of its parameters."""
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            shape = parameter["schema"]
            uuid = "00000000-0000-4000-8000-000000000000" if shape.get("format") == "uuid" else SOME_ID
            is_number = shape.get("type") == "integer" or shape.get("pattern", "").startswith("^[0-9]")
            path = path.replace(f"{{{parameter['name']}}}", "1" if is_number else uuid)
    assert "{" not in path
    return path


def operations() -> Iterator[tuple[str, str, str]]:
    """Those that take our API tokens: method, path and the scope that stands in the document."""
    for path, methods in paths().items():
        for method, operation in methods.items():
            for requirement in operation.get("security", []):
                for scope in requirement.get("bearer", []):
                    yield method.upper(), fill(path, operation), scope


def test_the_document_names_a_scope_for_nearly_everything() -> None:
    """The walk below would pass if the document named none."""
    assert len(list(operations())) >= 14
    assert {scope for _, _, scope in operations()} <= set(Scope)


@pytest.mark.parametrize(("method", "path", "scope"), list(operations()))
def test_an_operation_opens_to_its_own_scope_alone(
    rest: Callable[..., APIClient], method: str, path: str, scope: str
) -> None:
    def answer(client: APIClient) -> Any:
        return client.generic(method, path, "{}", content_type="application/json")

    nobody = answer(APIClient())
    assert nobody.status_code == 401
    assert 'Bearer realm="gatehouse"' in nobody["WWW-Authenticate"]
    others = answer(rest(*(other for other in Scope if other != scope)))
    assert others.status_code == 403
    assert scope in others.content.decode()
    assert f'scope="{scope}"' in others["WWW-Authenticate"]
    own = answer(rest(Scope(scope)))
    assert own.status_code not in (401, 403)
    assert own.status_code < 500


def test_where_any_token_will_do_one_is_needed(rest: Callable[..., APIClient]) -> None:
    open_to_any = [
        (method.upper(), fill(path, operation))
        for path, methods in paths().items()
        for method, operation in methods.items()
        if {"bearer": []} in operation.get("security", [])
    ]
    assert ("GET", "/api/v1/me") in open_to_any
    for method, path in open_to_any:
        nobody = APIClient().generic(method, path)
        assert (nobody.status_code, nobody["WWW-Authenticate"].partition(" ")[0]) == (401, "Bearer")
        assert rest(Scope.METRICS_READ).generic(method, path).status_code == 200


@pytest.mark.parametrize("path", paths())
def test_a_method_that_is_not_served_is_a_405_that_names_the_served_ones(db: None, path: str) -> None:
    served = {method.upper() for method in paths()[path]}
    address = fill(path, next(iter(paths()[path].values())))
    unserved = [*sorted(METHODS - served), "TRACE", "INITIAL", "DISPATCH", "GET_OBJECT"]
    unserved += [*map(str.lower, sorted(served)), *map(str.title, sorted(served)), "options", "head"]
    if path.startswith("/api/v1/"):
        unserved.append("OPTIONS")  # Some dialects answer it.
    for method in unserved:
        answer = APIClient().generic(method, address)
        assert answer.status_code == 405, method
        assert set(answer["Allow"].split(", ")) - {"HEAD", "OPTIONS"} == served
        assert answer.json().get("error") or answer.json()["errors"]


def test_no_address_of_programs_redirects(db: None) -> None:
    """Neither one that is served, nor one above it or with a slash more: a trailing slash is another path."""
    served = {fill(path, next(iter(methods.values()))) for path, methods in paths().items()}
    above = {"/".join(path.split("/")[:length]) for path in served for length in range(2, path.count("/") + 1)}
    above |= {"/api/im", "/api/im/v3", "/api/devices", "/api/devices/v1", "/a.service"}
    assert {"/api", "/api/v1", "/api/management", "/api/technicaltokenmanager", "/vault", "/oauth"} <= above
    for path in sorted(served | above):
        for method in ("GET", "POST"):
            assert APIClient().generic(method, path)["Content-Type"] == "application/json", path
            answer = APIClient().generic(method, f"{path}/")
            assert (answer.status_code, answer["Content-Type"]) == (404, "application/json"), path


def test_a_page_without_its_slash_redirects_to_it(db: None) -> None:
    assert Client().get("/portal")["Location"] == "/portal/"
    assert Client().get("/portal/login")["Location"] == "/portal/login/"
