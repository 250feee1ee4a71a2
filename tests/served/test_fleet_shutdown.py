"""A fleet of agents at the doors of a whole installation: some of them misbehave, and both sides count the same."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from tests.served.installation import PATIENCE, ROOT, Served, serving, wait_for

DEVICES = 12
MISBEHAVING = ("--mute=0.25", "--fail=0.1667", "--offline=0.0833", "--crash=0.1667")
QUICK = ("--poll=0.05", "--off-for=2", "--ack-delay=0-0.5", "--every=1")
SCOPES = ("devices:read", "shutdowns:read", "shutdowns:request", "audit:read")


@pytest.fixture(scope="module")
def portal() -> Iterator[Served]:
    with serving(GATEHOUSE_ENROLMENT="auto", GATEHOUSE_SHUTDOWN_APPROVAL_FROM="0") as ready:
        yield ready


@pytest.fixture(scope="module")
def rest(portal: Served) -> Callable[..., Any]:
    scopes = [f"--scope={scope}" for scope in SCOPES]
    token = portal.manage("issue_token", "story", "--owner=admin", "--days=1", *scopes).strip()

    def call(method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        answered, _, content = portal.ask(method, f"/api/v1{path}", json.dumps(body) if body else None, headers)
        assert answered == status, content
        return json.loads(content)

    return call


class Fleet:
    """`simulate_fleet` while it runs."""

    def __init__(self, process: subprocess.Popen[str], said: Callable[[], str]) -> None:
        self.process, self.said = process, said

    def end(self) -> dict[str, Any]:
        """Ctrl-C; the one summary."""
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, self.said()[-3000:]
        summary: dict[str, Any] = json.loads(out)
        return summary


@contextmanager
def running(portal: Served, *options: str) -> Iterator[Fleet]:
    """Agents that have all been let in, with their apps."""
    command = [sys.executable, "manage.py", "simulate_fleet", "--json", *options]
    told = portal.data_dir.parent / "fleet.err"
    with (
        told.open("w") as errors,
        subprocess.Popen(
            command, cwd=ROOT, env=portal.env, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            wait_for(lambda: "All devices have been let in" in told.read_text(), otherwise=told.read_text)
            yield Fleet(process, told.read_text)
        finally:
            process.kill()


def test_both_sides_count_the_same_of_a_fleet_that_misbehaves(portal: Served, rest: Callable[..., Any]) -> None:
    with running(portal, f"--devices={DEVICES}", *QUICK, *MISBEHAVING) as fleet:
        devices = [f"sim-fleet-{number + 1:04}" for number in range(DEVICES)]
        order = {"devices": devices, "reason": "Filter change.", "max_ack_seconds": 4, "confirm_count": DEVICES}
        job = rest("POST", "/shutdowns", order, status=201)["id"]

        def counts() -> dict[str, int]:
            found: dict[str, int] = rest("GET", f"/shutdowns/{job}")["counts"]
            return {state: count for state, count in found.items() if count}

        # The silent device keeps its order until that expires; those that died have claimed theirs.
        expected = {"queued": 1, "claimed": 2, "succeeded": 7, "failed": 2}
        wait_for(lambda: counts() == expected, otherwise=lambda: f"{counts()}\n{fleet.said()[-2000:]}")
        summary = fleet.end()

    own = summary["shutdowns"]
    states = {state: count for state, count in own["states"].items() if count}
    assert states == {"crashed": 2, "succeeded": 7, "failed": 2}
    assert (own["seen"], own["executed"], own["doubled"]) == (11, 7, 0)
    assert (own["refused_claims"], own["disallowed"]) == ({}, {})
    assert 2 < own["longest_s"] < PATIENCE

    targets = rest("GET", f"/shutdowns/{job}/targets?limit=100")["results"]
    assert {(target["state"], target["code"]) for target in targets if target["code"]} == {("failed", "not_supported")}
    acknowledged = {target["device"]: sum(bool(ack["acknowledged_at"]) for ack in target["acks"]) for target in targets}
    silent = [
        target["device"] for target in targets if target["state"] == "succeeded" and not acknowledged[target["device"]]
    ]
    assert len(silent) == 3
    assert (
        sorted(acknowledged[target["device"]] for target in targets if target["state"] == "succeeded")
        == [0] * 3 + [2] * 4
    )


def test_each_order_is_executed_once_by_each_device(portal: Served, rest: Callable[..., Any]) -> None:
    options = ("--devices=2", "--seed=twice", "--apps=0", "--mute=0", "--fail=0", "--offline=0", "--off-for=0.5")
    with running(portal, *options, "--poll=0.02", "--every=1") as fleet:
        for _ in range(2):
            devices = ["sim-twice-0001", "sim-twice-0002"]
            order = {"devices": devices, "reason": "Again.", "execute_now": True, "confirm_count": 2}
            job = rest("POST", "/shutdowns", order, status=201)["id"]
            wait_for(lambda job=job: rest("GET", f"/shutdowns/{job}")["state"] == "completed", otherwise=fleet.said)  # type: ignore[misc]
        own = fleet.end()["shutdowns"]
    assert (own["seen"], own["executed"], own["doubled"], own["states"]["succeeded"]) == (4, 4, 0, 4)


def test_killed_at_random_points_of_an_order_it_is_still_executed_once_by_each(
    portal: Served, rest: Callable[..., Any], chance: Random
) -> None:
    number = 24
    options = (f"--devices={number}", "--seed=faults", "--apps=0", "--mute=0", "--fail=0", "--offline=0")
    with running(portal, *options, "--off-for=1", "--poll=0.5", "--every=5") as fleet:
        devices = [f"sim-faults-{each + 1:04}" for each in range(number)]
        order = {"devices": devices, "reason": "Power work.", "confirm_count": number}
        job = rest("POST", "/shutdowns", order, status=201)["id"]
        for victim in chance.sample(["gateway.portal_app", "run_worker", "_bin/envoy", "gateway.portal_app"], 4):
            time.sleep(chance.random())
            os.kill(portal.children(victim)[-1], signal.SIGKILL)
            wait_for(lambda: portal.is_ready() and bool(portal.children(victim)))  # noqa: B023

        def state() -> str:
            """Empty while what was killed is started again."""
            try:
                return str(rest("GET", f"/shutdowns/{job}")["state"])
            except (AssertionError, OSError, http.client.HTTPException):
                return ""

        wait_for(lambda: state() == "completed", otherwise=fleet.said)
        own = fleet.end()["shutdowns"]
    assert (own["executed"], own["doubled"], own["disallowed"]) == (number, 0, {})
    for verb in ("shutdown.claimed", "shutdown.finished"):
        told = rest("GET", f"/audit?verb={verb}&limit=500")["results"]
        whose = [row["subject_id"] for row in told if row["after"]["shutdown"] == job]
        assert sorted(whose) == devices
    assert json.loads(portal.manage("audit_verify"))["holds"] is True
