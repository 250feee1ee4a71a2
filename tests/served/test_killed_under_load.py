"""Processes killed while a fleet enrols: each change is wholly done or not at all, and nothing needs repair."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

from tests.served.installation import PATIENCE, ROOT, Served, wait_for

DEVICES = 300
FLEET = ("simulate_fleet", f"--devices={DEVICES}", "--connections=16", "--keys=ed25519", "--once", "--json")


def test_a_worker_and_envoy_killed_in_the_middle_leave_nothing_half_done(own_served: Served) -> None:
    scopes = ("--scope=devices:read", "--scope=audit:read")
    token = own_served.manage("issue_token", "story", "--owner=admin", "--days=1", *scopes).strip()
    headers = {"Authorization": f"Bearer {token}"}

    def read(path: str) -> Any:
        return json.loads(own_served.ask("GET", path, headers=headers)[2])

    def waiting() -> int:
        """How many wait; none if this request was in the hands of what was killed."""
        counted: int = read("/api/v1/device-counts").get("pending", 0)
        return counted

    command = [sys.executable, "manage.py", *FLEET]
    fleet = subprocess.Popen(
        command, cwd=ROOT, env=own_served.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: waiting() >= 30)
    worker = own_served.children("gateway.portal_app")[-1]
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: fleet.poll() is not None or waiting() >= 90)
    (envoy,) = own_served.children("_bin/envoy")
    os.kill(envoy, signal.SIGKILL)
    fleet.wait(PATIENCE)
    wait_for(own_served.is_ready)

    # Those that were cut off ask again, as devices do; the same fleet comes from the same seed.
    assert json.loads(own_served.manage(*FLEET))["errors"] == {}
    counts = read("/api/v1/device-counts")
    assert (counts["pending"], counts["all"]) == (DEVICES, DEVICES)
    asked = read("/api/v1/audit?verb=device.asked&limit=500")["results"]
    assert len(asked) == DEVICES
    assert {row["subject_id"] for row in asked} == {
        device["id"] for device in read("/api/v1/devices?limit=500")["results"]
    }
    assert json.loads(own_served.manage("audit_verify"))["holds"] is True
