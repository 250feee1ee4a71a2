"""Shutdowns from end to end: apps with their files and curl, a device with its certificate, through the real doors."""

import base64
import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.served.installation import ANSWERED_WITHIN, Served, settled, wait_for
from tests.served.test_app_tokens import NAME, App
from tests.served.test_device_door import HALL, Line, knock

NUMBERS = count(1)
NONCE, OTHER = "0123456789abcdef", "fedcba9876543210"
SHUTDOWN = "/device/edge/api/v2/shutdown"
AT_SERVICE = "/a.service/api/v3/device/shutdown"
RACES = 50

# Two apps on an accepted device: one declares that it shuts devices down, one does not.
INSTALL = """
import json
from devices.models import Device
from gateway import certsips
from portal.actor import Actor
from tokens import installing, registration
from tokens.models import App
by, made = Actor.command("test"), {{}}
for name, features in (("pump", ["API.Shutdown"]), ("historian", [])):
    app = App.objects.filter(name=name).first() or registration.register(name, by=by)
    version = app.versions.first() or registration.add_version(app, "1.0.0", features=features, by=by)
    issued = installing.install(version, {device!r}, by=by)
    made[name] = {{"id": issued.holder.pk, "token_file": installing.token_file(issued.text)}}
print(json.dumps({{"apps": made, "certsips": certsips.text()}}))
"""
# What only the clock does otherwise, by the rows' own times.
LATER = """
from datetime import timedelta
from django.db.models import F
from devices.models import ShutdownTarget
passed = timedelta(seconds={seconds})
names = ("queued_at", "expires_at", "claimed_at", "deadline", "executing_at")
ShutdownTarget.objects.filter(device_id={device!r}).update(**{{name: F(name) - passed for name in names}})
"""
ORDER = """
from devices import shutdown
from devices.models import Via
from devices.shutdown_fields import Order
from portal.actor import Actor
from portal.models import User
by = Actor.person(User.objects.get(username="admin"))
print(shutdown.order(Order([{device!r}], "maintenance of hall 3"), by=by, via=Via.PAGE).pk)
"""


