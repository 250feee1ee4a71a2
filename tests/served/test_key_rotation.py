"""Keys and peppers rotated in a real installation of two portal processes, while devices and programs go on asking.

Time is not waited for: what a key has behind it is moved back in the database.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from tests.conftest import MenderDevice
from tests.served.installation import Served, serving, wait_for

pytestmark = pytest.mark.long

# Longer than a process remembers a ring.
KNOWN_EVERYWHERE = 2.5
COUNT, OLD = "SELECT count(*) FROM", "pepper = 'p1'"


@pytest.fixture(scope="module")
def portal() -> Iterator[Served]:
    with serving(GATEHOUSE_ENROLMENT="auto", GATEHOUSE_WEB_WORKERS="2") as ready:
        yield ready


def age(portal: Served, table: str, state: str, by: timedelta) -> None:
    """Let what is in this state have been so for longer."""
    moment = (datetime.now(UTC) - by).replace(tzinfo=None).isoformat(" ")
    with sqlite3.connect(portal.data_dir / "gatehouse.sqlite3", timeout=60) as database:
        changed = database.execute(
            f"UPDATE {table} SET changed_at = ? WHERE state = ?",
            [moment, state],
        )
    assert changed.rowcount == 1


@contextmanager
def under_load(*loads: Callable[[], None]) -> Iterator[list[int]]:
    """Repeat each load in a thread of its own all the while; one that fails fails the test. How often each ran."""
    over, ran = threading.Event(), [0] * len(loads)

    def repeat(number: int, load: Callable[[], None]) -> None:
        while not over.is_set():
            load()
            ran[number] += 1

    with ThreadPoolExecutor(len(loads)) as threads:
        futures = [threads.submit(repeat, number, load) for number, load in enumerate(loads)]
        try:
            yield ran
        finally:
            over.set()
        for future in futures:
            future.result(30)
    assert min(ran) > 10, ran


def signing_kid(portal: Served) -> str:
    status, _, body = portal.ask("GET", "/token_keys")
    assert status == 200, body
    return str(json.loads(body)["keys"][0]["kid"])


class TestSigningKey:
    @pytest.fixture
    def buy(self, portal: Served, mender_device: Callable[..., MenderDevice]) -> Callable[[], str]:
        """Buy an access token for a device."""
        device = mender_device()

        def bought() -> str:
            body, headers = device.request()
            status, _, answer = portal.ask(
                "POST",
                "/api/devices/v1/authentication/auth_requests",
                body,
                {**headers, "Content-Type": "application/json"},
            )
            assert status == 200, answer
            return answer.decode()

        return bought

    def show(self, portal: Served, token: str) -> int:
        path = "/api/devices/v1/deployments/device/deployments/next"
        return portal.ask("GET", path, headers={"Authorization": f"Bearer {token}"})[0]

    def test_no_token_is_refused_while_the_key_rotates(self, portal: Served, buy: Callable[[], str]) -> None:
        oldest = buy()
        former = signing_kid(portal)
        assert kid_of(oldest) == former

        def buy_and_show() -> None:
            before, token, after = signing_kid(portal), buy(), signing_kid(portal)
            assert kid_of(token) in (before, after), "clients look at the first published key alone"
            assert self.show(portal, token) == 204

        def show_the_oldest() -> None:
            assert self.show(portal, oldest) == 204

        with under_load(buy_and_show, buy_and_show, show_the_oldest):
            ring = ring_of(portal.manage("rotate_signing_key", "--json"))
            following = ring[1]["kid"]
            assert [key["state"] for key in ring] == ["active", "next"]
            assert ring_of(portal.manage("rotate_signing_key", "--json")) == ring
            time.sleep(KNOWN_EVERYWHERE)
            assert signing_kid(portal) == former
            age(portal, "tokens_signingkey", "next", timedelta(minutes=11))
            wait_for(lambda: signing_kid(portal) == following)
            time.sleep(KNOWN_EVERYWHERE)
        assert kid_of(buy()) == following

        age(portal, "tokens_signingkey", "retiring", timedelta(hours=25))
        wait_for(lambda: len(json.loads(portal.ask("GET", "/.well-known/jwks.json")[2])["keys"]) == 1)
        wait_for(lambda: self.show(portal, oldest) == 401)
        assert self.show(portal, buy()) == 204
        assert json.loads(portal.manage("audit_verify"))["holds"] is True

    def test_misuse_is_exit_2(self, portal: Served) -> None:
        for command in ("rotate_signing_key", "rotate_pepper"):
            ended = portal.try_to_manage(command, "--soon")
            assert (ended.returncode, ended.stdout) == (2, "")


class TestPepper:
    def test_no_api_token_is_refused_while_the_pepper_rotates(self, portal: Served) -> None:
        scopes = ("--scope=tokens:manage", "--scope=tokens:read")
        shown = [portal.manage("issue_token", name, "--owner=admin", "--days=1", *scopes).strip() for name in "abc"]
        peppers = portal.data_dir / "secrets" / "peppers"

        def call(method: str, path: str, token: str, body: Any = None) -> tuple[int, bytes]:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            status, _, answer = portal.ask(method, path, json.dumps(body) if body else None, headers)
            return status, answer

        def show() -> None:
            for token in shown:
                assert call("GET", "/api/v1/me", token)[0] == 200

        def issue_and_show() -> None:
            body = {"name": "load", "scopes": ["tokens:read"], "days": 1}
            status, answer = call("POST", "/api/v1/tokens", shown[0], body)
            assert status == 201, answer
            made = json.loads(answer)
            assert [call("GET", "/api/v1/me", made["token"])[0] for _ in range(3)] == [200] * 3
            status, answer = call("POST", f"/api/v1/tokens/{made['id']}/revoke", shown[0])
            assert status == 200, answer

        with under_load(show, issue_and_show):
            ring = ring_of(portal.manage("rotate_pepper", "--json"))
            assert [(pepper["pepper"], pepper["state"]) for pepper in ring] == [("p1", "active"), ("p2", "next")]
            assert names(peppers.read_text()) == ["p2", "p1"]
            time.sleep(KNOWN_EVERYWHERE)
            age(portal, "tokens_pepper", "next", timedelta(minutes=11))
            wait_for(lambda: number(portal, f"{COUNT} tokens_pepper WHERE id = 'p2' AND state = 'active'") == 1)
            # What moving the time back leaves out: until then a process may still make a digest under the former one.
            time.sleep(KNOWN_EVERYWHERE)
            wait_for(lambda: number(portal, f"{COUNT} tokens_apitoken WHERE revoked_at IS NULL AND {OLD}") == 0)
            wait_for(lambda: number(portal, f"{COUNT} gateway_gatewaynode WHERE {OLD}") == 0)

        age(portal, "tokens_pepper", "retiring", timedelta(minutes=11))
        with under_load(show, issue_and_show):
            ring = ring_of(portal.manage("rotate_pepper", "--json"))
            assert [pepper["pepper"] for pepper in ring] == ["p2"]
            time.sleep(KNOWN_EVERYWHERE)
            ring = ring_of(portal.manage("rotate_pepper", "--json"))
            assert [pepper["pepper"] for pepper in ring] == ["p2", "p3"]
            assert names(peppers.read_text()) == ["p3", "p2"]
            time.sleep(KNOWN_EVERYWHERE)
        assert json.loads(portal.manage("audit_verify"))["holds"] is True
        assert "Secrets under the pepper" not in portal.log


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def ring_of(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


def names(peppers: str) -> list[str]:
    return [entry.partition(":")[0] for entry in peppers.split()]


def number(portal: Served, question: str) -> int:
    with sqlite3.connect(portal.data_dir / "gatehouse.sqlite3", timeout=60) as database:
        (found,) = database.execute(question).fetchone()
    return int(found)
