"""A simulated fleet at the doors of a whole installation: it waits, is let in and served; a denied device is not."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pki import SERVER, Authority
from tests.served.installation import PATIENCE, ROOT, Served, serving, wait_for

DEVICES = 20
SCOPES = ("devices:read", "devices:admit", "devices:update", "devices:delete")


@pytest.fixture(scope="module")
def portal() -> Iterator[Served]:
    with serving() as ready:
        yield ready


@pytest.fixture(scope="module")
def token(portal: Served) -> str:
    scopes = [f"--scope={scope}" for scope in SCOPES]
    return portal.manage("issue_token", "story", "--owner=admin", "--days=1", *scopes).strip()


def simulate(portal: Served, *options: str) -> dict[str, Any]:
    return json.loads(portal.manage("simulate_fleet", "--json", *options))


class Rest:
    """The native REST API, as a program with a token uses it."""

    def __init__(self, portal: Served, token: str) -> None:
        self.portal, self.token = portal, token

    def __call__(self, method: str, path: str, body: Any = None, *, expect: int = 200) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        status, _, content = self.portal.ask(method, path, json.dumps(body) if body is not None else None, headers)
        assert status == expect, content
        return json.loads(content) if content else None

    def accept_all(self) -> list[str]:
        waiting = [device["id"] for device in self("GET", "/api/v1/devices?status=pending&limit=100")["results"]]
        for device_id in waiting:
            assert self("POST", f"/api/v1/devices/{device_id}/accept")["status"] == "accepted"
        return waiting


@pytest.fixture
def rest(portal: Served, token: str) -> Rest:
    return Rest(portal, token)


def test_twenty_devices_come_pending_are_accepted_and_then_served(portal: Served, rest: Rest) -> None:
    fleet = (f"--devices={DEVICES}", "--connections=8")
    came = simulate(portal, "--once", *fleet)
    assert (came["asked"], came["pending"], came["accepted"], came["errors"]) == (DEVICES, DEVICES, 0, {})
    assert len(rest.accept_all()) == DEVICES
    again = simulate(portal, "--insecure", f"--url={portal.tls_url}", *fleet)
    assert (again["pending"], again["accepted"], again["served"]) == (0, DEVICES, 2 * DEVICES)
    assert (again["refused"], again["errors"]) == (0, {})


def test_half_a_fleet_comes_by_certificate_reports_and_fetches_until_it_is_denied(portal: Served, rest: Rest) -> None:
    fleet = ("--by=both", "--devices=6", "--seed=hall", "--once")
    came = simulate(portal, *fleet)
    assert (came["asked"], came["pending"], came["accepted"], came["errors"]) == (6, 6, 0, {})
    accepted = rest.accept_all()
    certified = ["sim-hall-0001", "sim-hall-0004", "sim-hall-0005"]
    assert len(accepted) == 6
    assert sorted(device_id for device_id in accepted if device_id.startswith("sim-")) == certified
    files = {"app.toml": {"Value": "x = 1"}}
    rest("PUT", f"/api/v1/devices/{certified[0]}/config", {"files": files})

    # Two calls of each by identity after it was let in, seven of each by certificate; connections are exchanged.
    again = simulate(portal, *fleet, "--connections=2")
    assert (again["asked"], again["accepted"], again["served"]) == (6, 6, 3 * 2 + 3 * 7)
    assert (again["pending"], again["refused"], again["errors"]) == (0, 0, {})
    for device_id in certified:
        device = rest("GET", f"/devices/{device_id}")
        said = rest("GET", f"/api/v1/devices/{device_id}/check-in")
        assert device["target"] == said["target"]
        assert "-lmp-4" in device["target"]
        assert device["apps"][0] == "shellhttpd"
        assert len(device["ostree-hash"]) == 64
        assert json.loads(device["hardware-info"])["serial"].startswith("GH")
        assert json.loads(device["network-info"])["local_ipv4"].startswith("10.")
        assert "[pacman]" in device["aktualizr-toml"]
        events = rest("GET", f"/api/v1/devices/{device_id}/events")["results"]
        assert [event["event_type"]["id"] for event in events][::-1] == [
            "EcuDownloadStarted", "EcuDownloadCompleted", "EcuInstallationStarted", "EcuInstallationCompleted",
        ]  # fmt: skip
        assert len({event["correlation_id"] for event in events}) == 1
        [report] = rest("GET", f"/api/v1/devices/{device_id}/apps-states")["results"]
        assert sorted(report["apps"]) == sorted(device["apps"])

    rest("DELETE", f"/devices/{certified[0]}", expect=204)
    after = simulate(portal, *fleet)
    assert (after["asked"], after["accepted"], after["refused"]) == (6, 5, 1)
    assert (after["pending"], after["errors"]) == (0, {})


def test_a_device_that_is_denied_while_it_is_served_is_refused_on_its_open_connection(
    portal: Served, rest: Rest
) -> None:
    fleet = ("--by=certificate", "--devices=1", "--seed=open", "--json")
    assert simulate(portal, *fleet, "--once")["pending"] == 1
    [device_id] = rest.accept_all()
    command = [sys.executable, "manage.py", "simulate_fleet", *fleet, "--every=0.2", "--for=600"]
    with subprocess.Popen(
        command, cwd=ROOT, env=portal.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr
        reported = f"/api/v1/devices/{device_id}/apps-states"
        wait_for(lambda: bool(rest("GET", reported)["results"]))
        rest("DELETE", f"/devices/{device_id}", expect=204)
        assert any("1 refused" in line for line in running.stderr)  # It tells how far it is every few seconds.
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=PATIENCE)
    summary = json.loads(said)
    assert summary["refused"] >= 1
    assert (summary["accepted"], summary["pending"], summary["errors"]) == (1, 0, {})


def test_a_fleet_comes_by_certificate_after_one_was_installed_that_names_localhost_alone(
    portal: Served, files: Path
) -> None:
    pair = Authority("plant CA").issue("localhost", purposes=(SERVER,), dns_names=("localhost",))
    certificate, key = pair.files(files)
    portal.manage("install_certificate", "--cert", certificate, "--key", key)
    came = simulate(portal, "--by=both", "--devices=2", "--seed=named", "--once")
    assert (came["asked"], came["pending"], came["errors"]) == (2, 2, {})


def test_a_certificate_that_cannot_be_signed_is_one_sentence(portal: Served, own_data: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "simulate_fleet", "--by=certificate", "--devices=1"],
        cwd=ROOT, env=portal.env | own_data, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Nothing can be signed without the database of the installation" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def own_data(tmp_path: Any) -> dict[str, str]:
    """The settings of an installation that was never started."""
    return {"GATEHOUSE_DATA_DIR": str(tmp_path / "d")}
