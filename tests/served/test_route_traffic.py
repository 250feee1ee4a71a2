"""What a real Envoy counts of a real service's answers: as many as were asked, whoever is killed meanwhile."""

import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.served.installation import Served, serving, wait_for

READ = "from gateway import route_traffic; route_traffic.read()"


class Service(BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def service() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


class Line:
    """An installation with a route `line`, and a token for it."""

    def __init__(self, served: Served, port: int) -> None:
        self.served = served
        scopes = [f"--scope={scope}" for scope in ("gateway:read", "gateway:manage", "gateway:line")]
        self.token = served.manage("issue_token", "line", "--owner=admin", "--days=1", *scopes).strip()
        bought = self.rest("POST", "/access-tokens", {"scopes": ["gateway:line"]})
        self.access = {"Authorization": f"Bearer {bought['access_token']}"}
        wanted = {"prefix": "line", "target": f"http://127.0.0.1:{port}", "health_path": "/204"}
        self.number = self.rest("POST", "/routes", wanted)["id"]
        wait_for(lambda: self.status("/line/201") == 201)
        self.asked = 1
        # A brand-new route may have been answered before its service was known, which is counted too.
        self.traffic()
        self.before = self.counts()

    def rest(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        status, _, content = self.served.ask(method, f"/api/v1{path}", json.dumps(body) if body else None, headers)
        assert status in (200, 201), content
        return json.loads(content)

    def status(self, path: str, headers: dict[str, str] | None = None) -> int:
        return self.served.ask("GET", path, None, self.access if headers is None else headers)[0]

    def ask(self, *statuses: int) -> None:
        for status in statuses:
            assert self.status(f"/line/{status}") == status

    def traffic(self) -> Any:
        """What is told once it has been read from Envoy, as the worker does each minute."""
        self.served.manage("shell", "-v0", "-c", READ)
        return self.rest("GET", f"/routes/{self.number}/traffic")

    def counts(self) -> tuple[int, int, int]:
        with sqlite3.connect(self.served.data_dir / "gatehouse.sqlite3") as database:
            sums = database.execute(
                "SELECT sum(requests), sum(client_errors), sum(server_errors) FROM gateway_routetraffic"
            )
            return tuple(number or 0 for number in sums.fetchone())  # type: ignore[return-value]

    def new(self) -> tuple[int, int, int]:
        now = self.counts()
        return now[0] - self.before[0], now[1] - self.before[1], now[2] - self.before[2]


@pytest.fixture(scope="module")
def line(service: int) -> Iterator[Line]:
    with serving(GATEHOUSE_ROUTE_TARGETS="private loopback") as served:
        yield Line(served, service)


def test_as_many_are_counted_as_the_service_answered(line: Line) -> None:
    line.ask(200, 200, 404, 410, 500, 200)
    assert line.status("/line/200", {}) == 401
    line.traffic()
    assert line.new() == (6, 2, 1)
    line.traffic()
    assert line.new() == (6, 2, 1)


def test_how_long_they_took_and_that_the_service_is_well_is_told(line: Line) -> None:
    def told() -> bool:
        traffic = line.traffic()
        return traffic["health"] == "healthy" and traffic["median_ms"] is not None and traffic["p95_ms"] < 10_000

    # Envoy sums the times up every 5 s.
    wait_for(told)


def test_a_worker_that_starts_anew_reads_what_is_new_once(line: Line) -> None:
    before = line.new()
    line.ask(200, 404)
    [worker] = line.served.children("run_worker")
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: line.new()[0] == before[0] + 2)
    assert line.new() == (before[0] + 2, before[1] + 1, before[2])


def test_an_envoy_that_starts_anew_is_counted_from_nothing(line: Line) -> None:
    line.traffic()
    before = line.new()
    [envoy] = line.served.children("bootstrap.json")
    os.kill(envoy, signal.SIGKILL)

    def serves() -> bool:
        try:
            return line.status("/line/201") == 201
        except OSError:
            return False

    wait_for(serves)
    line.traffic()
    # What was answered while the service was not known yet is counted too, as the gateway's own failures.
    grown = line.new()
    assert grown[0] - before[0] - (grown[2] - before[2]) == 1
    line.ask(*[200] * 3, 404)
    line.traffic()
    assert (line.new()[0] - grown[0], line.new()[1] - grown[1], line.new()[2] - grown[2]) == (4, 1, 0)


def test_a_service_that_is_gone_is_failing(line: Line, service: int) -> None:
    wanted = {"prefix": "gone", "target": "http://127.0.0.1:9", "health_path": "/200"}
    number = line.rest("POST", "/routes", wanted)["id"]
    lost = line.rest("POST", "/routes", {"prefix": "lost", "target": "http://no-such-host:1"})["id"]
    wait_for(lambda: line.rest("GET", f"/routes/{number}/traffic")["health"] == "failing")
    wait_for(lambda: line.rest("GET", f"/routes/{lost}/traffic")["health"] == "unresolved")
