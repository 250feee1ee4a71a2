"""A backup of a running installation, put back later: what was issued in between opens nothing, the rest goes on."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

from tests.conftest import MenderDevice
from tests.served.installation import DATABASE, Served, serving

BUY = "/api/devices/v1/authentication/auth_requests"
SHOW = "/api/devices/v1/deployments/device/deployments/next"


def buy(portal: Served, device: MenderDevice) -> str:
    body, headers = device.request()
    status, _, answer = portal.ask("POST", BUY, body, {**headers, "Content-Type": "application/json"})
    assert status == 200, answer
    return answer.decode()


def show(portal: Served, path: str, token: str) -> int:
    return portal.ask("GET", path, headers={"Authorization": f"Bearer {token}"})[0]


def api_token(portal: Served, name: str) -> str:
    return portal.manage("issue_token", name, "--owner=admin", "--days=1", "--scope=tokens:read").strip()


def backup(portal: Served) -> bytes:
    """What `.backup` of the sqlite3 program writes, while the installation runs."""
    kept = portal.data_dir.parent / "kept"
    with closing(sqlite3.connect(portal.data_dir / DATABASE)) as live, closing(sqlite3.connect(kept)) as copy:
        live.backup(copy)
    return kept.read_bytes()


def put_back(portal: Served, kept: bytes) -> None:
    for leftover in portal.data_dir.glob(f"{DATABASE}-*"):
        leftover.unlink()
    (portal.data_dir / DATABASE).write_bytes(kept)


def test_what_was_issued_since_opens_nothing(mender_device: Callable[..., MenderDevice]) -> None:
    with serving(GATEHOUSE_ENROLMENT="auto") as portal:
        before, device, later = api_token(portal, "before"), mender_device(mac="00:01"), mender_device(mac="00:02")
        old = buy(portal, device)
        kept = backup(portal)

        since, bought = api_token(portal, "since"), [old, buy(portal, device), buy(portal, later)]
        assert [show(portal, "/api/v1/me", token) for token in (before, since)] == [200, 200]
        assert [show(portal, SHOW, token) for token in bought] == [204, 204, 204]

        portal.stop()
        put_back(portal, kept)
        ended = [json.loads(line) for line in portal.start_command("after_restore", "--json").stdout.splitlines()]
        assert {"kind": "signing_keys", "number": 1} in ended
        portal.start()
        portal.wait_ready()

        assert [show(portal, "/api/v1/me", token) for token in (before, since)] == [200, 401]
        assert [show(portal, SHOW, token) for token in bought] == [401, 401, 401]
        assert [show(portal, SHOW, buy(portal, each)) for each in (device, later)] == [204, 204]
        assert json.loads(portal.manage("audit_verify"))["holds"] is True
