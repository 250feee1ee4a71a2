"""Two hosts and a third Envoy over one PostgreSQL: a host and an Envoy are killed under load, and nothing is lost."""

import base64
import http.client
import itertools
import json
import os
import signal
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests import postgres
from tests.receiver import Receiver, receiving, say
from tests.served.installation import ANSWERED_WITHIN, Served, folder, wait_for
from tests.served.test_remote_nodes import Portal, Remote

pytestmark = pytest.mark.long

ANSWER = say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
KEY = base64.urlsafe_b64encode(os.urandom(32)).decode()
SCOPES = ("gateway:read", "gateway:manage", "gateway:*", "apps:read", "apps:manage", "webhooks:manage", "audit:read")
JSON = {"Content-Type": "application/json"}
# A request that a host took with it is asked again elsewhere.
ASKED_AGAIN_FOR = 60.0


@pytest.fixture(scope="module")
def service() -> Iterator[Receiver]:
    with receiving(answer=ANSWER) as ready:
        yield ready


@pytest.fixture(scope="module")
def webhooks() -> Iterator[Receiver]:
    with receiving() as ready:
        yield ready


@pytest.fixture(scope="module")
def hosts() -> Iterator[list[Served]]:
    """Two hosts with a portal, a worker and an Envoy each, as the README says; nothing is shared but the database."""
    with postgres.running() as url, folder() as path, ExitStack() as running:
        shared = {
            "GATEHOUSE_DATABASE_URL": url,
            "GATEHOUSE_SECRET_KEY": f"scale-out-{KEY}",
            "GATEHOUSE_MASTER_KEY": KEY,
            "GATEHOUSE_PEPPERS": f"p1:{KEY}",
            "GATEHOUSE_PUBLIC_URL": "https://gate.example:8443",
            "GATEHOUSE_ROUTE_TARGETS": "private loopback",
        }
        both = [Served(path / name / "data", **shared, GATEHOUSE_NODE=name) for name in ("hall-1", "hall-2")]
        for host in both:
            host.start()  # Both at once: the database is migrated by one of them.
            running.callback(host.cool_down)
            running.callback(host.stop)
        for host in both:
            host.wait_ready()
        yield both


