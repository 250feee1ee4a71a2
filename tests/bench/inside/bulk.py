"""10,000 devices are accepted at once, while another process reads and enrols: how long it has to wait for its turn."""

import os
import time
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from django.core.management import call_command
from django.db import connection
from rest_framework.test import APIRequestFactory

from devices import bulk, introduction
from devices.models import Device
from devices.rest import DeviceViewSet
from portal import audit
from portal.actor import Actor
from portal.models import AuditEvent, User
from portal.roles import Role
from portal.scopes import Scope
from tests.bench.figures import CannotRun, Figure
from tests.bench.inside.admissions import numbered
from tests.bench.inside.fleet import fill
from tokens import issuing

DEVICES, EVERY = 10_000, 0.01


def measure() -> Iterator[Figure]:
    call_command("migrate", verbosity=0)
    fill(DEVICES)
    Device.objects.update(status="pending", denied_at=None, denied_by="")
    owner = User.objects.create(username="ada", role=Role.ADMINISTRATOR)
    by = Actor.command("bench")
    _, token = issuing.issue("bench", [Scope.DEVICES_READ], owner=owner, days=1, by=by)
    ids = list(Device.objects.order_by("request_time").values_list("pk", flat=True))
    before = AuditEvent.objects.count()
    connection.close()
    forking = get_context("fork")
    here, there = forking.Pipe()
    other = forking.Process(target=ask, args=(there, ids[0], token))
    other.start()
    here.recv()
    began = time.perf_counter()
    outcomes = bulk.decide(ids, bulk.DECISIONS["accept"], by=by)
    took = time.perf_counter() - began
    here.send("enough")
    waits: dict[str, list[float]] = here.recv()
    other.join()
    accepted = sum(outcome.status == "accepted" for outcome in outcomes)
    decided = AuditEvent.objects.filter(number__gt=before, verb="device.accepted").count()
    if (accepted, decided) != (DEVICES, DEVICES) or not audit.verify().holds:
        raise CannotRun(f"{accepted} devices became accepted, with {decided} audit rows")
    yield Figure("bulk, 10,000 devices accepted, each with its audit row", round(took, 2), "s", below=3)
    for name, waited in waits.items():
        yield Figure(f"bulk, longest wait of {len(waited)} {name} meanwhile", round(max(waited), 3), "s", below=0.2)


def ask(there: Connection, device_id: str, token: str) -> None:
    """By turns a small authenticated GET and the admission of a new device, until told that it is enough."""
    view, get = DeviceViewSet.as_view({"get": "retrieve"}), APIRequestFactory().get

    def read() -> Any:
        answer = view(get("/", HTTP_AUTHORIZATION=f"Bearer {token}"), pk=device_id)
        assert answer.status_code == 200, answer.data

    enrol = numbered(introduction.introduce, "meanwhile")
    read()
    enrol()
    waits: dict[str, list[float]] = {"requests": [], "admissions": []}
    there.send("ready")
    while not there.poll(EVERY):
        for call, waited in ((read, waits["requests"]), (enrol, waits["admissions"])):
            began = time.perf_counter()
            call()
            waited.append(time.perf_counter() - began)
    there.recv()
    there.send(waits)
    connection.close()
    os._exit(0)
