"""A whole installation tells a receiver and a mail server of a device that knocks, also after they were dead."""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.mail_server import MailServer
from tests.receiver import OK, hang, receiving, say
from tests.served.installation import PATIENCE, Served, free_ports, serving, wait_for


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def served(mail: MailServer) -> Iterator[Served]:
    """An installation whose operator has opened loopback, where the receivers of these tests are."""
    settings = {
        "GATEHOUSE_ROUTE_TARGETS": "private loopback",
        "GATEHOUSE_MAIL_URL": f"smtp://127.0.0.1:{mail.port}",
        "GATEHOUSE_ADMIN_EMAILS": "ada@plant.example",
    }
    with serving(**settings) as ready:
        yield ready


@pytest.fixture(scope="module")
def token(served: Served) -> str:
    scopes = ("webhooks:manage", "devices:read", "devices:admit")
    return served.manage(
        "issue_token", "hooks", "--owner=admin", "--days=1", *(f"--scope={scope}" for scope in scopes)
    ).strip()


def ask(served: Served, token: str, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    status, _, content = served.ask(method, path, None if body is None else json.dumps(body), headers)
    assert status < 300, content
    return json.loads(content) if content else None


def make(served: Served, token: str, name: str, url: str, *topics: str) -> dict[str, Any]:
    wanted = {"name": name, "url": url, "topics": topics or ("device.pending",)}
    made: dict[str, Any] = ask(served, token, "POST", "/api/v1/webhooks", wanted)
    served.shown.add(made["secret"].encode())  # So that it is looked for in all files at the end.
    return made


def knock(served: Served, seed: str, number: int = 1) -> None:
    """Simulated devices ask to join, others for each seed."""
    served.manage("simulate_fleet", f"--devices={number}", "--once", f"--seed={seed}", "--json")


def waiting(served: Served, token: str) -> dict[str, str]:
    """The fingerprints of the devices that wait, by id."""
    listed = ask(served, token, "GET", "/api/v1/devices?status=pending&limit=500")["results"]
    return {device["id"]: device["fingerprint"] for device in listed}


def test_a_device_that_knocks_is_told_of_at_once_and_the_signature_is_right(served: Served, token: str) -> None:
    with receiving() as receiver:
        made = make(served, token, "at once", receiver.url)
        knock(served, "1000")
        wait_for(lambda: bool(receiver.heard))
        [heard] = receiver.heard
        assert heard.type == "device.pending"
        assert waiting(served, token)[heard.json["data"]["device"]] == heard.json["data"]["fingerprint"]
        assert heard.is_signed_with(made["secret"])
        assert not heard.is_signed_with("whsec_" + "A" * 43 + "=")
        path = f"/api/v1/webhooks/{made['id']}"
        wait_for(lambda: ask(served, token, "GET", path)["waiting"] == 0)
        [delivery] = ask(served, token, "GET", f"{path}/deliveries")["results"]
        assert (delivery["state"], delivery["message"], delivery["attempts"]) == ("delivered", heard.message, 1)
        assert delivery["body"].encode() == heard.body
        ask(served, token, "DELETE", path)


def test_a_receiver_that_was_dead_gets_all_of_it_in_order_when_it_is_back(served: Served, token: str) -> None:
    [port] = free_ports(1)
    made = make(served, token, "dead", f"http://127.0.0.1:{port}/hook")
    path = f"/api/v1/webhooks/{made['id']}"
    knock(served, "1001", 3)
    wait_for(lambda: ask(served, token, "GET", path)["failing_since"] is not None)
    knock(served, "1002")
    with receiving(port) as receiver:
        wait_for(lambda: len(receiver.heard) == 4)
        known = waiting(served, token)
        told = [heard.json["data"]["device"] for heard in receiver.heard]
        assert len(set(told)) == 4
        assert set(told) <= set(known)
        log = ask(served, token, "GET", f"{path}/deliveries")["results"]
        assert [heard.message for heard in receiver.heard] == [delivery["message"] for delivery in reversed(log)]
        assert all(heard.is_signed_with(made["secret"]) for heard in receiver.heard)
        shown = ask(served, token, "GET", path)
        assert (shown["waiting"], shown["failing_since"]) == (0, None)
        ask(served, token, "DELETE", path)


def test_a_receiver_that_hangs_delays_no_other(served: Served, token: str) -> None:
    with receiving(answer=hang) as stuck, receiving() as well:
        made = [make(served, token, f"stuck {n}", f"{stuck.url}/{n}") for n in range(4)]
        made.append(make(served, token, "well", well.url))
        knock(served, "1003", 2)
        took = wait_for(lambda: len(well.heard) == 2)
        assert took < 30  # One after the other, the four that hang would take ten seconds each.
        wait_for(lambda: bool(stuck.heard))
        for each in made:
            ask(served, token, "DELETE", f"/api/v1/webhooks/{each['id']}")


def test_what_a_killed_worker_held_is_delivered_by_the_next(served: Served, token: str) -> None:
    with receiving(answer=hang) as receiver:
        made = make(served, token, "killed", receiver.url)
        knock(served, "1004")
        wait_for(lambda: bool(receiver.heard))
        [worker] = served.children("run_worker")
        os.kill(worker, signal.SIGKILL)
        receiver.answer = say(OK)
        wait_for(lambda: len(receiver.heard) > 1)
        assert {heard.message for heard in receiver.heard} == {receiver.heard[0].message}
        path = f"/api/v1/webhooks/{made['id']}"
        wait_for(lambda: ask(served, token, "GET", path)["waiting"] == 0)
        ask(served, token, "DELETE", path)


def test_the_administrators_get_one_mail_about_those_who_wait(served: Served, token: str, mail: MailServer) -> None:
    """The five minutes in which a burst gathers are made to be over."""
    knock(served, "1005", 2)
    due = "from portal.models import Digest; print(Digest.objects.filter(first_at__isnull=False).count())"
    wait_for(lambda: served.manage("shell", "-v0", "-c", due).strip() == "1")
    assert mail.taken == []
    now = "from portal.models import Digest; from datetime import *; Digest.objects.update(next_at=datetime.now(UTC))"
    served.manage("shell", "-v0", "-c", now)
    wait_for(lambda: bool(mail.taken))
    known = waiting(served, token)
    [taken] = mail.taken
    assert taken.recipients == ["ada@plant.example"]
    assert taken.mail["Subject"] == f"[Gatehouse] {len(known)} devices wait for a decision"
    named = [device for device, fingerprint in known.items() if device in taken.text and fingerprint in taken.text]
    assert len(named) == min(len(known), 20)
    assert f"{served.tls_url}/portal/devices/" in taken.text


def test_the_worker_ends_at_once_though_receivers_hang(served: Served, token: str) -> None:
    """The last test of this installation."""
    with receiving(answer=hang) as stuck:
        make(served, token, "stuck at the end", stuck.url)
        knock(served, "1006")
        wait_for(lambda: bool(stuck.heard))
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(PATIENCE) == 0
    assert "A delivery was broken off, as the worker stops" in served.log
