"""What a token costs: our endpoint against django-oauth-toolkit's, failures against successes, and a rotation."""

import base64
import json
import os
import random
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.door import beside
from tests.bench.figures import CannotRun, Figure, bench
from tests.bench.inside import toolkit_client
from tests.bench.installation import ROOT, Installation, answers, free_ports, installation, scratch
from tests.bench.load import per_second

PATH = "/api/technicaltokenmanager/v3/oauth/token"
CONNECTIONS, ROUNDS, SECONDS = 8, 5, 3
SLOW_SECONDS = 10
ASKED = {"appName": "app1", "appVersion": "v1.0.0", "hostTenant": "main", "userTenant": "main"}
BODY = json.dumps(ASKED)
SCOPES = ("apps:manage", "credentials:manage", "credentials:rotate-own", "users:read")
SAMPLES = 2000


@dataclass(frozen=True)
class Credentials:
    """What was issued, and how it is shown."""

    id: str
    client_id: str
    secret: str

    def headers(self, **more: str) -> dict[str, str]:
        key = base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()
        return {"X-SPACE-AUTH-KEY": f"Bearer {key}", "Content-Type": "application/json", **more}


@bench
def token_endpoint() -> Iterator[Figure]:
    """Ours and the toolkit's behind the same app server with the same options, turn by turn."""
    with installation() as portal, beside(portal) as ours, scratch() as folder:
        headers = issued(portal).headers()
        with toolkit(portal, folder, fast=True) as fast, toolkit(portal, folder, fast=False) as slow:
            asks: dict[str, Callable[..., float]] = {
                "ours": partial(per_second, ours + PATH, headers, body=BODY),
                "fast": partial(per_second, fast, toolkit_client.HEADERS, body=toolkit_client.BODY),
            }
            for ask in asks.values():
                ask(connections=CONNECTIONS, seconds=1)
            rounds = [
                {name: ask(connections=CONNECTIONS, seconds=SECONDS) for name, ask in asks.items()}
                for _ in range(ROUNDS)
            ]
            default = per_second(
                slow, toolkit_client.HEADERS, connections=2, seconds=SLOW_SECONDS, body=toolkit_client.BODY
            )
    rate = median(one["ours"] for one in rounds)
    yield Figure("token endpoint, ours per second", round(rate))
    yield Figure(
        "token endpoint, the toolkit's with a fast hasher per second", round(median(r["fast"] for r in rounds))
    )
    yield Figure("token endpoint, the toolkit's with its default hasher per second", round(default, 2))
    ratio = median(one["ours"] / one["fast"] for one in rounds)
    yield Figure("token endpoint, ours to the toolkit's with a fast hasher", round(ratio, 2), at_least=2.5)
    yield Figure("token endpoint, ours to the toolkit's with its default hasher", round(rate / default), at_least=150)


@bench
def failed_tokens() -> Iterator[Figure]:
    """What a wrong secret costs, whether it can be told from an unknown client, and what a flood does to others."""
    with installation() as portal, beside(portal) as direct:
        good = issued(portal)
        wrong = Credentials("", good.client_id, another(portal).secret)
        unknown = Credentials("", "main-nobody-v1.0.0", wrong.secret)
        took = alternately(direct, {"good": good, "wrong": wrong, "unknown": unknown}, expected=(200, 401, 429))
        for name, times in took.items():
            yield Figure(f"token request, {name}, median of {SAMPLES}", round(median(times) * 1e6), "µs")
        yield Figure(
            "token request, an unknown client to a wrong secret, medians",
            round(median(took["unknown"]) / median(took["wrong"]), 3),
        )
        failed = median(took["wrong"]) / median(took["good"])
        yield Figure("token request, a failed one to a good one", round(failed, 2), below=1.0001)
        alone = paced(direct, good, per_second=100, seconds=8)
        with flood(direct, wrong, per_second=1000) as sent:
            beside_flood = paced(direct, good, per_second=100, seconds=8)
        yield Figure("token requests, wrong ones a second of one address", round(sent()))
        yield Figure("token requests of another address, p99 alone", round(alone * 1000, 1), "ms")
        yield Figure("token requests of another address, p99 beside them", round(beside_flood * 1000, 1), "ms")
        yield Figure(
            "token requests of another, p99 beside a flood to alone", round(beside_flood / alone, 2), below=1.5
        )


@bench
def rotation_under_load() -> Iterator[Figure]:
    """200 token requests a second with both secrets, while one is rotated out and the overlap is ended."""
    with installation() as portal:
        first = issued(portal)
        stop, failures, number = threading.Event(), [], [0]
        second = rotated(portal, first)
        live = {"old": first, "new": second}
        threads = [
            threading.Thread(target=asking, args=(portal.url, live, name, 100, stop, failures, number)) for name in live
        ]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        for _ in range(4):
            time.sleep(2)
            live["old"] = live["new"]  # The program with the old secret moves on, then the overlap ends.
            time.sleep(1)
            call(portal, f"credentials/{first.id}/end-overlap", {"confirm": True})
            live["new"] = rotated(portal, first)
        took = time.monotonic() - began
        stop.set()
        for thread in threads:
            thread.join()
    yield Figure("rotation under load, token requests per second", round(number[0] / took))
    yield Figure("rotation under load, failed requests", len(failures), below=1)


def asking(
    url: str, live: Mapping[str, Credentials], name: str, rate: int, stop: threading.Event, failures: list[int],
    number: list[int],
) -> None:  # fmt: skip
    """Ask steadily with the secret that the program has at the moment."""
    line, due = connected(url), time.monotonic()
    while not stop.is_set():
        due += 1 / rate
        time.sleep(max(0, due - time.monotonic()))
        if (status := ask(line, live[name])) != 200:
            failures.append(status)
        number[0] += 1


