"""What Prometheus reads costs the same however much there is, and is exact."""

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from devices.models import DeviceCount
from portal import audit, audit_counts
from portal.actor import Actor
from portal.models import AuditEvent, KeptCount

pytestmark = pytest.mark.django_db

SUBJECT = ("device", "press-1")


def told(client: Client) -> list[str]:
    return client.get("/metrics").content.decode().splitlines()


@transaction.atomic
def change(verb: str, times: int, by: Actor) -> None:
    audit.record_all(by, verb, [audit.Change(SUBJECT)] * times)


def test_changes_are_counted_exactly_whether_the_worker_has_counted_them_or_not(client: Client, root: Actor) -> None:
    change("device.denied", 2, root)
    assert audit_counts.by_verb()["device.denied"] == 2
    for _ in range(2):
        audit_counts.keep()
    change("device.denied", 1, root)
    change("device.accepted", 1, root)
    assert audit_counts.by_verb()["device.denied"] == 3
    lines = told(client)
    assert 'gatehouse_changes_total{verb="device.denied"} 3.0' in lines
    assert 'gatehouse_changes_total{verb="device.accepted"} 1.0' in lines


def test_what_the_worker_has_counted_is_not_counted_again(root: Actor) -> None:
    change("device.denied", 3, root)
    audit_counts.keep()
    KeptCount.objects.filter(name=audit_counts.NAME).update(numbers={"device.denied": 1_000_000})
    change("device.denied", 1, root)
    assert audit_counts.by_verb() == {"device.denied": 1_000_001}
    audit_counts.keep()
    assert KeptCount.objects.get(name=audit_counts.NAME).upto == AuditEvent.objects.count() == 4


def test_devices_are_told_as_the_database_has_counted_them(client: Client) -> None:
    DeviceCount.objects.update_or_create(tab="accepted", defaults={"number": 1_234_567})
    DeviceCount.objects.update_or_create(tab="denied", defaults={"number": 89})
    with CaptureQueriesContext(connection) as asked:
        lines = told(client)
    assert 'gatehouse_devices{status="accepted"} 1.234567e+06' in lines
    assert 'gatehouse_devices{status="denied"} 89.0' in lines
    assert not [each for each in asked if each["sql"].partition("FROM ")[2].startswith('"devices_device"')]
