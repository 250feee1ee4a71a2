"""A simulated fleet at the door of a whole installation: it waits, is let in, and is served."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.bench.installation import Installation, installation

DEVICES = 20


@pytest.fixture(scope="module")
def portal() -> Iterator[Installation]:
    with installation() as ready:
        yield ready


def simulate(portal: Installation, *options: str, url: str = "") -> dict[str, Any]:
    told = (f"--devices={DEVICES}", "--connections=8", f"--url={url or portal.url}", "--json", *options)
    return json.loads(portal.manage("simulate_fleet", *told))


def ask(portal: Installation, token: str, method: str, path: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{portal.url}{path}", headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_twenty_devices_come_pending_are_accepted_and_then_served(portal: Installation) -> None:
    came = simulate(portal, "--once")
    assert (came["asked"], came["pending"], came["accepted"], came["errors"]) == (DEVICES, DEVICES, 0, {})

    token = portal.manage(
        "issue_token", "story", "--owner=admin", "--days=1", "--scope=devices:read", "--scope=devices:admit"
    ).strip()
    waiting = ask(portal, token, "GET", "/api/v1/devices?status=pending")["results"]
    assert len(waiting) == DEVICES
    for device in waiting:
        assert ask(portal, token, "POST", f"/api/v1/devices/{device['id']}/accept")["status"] == "accepted"

    again = simulate(portal, "--insecure", url=f"https://localhost:{portal.tls_port}")
    assert (again["pending"], again["accepted"], again["served"]) == (0, DEVICES, 2 * DEVICES)
    assert (again["refused"], again["errors"]) == (0, {})