def alternately(url: str, who: Mapping[str, Credentials], *, expected: tuple[int, ...]) -> dict[str, list[float]]:
    """How long each takes, in turn, each time from another address, so that none is slowed down.

    The order changes: what comes after a success takes a few microseconds longer than what comes after a failure.
    """
    line, order = connected(url), list(who.items())
    took: dict[str, list[float]] = {name: [] for name in who}
    for turn in range(SAMPLES):
        random.shuffle(order)
        for name, shown in order:
            address = f"10.{turn % 200}.{turn // 200}.{len(name)}"
            began = time.perf_counter()
            status = ask(line, shown, **{"X-Forwarded-For": address})
            took[name].append(time.perf_counter() - began)
            if status not in expected:
                raise CannotRun(f"a {name} token request was answered with {status}")
    return took


def paced(url: str, shown: Credentials, *, per_second: int, seconds: int) -> float:
    """The p99 of requests that come steadily."""
    line, took, due = connected(url), [], time.monotonic()
    for _ in range(per_second * seconds):
        due += 1 / per_second
        time.sleep(max(0, due - time.monotonic()))
        began = time.perf_counter()
        if ask(line, shown, **{"X-Forwarded-For": "192.0.2.1"}) != 200:
            raise CannotRun("a good token request failed")
        took.append(time.perf_counter() - began)
    return sorted(took)[len(took) * 99 // 100]


@contextmanager
def flood(url: str, shown: Credentials, *, per_second: int) -> Iterator[Callable[[], float]]:
    """So many wrong requests a second of one address, from a process of their own; how many there were."""
    command = [sys.executable, "-m", "tests.bench.inside.flood", url, PATH, str(per_second)]
    sent = {"headers": shown.headers(**{"X-Forwarded-For": "198.51.100.9"}), "body": BODY}
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    process.stdin.write(json.dumps(sent) + "\n")
    process.stdin.flush()
    rate: list[float] = []
    try:
        time.sleep(0.5)
        yield lambda: rate[0]
    finally:
        process.terminate()
        told, _ = process.communicate(timeout=20)
        rate.append(float(told or 0))


def connected(url: str) -> HTTPConnection:
    return HTTPConnection(url.removeprefix("http://"), timeout=30)


def ask(line: HTTPConnection, shown: Credentials, **headers: str) -> int:
    line.request("POST", PATH, BODY, shown.headers(**headers))
    answer = line.getresponse()
    answer.read()
    return answer.status


def issued(portal: Installation) -> Credentials:
    """New credentials of app1, which is registered."""
    call(portal, "apps", {"name": "app1"})
    call(portal, "apps/app1/versions", {"version": "v1.0.0", "scopes": ["users:read"]})
    return shown_once(call(portal, "credentials", {"app": "app1", "version": "v1.0.0", "scopes": ["users:read"]}))


def another(portal: Installation) -> Credentials:
    wanted = {"app": "app1", "version": "v1.0.0", "scopes": ["users:read"], "instance": "b"}
    return shown_once(call(portal, "credentials", wanted))


def rotated(portal: Installation, present: Credentials) -> Credentials:
    return shown_once(call(portal, f"credentials/{present.id}/rotate", {}))


def shown_once(answer: Mapping[str, Any]) -> Credentials:
    return Credentials(answer["id"], answer["client_id"], answer["secret"])


_tokens: dict[Path, str] = {}


def call(portal: Installation, path: str, sent: Mapping[str, Any]) -> Any:
    """The answer of the portal's own REST to an administrator's program."""
    if portal.data not in _tokens:
        scopes = [f"--scope={scope}" for scope in SCOPES]
        _tokens[portal.data] = portal.manage("issue_token", "bench", "--owner=admin", *scopes, "--days=1").strip()
    headers = {"Authorization": f"Bearer {_tokens[portal.data]}", "Content-Type": "application/json"}
    asked = urllib.request.Request(f"{portal.url}/api/v1/{path}", json.dumps(sent).encode(), headers)
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        raise CannotRun(f"{path} was refused: {refused.read().decode()}") from refused


@contextmanager
def toolkit(portal: Installation, folder: Path, *, fast: bool) -> Iterator[str]:
    """The toolkit behind the app server that the portal has, with the same options; the URL of its token endpoint."""
    place = folder / ("fast" if fast else "default")
    place.mkdir()
    environment = {**os.environ, "GATEHOUSE_BENCH_FOLDER": str(place), "DJANGO_SETTINGS_MODULE": ""}
    if fast:
        environment["GATEHOUSE_BENCH_FAST_HASHER"] = "yes"
    subprocess.run([sys.executable, "-m", "tests.bench.inside.toolkit"], cwd=ROOT, env=environment, check=True)
    [port] = free_ports(1)
    options = ("--interface", "wsgi", "--http", "1", "--no-ws", "--workers", "2", "--blocking-threads", "2")
    command = [sys.executable, "-m", "granian", *options, "--runtime-mode", "st", "--log-level", "warning"]
    application = "tests.bench.inside.toolkit:application"
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), application],
            cwd=ROOT, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}/o/token/"
    try:
        began = time.monotonic()
        while not answers(f"http://127.0.0.1:{port}/alive"):
            if process.poll() is not None or time.monotonic() - began > 30:
                raise CannotRun(f"the toolkit did not start:\n{(place / 'log').read_text()[-2000:]}")
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(15)
