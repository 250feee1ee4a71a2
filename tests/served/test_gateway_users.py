"""Gateway users at the real doors, as seed 004 prints it: curl, Envoy, and a real service behind a route."""

import json
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.receiver import Receiver, receiving, say
from tests.served.installation import ANSWERED_WITHIN, Served, serving, settled, wait_for

pytestmark = pytest.mark.long

LOGIN = "/vault/v1/auth/userpass/login"
TOKEN = "/vault/v1/identity/oidc/token"
PING = b'{"apiVersion":"v3"}'
SERVED = say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(PING), PING))


@pytest.fixture(scope="module")
def service() -> Iterator[Receiver]:
    with receiving(answer=SERVED) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def portal(service: Receiver) -> Iterator[Served]:
    """An installation whose routes `core-data` and `core-command` lead to the service."""
    with serving(GATEHOUSE_ROUTE_TARGETS="private loopback") as served:
        scopes = ("--scope=gateway:read", "--scope=gateway:manage")
        token = served.manage("issue_token", "routes", "--owner=admin", "--days=1", *scopes).strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        _, _, content = served.ask("GET", "/api/v1/routes", None, headers)
        routes = {route["prefix"]: route["id"] for route in json.loads(content)["results"]}
        change = json.dumps({"target": f"http://127.0.0.1:{service.port}", "enabled": True})
        for prefix in ("core-data", "core-command"):
            status, _, content = served.ask("PATCH", f"/api/v1/routes/{routes[prefix]}", change, headers)
            assert status == 200, content
        served.manage("adduser", "first")
        own = served.manage("get_token", "first", "--raw").strip()
        for prefix in ("core-data", "core-command"):
            wait_for(settled(lambda prefix=prefix: ping(served, own, prefix)[0] == 200))  # type: ignore[misc]
        yield served


@pytest.fixture
def ann(portal: Served) -> Iterator[str]:
    """The password of a gateway user."""
    yield password(portal.manage("adduser", "ann"))
    portal.manage("deluser", "ann")


def password(line: str) -> str:
    return str(json.loads(line)["password"])


def curl(*words: str) -> str:
    """What curl prints, its status last."""
    done = subprocess.run(
        ["curl", "-sS", "-w", "\n%{http_code}", *words],
        capture_output=True,
        text=True,
        timeout=ANSWERED_WITHIN,
        check=True,
    )
    return done.stdout


def answered(printed: str) -> tuple[int, Any]:
    body, _, status = printed.rpartition("\n")
    return int(status), json.loads(body)


def bought(portal: Served, secret: str, name: str = "ann") -> str:
    """An access token, from the password on."""
    shown = json.dumps({"password": secret})
    status, said = answered(curl("-k", "-X", "POST", "-d", shown, f"{portal.tls_url}{LOGIN}/{name}"))
    assert status == 200, said
    header = f"X-Vault-Token: {said['auth']['client_token']}"
    status, said = answered(curl("-k", "-H", header, f"{portal.tls_url}{TOKEN}/{name}"))
    assert status == 200, said
    return str(said["data"]["token"])


def ping(portal: Served, token: str, prefix: str = "core-data") -> tuple[int, str]:
    """As it is printed in the seed, host, port and token aside: the status, and the code of a no."""
    header = f"Authorization: Bearer {token}"
    status, said = answered(curl("-k", "-H", header, f"{portal.tls_url}/{prefix}/api/v3/ping"))
    return status, said.get("code", "")


def test_the_lines_of_the_seed_work_as_they_are_printed(portal: Served, service: Receiver, ann: str) -> None:
    status, said = answered(curl("-k", f"{portal.tls_url}/core-data/api/v3/ping"))
    assert (status, said["code"]) == (401, "token_missing")
    heard = len(service.heard)
    assert ping(portal, bought(portal, ann)) == (200, "")
    assert ping(portal, portal.manage("get_token", "ann", "--raw").strip()) == (200, "")
    assert [request.path for request in service.heard[heard:]] == ["/api/v3/ping"] * 2
    assert re.fullmatch(r"[0-9a-f-]{36}", service.heard[-1].headers["x-gatehouse-subject"])
    assert "x-gatehouse-tenant" not in service.heard[-1].headers


