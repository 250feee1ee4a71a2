"""Rows from before a limit existed: whatever stands in the database, no list breaks, and the others are still shown."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from devices import records
from devices.models import CheckIn, Device, Inventory, KeyChangeRequest, SystemInfo
from portal.models import AuditEvent, User
from portal.scopes import Scope

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
DEEP = 500
ODD = "\u202edessert\u2066 \u0007\u001b[31m\u2028 \U000e0041 <b>&amp;"
HUGE = "x" * 1_000_000

LISTS = [
    *(f"/portal/devices/?tab={tab}" for tab in ("pending", "all")),
    *(f"/portal/devices/?tab=all&sort={sort}" for sort in ("oldest", "seen", "silent", "id")),
    "/portal/devices/list/devices.csv?tab=all",
    "/api/v1/devices",
    "/api/v1/devices?ordering=-request_time",
    "/api/management/v1/admission/devices",
    "/devices",
    "/v1/devices?order-by=last-seen-desc",
]
DENIED_LISTS = ["/portal/devices/?tab=denied", "/api/v1/denied-devices", "/denied-devices"]
TRAILS = ["/portal/audit/", "/portal/audit/?verify=1", "/portal/audit/audit.csv", "/portal/audit/audit.jsonl"]
OF_ONE = [
    "/portal/devices/press-2/",
    "/api/v1/devices/press-2",
    "/api/v1/devices/press-2/history",
    *(f"/api/v1/devices/press-2/{stored}" for stored in ("config", "check-in", "system-info", "inventory")),
    "/api/management/v1/admission/devices/press-2",
    "/devices/press-2",
]

Write = Callable[[str, str, Any], None]


def deep(of: str, levels: int = DEEP) -> str:
    """A list or an object within another, 500 times, as JSON."""
    begins, ends = ("[", "]") if of == "list" else ('{"a":', "}")
    return f'{{"serial": {begins * levels}1{ends * levels}}}'


# What a row about the device holds that nobody would be allowed to send today.
POISONS: dict[str, tuple[str, str, Any]] = {
    "objects in objects": ("introduction", "members", deep("object")),
    "lists in lists": ("introduction", "members", deep("list")),
    "as deep as SQLite takes": ("introduction", "members", deep("list", 998)),
    "attributes as deep as SQLite takes": ("inventory", "attributes", deep("object", 998)),
    "members that are a list": ("introduction", "members", '["a", 1]'),
    "members that are a text": ("introduction", "members", '"a"'),
    "members that are a number": ("introduction", "members", "5"),
    "members that are null": ("introduction", "members", "null"),
    "members of odd characters": ("introduction", "members", json.dumps({ODD: ODD, "": "", "list": [ODD, None]})),
    "members of many values": ("introduction", "members", json.dumps({f"m{n}": {"n": [n]} for n in range(2000)})),
    "a member of a megabyte": ("introduction", "members", json.dumps({"serial": HUGE})),
    "a text of a megabyte": ("introduction", "text", HUGE),
    "a text that is no JSON": ("introduction", "text", f"{ODD}{{"),
    "an empty text": ("introduction", "text", ""),
    "a key that is none": ("introduction", "key", f"{ODD} no PEM"),
    "a key of a megabyte": ("introduction", "key", HUGE),
    "a request before all time": ("device", "request_time", "0001-01-01 00:00:00"),
    "a request after all time": ("device", "request_time", "9999-12-31 23:59:59.999999"),
    "seen before all time": ("device", "last_seen", "0001-01-01 00:00:00"),
    "seen after all time": ("device", "last_seen", "9999-12-31 23:59:59.999999"),
    "decided before all time": ("device", "decided_at", "0001-01-01 00:00:00"),
    "decided by odd characters": ("device", "decided_by", ODD),
    "a fingerprint that is none": ("device", "fingerprint", "ü\u202e"),
    "an identity digest that is none": ("device", "identity_digest", "<ü>"),
}


@pytest.fixture
def pages(log_in: Callable[..., Client], administrator: User) -> Client:
    return log_in(administrator)


@pytest.fixture
def client(rest: Callable[..., APIClient]) -> APIClient:
    return rest(Scope.DEVICES_READ, Scope.DEVICES_DELETE, Scope.AUDIT_READ)


@pytest.fixture
def read(pages: Client, client: APIClient) -> Callable[[str], Any]:
    """Ask for a page or over REST; an exception that nobody expected fails the test here."""

    def ask(path: str) -> Any:
        answer = (pages if path.startswith("/portal/") else client).get(path)
        body = b"".join(answer.streaming_content) if getattr(answer, "streaming", False) else answer.content
        return answer.status_code, body.decode()

    return ask


@pytest.fixture
def fleet(make_device: Callable[..., Device]) -> None:
    """A poisoned device between two others, each with all that a device may have."""
    for device_id in ("press-1", "press-2", "press-3"):
        device = make_device(device_id, request_time=NOON, last_seen=NOON)
        CheckIn.objects.create(device=device, target="t", apps="a,b")
        SystemInfo.objects.create(device=device, hardware="{}")
        Inventory.objects.create(device=device, attributes={"os": "x"})


def write(table: str, column: str, value: Any) -> None:
    """Put it into the row of press-2, past everything that would refuse it."""
    model = {"device": Device, "introduction": Device.introduction.related.related_model, "inventory": Inventory}[table]
    where = "id" if table == "device" else "device_id"
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {model._meta.db_table} SET {column} = %s WHERE {where} = 'press-2'", [value])
        assert cursor.rowcount == 1


def the_others_are_shown(read: Callable[[str], Any], lists: list[str]) -> None:
    for path in lists:
        status, body = read(path)
        assert (path, status) == (path, 200)
        assert "press-1" in body
        assert "press-3" in body


def it_is_shown_or_refused(read: Callable[[str], Any]) -> None:
    for path in OF_ONE:
        status, _ = read(path)
        assert (path, status < 500) == (path, True)


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("poison", POISONS)
def test_a_poisoned_device_breaks_no_list(read: Callable[[str], Any], poison: str) -> None:
    write(*POISONS[poison])
    the_others_are_shown(read, LISTS)
    it_is_shown_or_refused(read)
    assert read("/portal/")[0] == 200


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("poison", ["lists in lists", "members that are null", "a text of a megabyte"])
def test_a_poisoned_device_that_is_denied_breaks_no_list(read: Callable[[str], Any], poison: str) -> None:
    write(*POISONS[poison])
    Device.objects.update(denied_at=NOON, denied_by=ODD)
    if connection.vendor == "sqlite":  # PostgreSQL holds what its columns allow.
        write("device", "denied_reason", HUGE[:100_000])
    the_others_are_shown(read, DENIED_LISTS)
    it_is_shown_or_refused(read)


@pytest.mark.usefixtures("fleet")
def test_what_hangs_on_a_device_may_be_missing_or_odd(read: Callable[[str], Any]) -> None:
    write("inventory", "attributes", json.dumps({f"a{n}": [ODD, n] for n in range(10_000)}))
    SystemInfo.objects.filter(device="press-2").update(hardware=HUGE, network=ODD, config=ODD)
    CheckIn.objects.filter(device="press-2").update(apps=ODD + ",,", target=ODD, tag=ODD)
    Device.objects.get(pk="press-2").introduction.delete()
    the_others_are_shown(read, LISTS)
    it_is_shown_or_refused(read)


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("spoiled", ['["os"]', "null", '"os"', "5"])
def test_a_device_whose_attributes_are_none_reports_them_anew(spoiled: str) -> None:
    write("inventory", "attributes", spoiled)
    Device.objects.filter(pk="press-2").update(status="accepted")
    records.report_inventory(Device.objects.get(pk="press-2"), {"os": "y"}, replace=False)
    assert Inventory.objects.get(device="press-2").attributes == {"os": "y"}


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("seen_at", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)])
def test_a_poisoned_key_change_breaks_neither_the_overview_nor_the_device(
    read: Callable[[str], Any], seen_at: datetime
) -> None:
    for device_id in ("press-1", "press-2"):
        KeyChangeRequest.objects.create(
            device_id=device_id, new_fingerprint=f"{ODD} ü", new_key=HUGE, seen_at=seen_at, seen_from=ODD
        )
    write(*POISONS["members that are a list"])
    status, body = read("/portal/")
    assert (status, "press-1" in body) == (200, True)
    it_is_shown_or_refused(read)


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("facts", [deep("object"), deep("list"), "[1, 2]", '"a"', "5", "false", json.dumps({ODD: ODD})])
def test_an_odd_row_of_the_audit_trail_breaks_no_list_of_it(read: Callable[[str], Any], facts: str) -> None:
    long = 100_000 if connection.vendor == "sqlite" else 500
    usual = {"actor_kind": "person", "subject_kind": "device", "mac": ""}
    last = AuditEvent.objects.count()
    AuditEvent.objects.bulk_create(
        AuditEvent(
            number=last + number,
            at=at,
            actor=actor,
            verb=verb,
            subject_id=subject,
            reason=HUGE[:long],
            request_id=request_id,
            **usual,
        )
        for number, at, actor, verb, subject, request_id in [
            (1, NOON, "ada", "device.accepted", "press-1", ""),
            (2, datetime(1, 1, 1, tzinfo=UTC), ODD, ODD, f"{ODD}/../", ODD),
            (3, datetime(9999, 12, 31, 23, tzinfo=UTC), "", "", "press-2", ""),
            (4, NOON, "ada", "device.rejected", "press-3", ""),
        ]
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE portal_auditevent SET before = %s, after = %s WHERE number IN (%s, %s)",
            [facts, facts, last + 2, last + 3],
        )
    the_others_are_shown(read, TRAILS)
    assert read("/portal/")[0] == 200
    assert read("/portal/devices/press-2/")[0] == 200
    the_others_are_shown(read, ["/api/v1/audit"])
    assert read("/api/v1/devices/press-2/history")[0] == 200
    assert {read(f"/api/v1/audit/{last + number}")[0] for number in range(1, 5)} == {200}