class Device:
    """An accepted device on its open connection, and its two apps."""

    def __init__(self, line: Line, made: dict[str, Any], port: int) -> None:
        self.line, self.name = line, line.name
        certsips = json.loads(made["certsips"])
        self.pump, self.historian = (
            App(port, made["apps"][app]["id"], made["apps"][app]["token_file"], certsips)
            for app in ("pump", "historian")
        )

    def jobs(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        status, _, said = self.line.ask(method, f"/jobs/{path}", None if body is None else json.dumps(body).encode())
        return status, said

    def claim(self, job: str, nonce: str = NONCE) -> tuple[int, Any]:
        return self.jobs("POST", f"{job}/claim", {"claim": nonce})


@pytest.fixture(scope="module", autouse=True)
def trusted(portal: Served, rest: Callable[..., Any], files: Path) -> None:
    """The hall's CA, from the moment on when Envoy knows it."""
    rest("POST", "/device-cas", {"name": "hall", "certificate": HALL.pem}, status=201)
    probe = HALL.issue("probe")
    wait_for(settled(lambda: "answered" in knock(portal, probe, files)))


@pytest.fixture
def device(portal: Served, rest: Callable[..., Any], files: Path) -> Device:
    name = f"press-{next(NUMBERS)}"
    line = Line(portal, HALL.issue(name), files, name=name)
    assert line.code() == "device_pending"
    rest("POST", f"/devices/{name}/accept")
    made = json.loads(portal.manage("shell", "-v", "0", "-c", INSTALL.format(device=name)))
    return Device(line, made, portal.tls_port)


def later(portal: Served, device: Device, seconds: int) -> None:
    portal.manage("shell", "-v", "0", "-c", LATER.format(device=device.name, seconds=seconds))


def curl(app: App, *arguments: str) -> tuple[int, Any]:
    """The command as the seed prints it; the name of the host is known to the device's resolver."""
    at = ["--silent", "--resolve", f"{NAME}:{app.port}:127.0.0.1", "--write-out", "\n%{http_code}"]
    done = subprocess.run(
        ["curl", *arguments, *at], capture_output=True, text=True, timeout=ANSWERED_WITHIN, check=True
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


def bearer(app: App) -> dict[str, str]:
    _, _, bought = app.call("/device/edge/a.service/api/v3/token/permit", app.token_file.encode())
    return {"Authorization": f"Bearer {bought['access_token']}"}


class TestTheFlowOfTheSeed:
    def test_as_the_first_answer_prints_it(self, device: Device) -> None:
        door = f"https://{NAME}:{device.pump.port}"
        status, bought = curl(
            device.pump, "-k", "-X", "POST", f"{door}/a.service/api/v3/token/permit",
            "-H", "Content-Type: application/json", "-d", json.dumps({"appToken": device.pump.token}),
        )  # fmt: skip
        assert status == 200
        status, said = curl(
            device.pump, "-k", "-X", "POST", f"{door}{AT_SERVICE}", "-H", f"Authorization: Bearer {bought['token']}"
        )
        assert (status, said) == (202, {"status": "accepted"})
        assert device.jobs("GET", "next")[1]["requested_by"] == f"app pump on {device.name}"

    def test_as_the_second_does_until_the_device_is_off(self, device: Device, files: Path) -> None:
        pump, historian = device.pump, device.historian
        chain = files / "edge.pem"
        chain.write_bytes(base64.b64decode(pump.certsips["edge-certificates"]["certificate-chain"]))
        door = f"https://{NAME}:{pump.port}"
        status, bought = curl(
            pump, "--cacert", str(chain), f"{door}/device/edge/{pump.certsips['auth-api-path']}/token/permit",
            "-H", "Content-Type: application/json", "-d", pump.token_file,
        )  # fmt: skip
        assert (status, set(bought)) == (200, {"access_token", "expires_in", "token_type"})
        own = {"Authorization": f"Bearer {bought['access_token']}"}
        status, told = curl(
            pump, "--cacert", str(chain), "-X", "POST", f"{door}{SHUTDOWN}", "-H", "Content-Type: application/json",
            "-H", f"Authorization: {own['Authorization']}", "-d", '{"maxAckTimeForApps": 30, "executeNow": false}',
        )  # fmt: skip
        assert (status, told["status"], told["state"], told["device"]) == (202, "accepted", "PENDING", device.name)

        job, place, theirs = told["jobId"], f"{SHUTDOWN}/{told['jobId']}", bearer(historian)
        assert pump.call(SHUTDOWN, {}, **own)[1]["Location"] == place  # It is open.
        status, offered = device.jobs("GET", "next")
        assert (status, offered["id"], offered["max_ack_seconds"]) == (200, job, 30)
        status, claimed = device.claim(job)
        assert (status, claimed["state"], claimed["ack_seconds"]) == (200, "claimed", 30)
        assert [(app["app"], app["acknowledged"]) for app in claimed["apps"]] == [("historian", False), ("pump", True)]
        assert device.claim(job)[0] == 200
        assert device.claim(job, OTHER)[1]["code"] == "already_claimed"
        assert device.jobs("GET", job)[1]["proceed"] is False

        status, _, pending = historian.call(f"{SHUTDOWN}/pending", b"", method="GET", **theirs)
        assert (status, pending["jobId"], pending["acknowledged"]) == (200, job, False)
        assert pump.call(place, b"", method="GET", **own)[2]["waitingFor"] == ["historian"]
        assert historian.call(f"{place}/ack", {}, **theirs)[2]["waitingFor"] == []
        assert device.jobs("GET", job)[1]["proceed"] is True
        assert pump.call(place, b"", method="DELETE", **own)[2]["errors"][0]["code"] == "edge.shutdown.tooLate"

        assert device.jobs("POST", f"{job}/report", {"state": "executing"}) == (200, {"id": job, "state": "executing"})
        assert pump.call(place, b"", method="GET", **own)[2]["state"] == "EXECUTING"
        device.line.connection.close()  # It is off for a while, and back.
        assert device.jobs("POST", f"{job}/report", {"state": "succeeded"})[0] == 200
        assert pump.call(place, b"", method="GET", **own)[2]["state"] == "COMPLETED"
        assert device.jobs("GET", "next") == (204, None)

    def test_a_version_that_does_not_declare_it_is_told_so(self, device: Device) -> None:
        for path in (SHUTDOWN, AT_SERVICE):
            status, _, said = device.historian.call(path, {"executeNow": True}, **bearer(device.historian))
            assert (status, said["errors"][0]["code"]) == (403, "edge.shutdown.featureMissing")

    def test_on_the_clear_text_door_too_and_never_at_the_door_of_devices(self, device: Device, portal: Served) -> None:
        headers = {**bearer(device.pump), "Content-Type": "application/json"}
        status, answered, _ = portal.ask("POST", SHUTDOWN, "{}", headers)
        assert (status, answered["Location"][: len(SHUTDOWN)]) == (202, SHUTDOWN)
        status, _, said = device.line.ask("POST", SHUTDOWN, b"{}", **headers)
        assert (status, said["errors"][0]["code"]) == (404, "edge.wrongPath")
        assert SHUTDOWN in said["errors"][0]["message"]


def test_an_expired_one_is_never_executed_and_is_written_down(device: Device, portal: Served) -> None:
    own = bearer(device.pump)
    job = device.pump.call(SHUTDOWN, {}, **own)[2]["jobId"]
    later(portal, device, 901)
    assert device.jobs("GET", "next") == (204, None)
    status, said = device.claim(job)
    assert (status, said["code"]) == (410, "job_expired")

    def state() -> str:
        return str(device.pump.call(f"{SHUTDOWN}/{job}", b"", method="GET", **own)[2]["state"])

    wait_for(lambda: state() == "EXPIRED")
    assert device.claim(job)[1]["code"] == "job_expired"


def test_of_a_cancel_and_a_claim_through_the_doors_exactly_one_wins(device: Device, portal: Served) -> None:
    own, ends = bearer(device.pump), set()
    # Open already, as that of the device is, so that neither has a head start but the one it is given in turn.
    line = http.client.HTTPConnection("127.0.0.1", portal.http_port, timeout=ANSWERED_WITHIN)
    line.connect()
    for number in range(RACES):
        job = device.pump.call(SHUTDOWN, {}, **own)[2]["jobId"]
        start, said, head_start = threading.Barrier(2), {}, number % 10 * 0.002

        def cancel(
            place: str = f"{SHUTDOWN}/{job}",
            wait: float = head_start if number % 2 else 0,
            start: threading.Barrier = start,
            said: dict[str, Any] = said,
        ) -> None:
            start.wait()
            time.sleep(wait)
            line.request("DELETE", place, headers=own)
            answer = line.getresponse()
            said["cancel"] = answer.status, json.loads(answer.read())

        thread = threading.Thread(target=cancel)
        thread.start()
        start.wait()
        time.sleep(0 if number % 2 else head_start)
        claimed, answer = device.claim(job)
        thread.join()
        cancelled, told = said["cancel"]
        if claimed == 200:
            assert (cancelled, told["errors"][0]["code"]) == (409, "edge.shutdown.tooLate")
            device.jobs("POST", f"{job}/report", {"state": "failed", "code": "not_supported"})
        else:
            assert (claimed, answer["code"], cancelled, told["state"]) == (410, "job_cancelled", 200, "CANCELLED")
            assert device.jobs("GET", job)[1]["proceed"] is False
        ends.add(claimed)
    line.close()
    assert ends == {200, 410}


def test_a_report_arrives_though_the_portal_was_killed_after_the_claim(device: Device, portal: Served) -> None:
    job = device.pump.call(SHUTDOWN, {"executeNow": True}, **bearer(device.pump))[2]["jobId"]
    assert device.claim(job)[0] == 200
    for worker in portal.children("gateway.portal_app"):
        os.kill(worker, signal.SIGKILL)
    wait_for(portal.is_ready)
    # An answer that was lost is asked for again, and the report is given when the portal is back.
    wait_for(lambda: device.claim(job)[0] == 200)
    assert device.jobs("POST", f"{job}/report", {"state": "succeeded"}) == (200, {"id": job, "state": "succeeded"})


def test_a_denied_device_can_neither_claim_nor_report(device: Device, portal: Served, rest: Callable[..., Any]) -> None:
    first = device.pump.call(SHUTDOWN, {}, **bearer(device.pump))[2]["jobId"]
    rest("POST", f"/devices/{device.name}/deny", {"reason": "stolen"})
    for path in ("next", first):
        assert device.jobs("GET", path)[1]["code"] == "device_denied"
    assert device.claim(first)[1]["code"] == "device_denied"
    rest("POST", f"/denied-devices/{device.name}/restore")
    assert device.claim(first)[1]["code"] == "job_cancelled"

    second = portal.manage("shell", "-v", "0", "-c", ORDER.format(device=device.name)).strip()
    assert device.claim(second)[0] == 200
    rest("POST", f"/devices/{device.name}/deny", {"reason": "stolen"})
    status, said = device.jobs("POST", f"{second}/report", {"state": "succeeded"})
    assert (status, said["code"]) == (403, "device_denied")