@pytest.fixture(scope="module")
def third(hosts: list[Served], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    """An Envoy alone, which asks the second host."""
    portal = Portal(hosts[1])
    node = Remote(portal, tmp_path_factory.mktemp("third") / "hall-3", "hall-3", "127.0.0.2")
    return node


class Doors:
    """The three doors as a client that knows all of them: it asks the next one where one does not answer."""

    def __init__(self, hosts: list[Served], third: Remote) -> None:
        self.hosts, self.third = hosts, third
        self.context = ssl.create_default_context(cadata=third.certificate())

    def connection(self, number: int) -> http.client.HTTPConnection:
        if number < len(self.hosts):
            return http.client.HTTPConnection("127.0.0.1", self.hosts[number].http_port, timeout=ANSWERED_WITHIN)
        return http.client.HTTPSConnection(
            self.third.bind, self.third.port, timeout=ANSWERED_WITHIN, context=self.context
        )

    def ask(
        self, numbers: Iterator[int], method: str, path: str, body: Any, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        """The first answer that is none of a door whose portal or service is away."""
        end, said = time.monotonic() + ASKED_AGAIN_FOR, (0, b"")
        while time.monotonic() < end:
            connection = self.connection(next(numbers))
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                said = (answer.status, answer.read())
                # What the portal that went has not quite done yet is not to be asked for anew for a moment.
                if answer.status < 500 and b'"idempotency_in_progress"' not in said[1]:
                    return said
                time.sleep(0.05)
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
            finally:
                connection.close()
        return said


class Load:
    """What programs do until told to stop: they call a route, and register apps, each under a key of its own."""

    def __init__(self, doors: Doors, access_token: str, api_token: str) -> None:
        self.doors, self.stop = doors, threading.Event()
        self.authorized = {"Authorization": f"Bearer {access_token}"}
        self.programs = {"Authorization": f"Bearer {api_token}", **JSON}
        self.called, self.registered, self.lost = [0], set[str](), list[tuple[int, bytes]]()
        self.names = itertools.count(1)
        acts = [*[self.call] * 4, *[self.register] * 2]
        self.threads = [threading.Thread(target=self.repeat, args=(act, n)) for n, act in enumerate(acts)]

    def repeat(self, act: Callable[[int], None], number: int) -> None:
        while not self.stop.is_set():
            act(number)

    def call(self, number: int) -> None:
        turn = itertools.cycle([(number + step) % 3 for step in range(3)])
        status, content = self.doors.ask(turn, "GET", "/line/x", None, self.authorized)
        if (status, content) != (200, b"ok"):
            self.lost.append((status, content))
        self.called[0] += 1

    def register(self, number: int) -> None:
        name = f"app{next(self.names)}"
        turn = itertools.cycle([number % 2, (number + 1) % 2])
        body = json.dumps({"name": name})
        status, content = self.doors.ask(
            turn, "POST", "/api/v1/apps", body, {**self.programs, "Idempotency-Key": f"once-{name}"}
        )
        if status != 201:
            self.lost.append((status, content))
        self.registered.add(name)

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()


def kill(host: Served) -> None:
    """As when the power of the whole host fails."""
    for pid in [host.process.pid, *host.children()]:
        os.kill(pid, signal.SIGKILL)
    host.process.wait()


def test_a_host_and_an_envoy_are_killed_under_load_and_nothing_is_lost(
    hosts: list[Served], third: Remote, service: Receiver, webhooks: Receiver
) -> None:
    first, second = hosts
    portal = Portal(second)
    portal.api_token = portal.issue("story", *SCOPES)
    portal.rest("POST", "/webhooks", {"name": "story", "url": webhooks.url, "topics": ["app.registered"]}, status=201)
    portal.rest("POST", "/routes", {"prefix": "line", "target": f"http://127.0.0.1:{service.port}"}, status=201)
    access_token = portal.access_token(portal.api_token)
    envoy = third.start()
    try:
        third.wait_open()
        doors = Doors(hosts, third)
        authorized = {"Authorization": f"Bearer {access_token}"}
        for number in range(3):
            wait_for(lambda: doors.ask(itertools.repeat(number), "GET", "/line/x", None, authorized)[0] == 200)  # noqa: B023
        with Load(doors, access_token, portal.api_token) as load:
            wait_for(lambda: len(load.registered) >= 20)
            kill(first)
            registered = len(load.registered)
            wait_for(lambda: len(load.registered) >= registered + 20)
            envoy.kill()
            envoy.wait()
            called = load.called[0]
            wait_for(lambda: load.called[0] >= called + 50)
            first.start()
            envoy = third.start()
            first.wait_ready()
            third.wait_open()
            registered = len(load.registered)
            wait_for(lambda: len(load.registered) >= registered + 20)
        assert load.lost == []
        kept = {each["name"] for each in everything(portal, "/apps")}
        assert kept == load.registered
        told = list(everything(portal, "/audit?verb=app.registered"))
        assert sorted(each["subject_id"] for each in told) == sorted(load.registered)
        assert json.loads(second.manage("audit_verify"))["holds"] is True
        wait_for(lambda: {each.json["data"]["app"] for each in webhooks.heard} == load.registered)
        assert len({each.message for each in webhooks.heard}) == len(load.registered)
        nodes = {each["name"]: each["kind"] for each in portal.rest("GET", "/nodes")["results"]}
        assert nodes == {"hall-1": "local", "hall-2": "local", "hall-3": "remote"}
    finally:
        envoy.kill()
        envoy.wait()


def everything(portal: Portal, path: str) -> list[dict[str, Any]]:
    """All pages of a list."""
    found, here = [], f"{path}{'&' if '?' in path else '?'}limit=500"
    while here:
        page = portal.rest("GET", here)
        found += page["results"]
        here = page["next"].partition("/api/v1")[2] if page["next"] else ""
    return found


def test_what_is_revoked_at_one_host_is_refused_at_every_door(hosts: list[Served], third: Remote) -> None:
    portal = Portal(hosts[1])
    owner = Portal(hosts[0])
    issued = json.loads(
        hosts[0].manage("issue_token", "short", "--owner=admin", "--days=1", "--scope=gateway:*", "--json")
    )
    access_token = owner.access_token(issued["token"])
    envoy = third.start()
    try:
        third.wait_open()
        doors = Doors(hosts, third)
        authorized = {"Authorization": f"Bearer {access_token}"}

        def answers() -> set[int]:
            asks = (doors.ask(itertools.repeat(number), "GET", "/line/x", None, authorized) for number in range(3))
            return {status for status, _ in asks}

        wait_for(lambda: answers() == {200})
        portal.api_token = portal.issue("ending", "tokens:manage")
        portal.rest("POST", f"/tokens/{issued['id']}/revoke")
        wait_for(lambda: answers() == {401})
    finally:
        envoy.kill()
        envoy.wait()