def test_a_login_over_the_clear_door_and_with_put_is_the_same(portal: Served, ann: str) -> None:
    shown = json.dumps({"password": ann})
    for words in (("-d", shown), ("-X", "PUT", "-d", shown), ("-H", "Expect:", "--http1.1", "-d", shown)):
        status, said = answered(curl(*words, f"{portal.http_url}{LOGIN}/ANN"))
        assert (status, said["auth"]["metadata"]) == (200, {"username": "ann"})
    bearer = f"Authorization: Bearer {said['auth']['client_token']}"
    assert answered(curl("-H", bearer, f"{portal.http_url}{TOKEN}/ann"))[0] == 200


def test_a_deleted_user_is_refused(portal: Served) -> None:
    token = bought(portal, password(portal.manage("adduser", "del")), "del")
    issued = portal.manage("get_token", "del", "--raw").strip()
    assert ping(portal, token)[0] == ping(portal, issued)[0] == 200
    assert json.loads(portal.manage("deluser", "del")) == {"username": "del", "deleted": True, "tokens_revoked": 1}
    refused_soon(portal, token, issued)


def test_a_new_password_refuses_what_the_old_one_bought_and_buys_again(portal: Served, ann: str) -> None:
    token = bought(portal, ann)
    assert ping(portal, token)[0] == 200
    new = password(portal.manage("adduser", "ann"))
    refused_soon(portal, token)
    shown = json.dumps({"password": ann})
    status, said = answered(curl("-k", "-d", shown, f"{portal.tls_url}{LOGIN}/ann"))
    assert (status, said) == (400, {"errors": ["invalid username or password"]})
    assert ping(portal, bought(portal, new))[0] == 200


def refused_soon(portal: Served, *tokens: str) -> None:
    wait_for(settled(lambda: all(ping(portal, token)[0] == 401 for token in tokens)))
    assert {ping(portal, token) for token in tokens} == {(401, "token_revoked")}


def test_a_user_opens_the_routes_of_its_scopes_alone(portal: Served) -> None:
    secret = password(portal.manage("adduser", "few", "--scope", "gateway:core-data"))
    token = bought(portal, secret, "few")
    assert ping(portal, token) == (200, "")
    assert ping(portal, token, "core-command") == (403, "scope_missing")


def test_an_audience_of_somebody_else_opens_no_route(portal: Served) -> None:
    secret = password(portal.manage("adduser", "other", "--audience", "plant"))
    assert ping(portal, bought(portal, secret, "other")) == (401, "token_audience")


def test_of_two_new_passwords_at_once_one_is_good(portal: Served) -> None:
    with ThreadPoolExecutor(2) as threads:
        lines = list(threads.map(lambda _: portal.manage("adduser", "two"), range(2)))
    statuses = []
    for line in lines:
        shown = json.dumps({"password": password(line)})
        statuses.append(answered(curl("-k", "-d", shown, f"{portal.tls_url}{LOGIN}/two"))[0])
    assert sorted(statuses) == [200, 400]


class TestRefusedByTheDoorItself:
    """The door writes as the portal does there."""

    @pytest.mark.parametrize(
        ("words", "path", "status"),
        [
            ((), "/vault/%00", 400),
            (("--path-as-is",), "/vault/v1/../x", 400),
            ((), f"{TOKEN}/ann?access_token=x", 400),
            (("-H", "X-Correlation-ID: a b"), f"{TOKEN}/ann", 400),
            (("-d", "x" * 1_200_000), f"{LOGIN}/ann", 413),
            (("-d", "x" * 5000), f"{LOGIN}/ann", 413),
            ((), "/vault/v1/sys/health", 404),
            (("-X", "LIST"), f"{TOKEN}/ann", 405),
            ((), f"{TOKEN}/ann", 403),
        ],
    )
    def test_in_the_shape_of_the_original(
        self, portal: Served, tmp_path: Any, words: tuple[str, ...], path: str, status: int
    ) -> None:
        if words[:1] == ("-d",):
            file = tmp_path / "body"
            file.write_text(words[1])
            words = ("-d", f"@{file}")
        said = answered(curl(*words, portal.http_url + path))
        assert said[0] == status
        assert list(said[1]) == ["errors"]
        assert all(isinstance(each, str) for each in said[1]["errors"])
