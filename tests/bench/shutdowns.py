"""1,000 devices are ordered to shut down at once: the order is quick, and each of them goes off once."""

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from tests.bench.device_door import files
from tests.bench.figures import CannotRun, Figure, bench
from tests.bench.installation import ROOT, Installation, scratch

DEVICES, CONNECTIONS = 1000, 64
OPTIONS = ("--apps=0", "--mute=0", "--fail=0", "--offline=0", "--off-for=10", "--every=300", "--json")
# Seconds for all to be let in, and then to be off and back.
LET_IN, DONE = 600, 600
ENDED = ("succeeded", "failed", "unconfirmed", "expired", "cancelled", "skipped")


@bench
def shutdowns() -> Iterator[Figure]:
    return measured(DEVICES)


def measured(number: int) -> Iterator[Figure]:
    """The figures with so many devices."""
    with scratch() as folder:
        portal = Installation(folder / "data")
        portal.environment |= {"GATEHOUSE_ENROLMENT": "auto", "GATEHOUSE_SHUTDOWN_APPROVAL_FROM": "0"}
        files(number + 1000)
        with portal, fleet(portal, number) as end:
            token = _token(portal)
            names = [f"sim-fleet-{each + 1:04}" for each in range(number)]
            wanted = {"devices": names, "reason": "Benchmark.", "confirm_count": number}
            began = time.monotonic()
            order = _ask(portal, token, "/shutdowns", wanted)
            took = time.monotonic() - began
            counts = _until_ended(portal, token, order["id"], number)
            whole = time.monotonic() - began
            last = max(_claims(portal, token, order["id"]))
            own = end()["shutdowns"]
            locked = portal.log.read_text().count("database is locked")
    created = datetime.fromisoformat(order["created_at"])
    told = f"shutdowns, {number} devices at once"
    yield Figure(f"{told}, the order as its caller waits for it", round(took, 2), "s", below=2)
    yield Figure(f"{told}, succeeded as the portal has it", counts["succeeded"], at_least=number)
    yield Figure(f"{told}, executed as the devices have it", own["executed"], at_least=number)
    yield Figure(f"{told}, lost", number - own["executed"], below=1)
    yield Figure(f"{told}, executed more than once", own["doubled"], below=1)
    yield Figure(f"{told}, answers that are not allowed", sum(own["disallowed"].values()), below=1)
    yield Figure(f"{told}, 'database is locked' in the logs", locked, below=1)
    yield Figure(f"{told}, from the order to the last claim", round((last - created).total_seconds(), 1), "s")
    yield Figure(f"{told}, from the order to the last report", round(whole, 1), "s")
    yield Figure(f"{told}, longest from seen to done on a device", own["longest_s"], "s")


@contextmanager
def fleet(portal: Installation, number: int) -> Iterator[Any]:
    """Agents that have been let in; what is given ends them and gives their summary."""
    ready, said = threading.Event(), list[str]()
    command = [sys.executable, "manage.py", "simulate_fleet", f"--devices={number}", f"--connections={CONNECTIONS}"]
    process = subprocess.Popen(
        [*command, *OPTIONS], cwd=ROOT, env=portal.environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip

    def listen() -> None:
        for line in process.stderr or ():
            said.append(line)
            if "All devices have been let in" in line:
                ready.set()

    def end() -> dict[str, Any]:
        process.send_signal(signal.SIGINT)
        out = process.stdout.read() if process.stdout else ""
        process.wait(60)
        if not out:
            raise CannotRun(f"the fleet came to nothing:\n{''.join(said[-20:])}")
        summary: dict[str, Any] = json.loads(out)
        return summary

    threading.Thread(target=listen, daemon=True).start()
    try:
        if not ready.wait(LET_IN):
            raise CannotRun(f"the fleet was not let in:\n{''.join(said[-20:])}")
        yield end
    finally:
        process.kill()
        process.wait()


def _until_ended(portal: Installation, token: str, job: str, number: int) -> dict[str, int]:
    until = time.monotonic() + DONE
    while True:
        counts: dict[str, int] = _ask(portal, token, f"/shutdowns/{job}")["counts"]
        if sum(counts[state] for state in ENDED) >= number:
            return counts
        if time.monotonic() > until:
            raise CannotRun(f"the shutdown did not end: {counts}")
        time.sleep(0.5)


def _claims(portal: Installation, token: str, job: str) -> Iterator[datetime]:
    """When each device claimed it."""
    page = "limit=500"
    while page:
        found = _ask(portal, token, f"/shutdowns/{job}/targets?{page}")
        yield from (datetime.fromisoformat(each["claimed_at"]) for each in found["results"] if each["claimed_at"])
        page = urlsplit(found["next"] or "").query


def _token(portal: Installation) -> str:
    scopes = ("--scope=shutdowns:read", "--scope=shutdowns:request")
    return portal.manage("issue_token", "bench", "--owner=admin", *scopes, "--days=1").strip()


def _ask(portal: Installation, token: str, path: str, sent: Mapping[str, Any] | None = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = None if sent is None else json.dumps(sent).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{portal.url}/api/v1{path}", body, headers), timeout=60) as got:
        answer: dict[str, Any] = json.load(got)
        return answer
