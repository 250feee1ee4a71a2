"""Processes killed in the middle of a decision on thousands of devices: each is wholly decided on or not at all.

Whoever asks again finishes the rest, and what was told to others is neither short nor doubled.
"""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest

from tests.served.installation import PATIENCE, ROOT, Served, serving, wait_for

pytestmark = pytest.mark.long

MANY = 4000

ARRIVE = """
from devices.models import Device, Introduction
ids = [f"PREFIX-{number:04}" for number in range(MANY)]
Device.objects.bulk_create([Device(id=one, identity_digest=one) for one in ids], batch_size=500)
Introduction.objects.bulk_create(
    [Introduction(device_id=one, text='{"serial": "%s"}' % one, members={"serial": one}) for one in ids],
    batch_size=500,
)
"""

# What is remembered about the devices whose ids begin with PREFIX, and of the whole installation.
FACTS = """
import json
from django.db.models import Count, Sum
from devices import counts
from devices.models import BulkDecision, BulkItem, Device, DeviceShelf
from portal import audit
from portal.models import AuditEvent
mine = {"pk__startswith": "PREFIX-"}
def numbers(rows):
    return dict(rows.order_by().annotate(number=Count("pk")).values_list("status", "number"))
print(json.dumps({
    "devices": list(Device.objects.filter(**mine).values_list("pk", "status", "revision", "decided_by")),
    "recorded": list(
        AuditEvent.objects.filter(verb="device.accepted", subject_id__startswith="PREFIX-").values_list(
            "subject_id", flat=True
        )
    ),
    "holds": audit.verify().holds,
    "counted": counts.by_tab(),
    "there_are": numbers(Device.objects.present().values("status")),
    "shelved": DeviceShelf.objects.aggregate(Sum("pending"), Sum("accepted")),
    "asked": list(BulkDecision.objects.values("total", "done", "refused", "finished_at")),
    "reached": BulkItem.objects.filter(is_reached=True).count(),
    "refused": list(BulkItem.objects.exclude(code="").values_list("device_id", "code")),
}, default=str))
"""

TELL_THE_REST = """
from portal import outbox
while outbox.hand_on():
    pass
"""

ADA = """
from uuid import UUID
from devices import bulk_decisions
from devices.models import Device
from portal.actor import Actor
from portal.models import User
ada = Actor.person(User.objects.get(username="admin"))
"""
ASK = f"""{ADA}
waiting = Device.objects.waiting().filter(pk__startswith="page-").order_by("pk")
asked = bulk_decisions.ask("accept", waiting.values_list("pk", "revision"), by=ada, id=UUID(int=1))
"""

GO_ON = f"""{ADA}
asked = bulk_decisions.find(UUID(int=1), by=ada)
bulk_decisions.go_on(asked, by=ada, seconds=60)
"""

DENY_SOME = """
from devices import denial
from devices.models import Device
from portal.actor import Actor
for device in Device.objects.filter(pk__in=["page-0000", "page-1500", "page-3999"]):
    denial.deny(device, by=Actor.command("story"))
"""


@pytest.fixture(scope="module")
def broken() -> Iterator[Served]:
    with serving() as ready:
        yield ready


def shell(served: Served, code: str) -> str:
    return served.manage("shell", "-v", "0", "-c", code)


def arrive(served: Served, prefix: str) -> None:
    shell(served, ARRIVE.replace("PREFIX", prefix).replace("MANY", str(MANY)))


def facts(served: Served, prefix: str) -> dict[str, Any]:
    """What is remembered, after a look at all that must agree whenever a process was killed."""
    found: dict[str, Any] = json.loads(shell(served, FACTS.replace("PREFIX", prefix)))
    recorded = Counter(found["recorded"])
    for device_id, status, revision, decided_by in found["devices"]:
        if status == "accepted":
            assert (revision, bool(decided_by), recorded[device_id]) == (2, True, 1)
        else:
            assert (decided_by, recorded[device_id]) == ("", 0)
    assert found["holds"]
    for status in ("pending", "accepted"):
        assert found["counted"][status] == found["there_are"].get(status, 0) == found["shelved"][f"{status}__sum"]
    return found


