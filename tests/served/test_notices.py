"""A whole installation gives notice of what ends, by webhook and mail, each once, though its worker is killed."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from tests.mail_server import MailServer
from tests.receiver import Receiver, receiving
from tests.served.installation import Served, serving, wait_for

pytestmark = pytest.mark.long

OWNERS, EACH = 30, 4

# The tokens are made to be old; the notices are then due, and their job at once.
PEOPLE = """
from datetime import timedelta
from django.utils import timezone
from portal.actor import Actor
from portal.models import User
from portal import webhooks
from tokens import issuing
from tokens.models import ApiToken
by, now = Actor.command("story"), timezone.now()
for number in range({owners}):
    owner = User.objects.create(username=f"owner-{{number}}", role="viewer", email=f"owner-{{number}}@plant.example")
    for each in range({each}):
        token, _ = issuing.issue(f"token {{number}}.{{each}}", ["devices:read"], owner=owner, days=300, by=by)
webhooks.create("chat", "{url}", ["token.expiring"], by=by)
ApiToken.objects.update(created_at=now - timedelta(days=295), expires_at=now + timedelta(days=5))
"""
DUE = """
from datetime import timedelta
from django.utils import timezone
from portal.models import ScheduledJob
ScheduledJob.objects.filter(name="give notice of what ends").update(due_at=timezone.now() - timedelta(seconds=1))
"""
FACTS = """
import json
from datetime import timedelta
from django.utils import timezone
from portal import audit
from portal.models import AuditEvent, ExpiryNotice, Letter
if {hurry}:
    Letter.objects.filter(sent_at=None).update(next_at=timezone.now())
print(json.dumps([
    ExpiryNotice.objects.count(),
    AuditEvent.objects.filter(verb="token.notice_sent").count(),
    Letter.objects.count(),
    Letter.objects.filter(sent_at=None).count(),
    audit.verify().holds,
]))
"""


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as ready:
        yield ready


@pytest.fixture
def served(mail: MailServer) -> Iterator[Served]:
    settings = {
        "GATEHOUSE_ROUTE_TARGETS": "private loopback",
        "GATEHOUSE_MAIL_URL": f"smtp://127.0.0.1:{mail.port}",
        "GATEHOUSE_ADMIN_EMAILS": "root@plant.example",
    }
    with serving(**settings) as ready:
        yield ready


def shell(served: Served, code: str) -> str:
    return served.manage("shell", "-v", "0", "-c", code).strip()


def facts(served: Served, *, hurry: bool = False) -> list[Any]:
    found: list[Any] = json.loads(shell(served, FACTS.format(hurry=hurry)))
    return found


def kill_worker(served: Served) -> None:
    """Kill the worker; `serve` starts another."""
    for worker in served.children("run_worker"):
        os.kill(worker, signal.SIGKILL)


def test_each_notice_is_given_once_though_the_worker_is_killed_again_and_again(
    served: Served, mail: MailServer, receiver: Receiver, chance: Random
) -> None:
    all_of_them = OWNERS * EACH
    shell(served, PEOPLE.format(owners=OWNERS, each=EACH, url=receiver.url))
    for _ in range(3):
        shell(served, DUE)
        time.sleep(chance.random())
        kill_worker(served)
        given, recorded, letters, _, holds = facts(served)
        assert given == recorded == letters * EACH
        assert holds
        wait_for(lambda: bool(served.children("run_worker")))
    shell(served, DUE)
    # A claim of a killed worker lasts ten minutes; they are made to be over.
    wait_for(lambda: facts(served, hurry=True)[:4] == [all_of_them, all_of_them, OWNERS, 0])
    names = [name for taken in mail.taken for name in re.findall(r"API token (token [\d.]+)", taken.text)]
    to = [taken.recipients[0] for taken in mail.taken]
    assert set(names) == {f"token {number}.{each}" for number in range(OWNERS) for each in range(EACH)}
    assert set(to) == {f"owner-{number}@plant.example" for number in range(OWNERS)}
    # SMTP knows no exactly once: a kill between the server's yes and our mark sends that one mail again.
    assert len(to) - OWNERS <= 3 + 1
    wait_for(lambda: len({heard.json["data"]["token"] for heard in receiver.heard}) == all_of_them)
    assert len({heard.message for heard in receiver.heard}) == all_of_them
