"""Finding devices by the beginning of an id or a fingerprint, and by a part of the identity or of the attributes."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices import denial, records, search
from devices.models import Device, Inventory
from portal.actor import Actor

FINGERPRINT = "ab12" * 16


def found(wanted: str) -> set[str]:
    return {device.pk for device in search.find(Device.objects.present(), wanted)}


@pytest.fixture
def fleet(make_device: Callable[..., Device]) -> None:
    make_device("press-1", {"serial": "GH-100%", "mac": "02:00:00:00:00:01"})
    make_device("press-2", {"serial": "GH-1000", "mac": "02:00:00:00:00:02"})
    make_device("Press-3", {"serial": "gh_2"})
    Device.objects.filter(pk="press-1").update(fingerprint=FINGERPRINT)
    press = make_device("press-4", status="accepted")
    records.report_inventory(press, {"os": "Linux 6.6", "cores": 4, "net": ["eth0", "wg_7"], "tls": True}, replace=True)


FOUND = pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ("", {"press-1", "press-2", "Press-3", "press-4"}),
        ("press", {"press-1", "press-2", "press-4"}),
        ("Press", {"Press-3", "press-4"}),  # An id by its beginning, an identity in any case.
        ("AB:12:ab", {"press-1"}),
        ("ab12" * 16, {"press-1"}),
        ("gh-1", {"press-1", "press-2"}),
        ("100%", {"press-1"}),
        ("gh_", {"Press-3"}),
        ('"serial": "G', {"press-1", "press-2"} | {"Press-3"}),
        ("b12", set()),
        ("~", set()),
        ("linux", {"press-4"}),
        ("OS=Linux 6", {"press-4"}),
        ("cores=4", {"press-4"}),
        ("eth0, wg_", {"press-4"}),
        ("wg17", set()),
        ("tls=true", {"press-4"}),
    ],
)


@pytest.mark.every_row
@FOUND
def test_what_a_text_finds(fleet: None, wanted: str, ids: set[str]) -> None:
    assert found(wanted) == ids


@pytest.mark.every_row
@FOUND
@pytest.mark.parametrize(("few", "some"), [(0, 8000), (-1, -1)])
def test_a_text_that_many_hold_finds_the_same(
    fleet: None, wanted: str, ids: set[str], few: int, some: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fetched by the database, or met on the way through the list."""
    monkeypatch.setattr(search, "FEW", few)
    monkeypatch.setattr(search, "SOME", some)
    assert found(wanted) == ids


class TestAttributes:
    @pytest.fixture
    def press(self, fleet: None) -> Device:
        return Device.objects.get(pk="press-4")

    def test_what_is_no_longer_reported_is_not_found(self, press: Device) -> None:
        records.report_inventory(press, {"os": "QNX 8"}, replace=False)
        assert (found("linux"), found("qnx"), found("cores=4")) == (set(), {"press-4"}, {"press-4"})
        records.report_inventory(press, {}, replace=True)
        assert (found("qnx"), found("cores=4")) == (set(), set())

    def test_what_a_denied_device_had_stored_is_not_found(self, press: Device) -> None:
        denial.deny(press, by=Actor.command("test"))
        assert not search.find(Device.objects.all(), "linux").exists()
        denial.restore(press, by=Actor.command("test"))
        records.report_inventory(press, {"os": "Linux 7"}, replace=True)
        assert found("linux 7") == {"press-4"}

    def test_the_first_20000_characters_are_searched(self, press: Device) -> None:
        records.report_inventory(press, {"log": "x" * 19_990 + "here" + "there"}, replace=True)
        assert (found("xhere"), found("there")) == ({"press-4"}, set())

    def test_the_same_report_again_writes_nothing(self, press: Device) -> None:
        before = Inventory.objects.get()
        same = {"tls": True, "net": ["eth0", "wg_7"], "cores": 4, "os": "Linux 6.6"}
        records.report_inventory(press, same, replace=True)
        assert Inventory.objects.values("pk", "reported_at").get() == {
            "pk": before.pk,
            "reported_at": before.reported_at,
        }

    def test_the_index_agrees_with_the_texts_after_changes_past_the_rules(self, press: Device) -> None:
        Inventory.objects.update(text="os=Plan 9")
        Inventory.objects.update(attributes={})
        assert (found("linux"), found("plan 9")) == (set(), {"press-4"})
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                for index in ("devices_search", "devices_inventory_search"):
                    cursor.execute(f"INSERT INTO {index}({index}, rank) VALUES ('integrity-check', 1)")


def test_an_opaque_text_has_no_second_index_for_its_beginnings(db: None) -> None:
    """It is in the collation C, whose own index finds those."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        ours = [table for table in tables if table.startswith("devices_")]
        indexes = {name for table in ours for name in connection.introspection.get_constraints(cursor, table)}
    opaque = {"devices_device_id", "devices_introduction_device_id", "devices_inventory_device_id"}
    assert not [name for name in indexes if name.endswith("_like") and name.startswith(tuple(opaque))]


@pytest.mark.parametrize("wanted", ["ab", "press-1", "ab12ab", "GH-1000"])
def test_a_search_reads_no_table_from_end_to_end(fleet: None, wanted: str) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL reads a table of three rows from end to end, and is right.")
    with CaptureQueriesContext(connection) as asked:
        found(wanted)
    for query in asked.captured_queries:
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN QUERY PLAN " + query["sql"].replace("%", "%%"))
            plan = [row[3] for row in cursor.fetchall()]
        assert not [step for step in plan if step.startswith("SCAN devices_") and "VIRTUAL TABLE" not in step], plan


def test_the_records_of_an_identity_are_found_without_reading_all(fleet: None) -> None:
    """Every device that asks to be let in is looked up so."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL reads a table of three rows from end to end, and is right.")
    plan = Device.objects.claiming("0" * 64).explain()
    assert "SCAN" not in plan
    assert "device_by_identity" in plan