def told(served: Served, prefix: str) -> Counter[str]:
    """How often it was told of each device that it is accepted, when nothing is left to tell."""
    rest = served.try_to_manage("shell", "-v", "0", "-c", TELL_THE_REST)
    assert rest.returncode == 0, rest.stderr
    return Counter(re.findall(rf'device\.accepted {{"device": "({prefix}-\d+)"', served.log + rest.stderr))


def number(served: Served, query: str) -> int:
    """The answer to a question to the database that is too quick for a command."""
    connection = sqlite3.connect(f"file:{served.data_dir}/gatehouse.sqlite3?mode=ro", uri=True, timeout=60)
    try:
        (found,) = connection.execute(query).fetchone()
    finally:
        connection.close()
    return int(found or 0)


def wait_until_beyond(served: Served, query: str, chance: Random) -> None:
    """Wait for a random point between two numbers, and within a batch."""
    beyond = number(served, query) + chance.randrange(800)
    wait_for(lambda: number(served, query) > beyond)
    time.sleep(chance.random() * 0.06)


def test_workers_of_the_portal_killed_in_a_bulk_decision_leave_each_device_old_or_new(
    broken: Served, chance: Random
) -> None:
    arrive(broken, "rest")
    scopes = ("--scope=devices:read", "--scope=devices:admit")
    token = broken.manage("issue_token", "story", "--owner=admin", "--days=1", *scopes).strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = json.dumps(
        {"filter": {"status": "pending", "q": "rest-"}, "decision": "accept", "reason": "The line opens."}
    )

    def decide() -> tuple[int, Any]:
        status, _, answer = broken.ask("POST", "/api/v1/device-decisions", body, headers)
        return status, json.loads(answer)

    accepted = "SELECT number FROM devices_devicecount WHERE tab = 'accepted'"
    done = 0
    with ThreadPoolExecutor(1) as client:
        for _ in range(2):
            answer = client.submit(decide)
            wait_until_beyond(broken, accepted, chance)
            _, *workers = broken.children("gateway.portal_app")
            for worker in workers:
                os.kill(worker, signal.SIGKILL)
            status, said = answer.result(PATIENCE)
            assert (status, said["code"]) == (503, "portal_unavailable")
            wait_for(broken.is_ready)
            found = facts(broken, "rest")
            assert done < len(found["recorded"]) < MANY
            done = len(found["recorded"])

    status, said = decide()
    assert status == 200
    assert Counter(outcome["status"] for outcome in said["outcomes"]) == {"accepted": MANY - done}
    found = facts(broken, "rest")
    assert {status for _, status, *_ in found["devices"]} == {"accepted"}
    assert told(broken, "rest") == Counter(device_id for device_id, *_ in found["devices"])


def test_a_bulk_decision_of_a_page_that_was_killed_goes_on_where_it_was(broken: Served, chance: Random) -> None:
    arrive(broken, "page")
    shell(broken, ASK)
    shell(broken, DENY_SOME)
    reached = "SELECT done + refused FROM devices_bulkdecision"
    for _ in range(2):
        command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", GO_ON]
        going = subprocess.Popen(command, cwd=ROOT, env=broken.env)
        wait_until_beyond(broken, reached, chance)
        going.kill()
        going.wait()
        found = facts(broken, "page")
        (asked,) = found["asked"]
        assert asked["done"] + asked["refused"] == found["reached"] < MANY
        assert asked["done"] == len(found["recorded"]) > 0
        assert asked["finished_at"] is None

    shell(broken, GO_ON)
    found = facts(broken, "page")
    (asked,) = found["asked"]
    assert (asked["total"], asked["done"], asked["refused"]) == (MANY, MANY - 3, 3)
    assert asked["finished_at"] is not None
    assert sorted(found["refused"]) == [[f"page-{which}", "device_denied"] for which in ("0000", "1500", "3999")]
    accepted = Counter(device_id for device_id, status, *_ in found["devices"] if status == "accepted")
    assert told(broken, "page") == accepted
