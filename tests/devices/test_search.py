"""Finding devices by the beginning of an id or a fingerprint and by a part of the identity, through an index each."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices import search
from devices.models import Device

FINGERPRINT = "ab12" * 16


def found(wanted: str) -> set[str]:
    return {device.pk for device in search.find(Device.objects.present(), wanted)}


@pytest.fixture
def fleet(make_device: Callable[..., Device]) -> None:
    make_device("press-1", {"serial": "GH-100%", "mac": "02:00:00:00:00:01"})
    make_device("press-2", {"serial": "GH-1000", "mac": "02:00:00:00:00:02"})
    make_device("Press-3", {"serial": "gh_2"})
    Device.objects.filter(pk="press-1").update(fingerprint=FINGERPRINT)


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ("", {"press-1", "press-2", "Press-3"}),
        ("press", {"press-1", "press-2"}),
        ("Press", {"Press-3"}),
        ("AB:12:ab", {"press-1"}),
        ("ab12" * 16, {"press-1"}),
        ("gh-1", {"press-1", "press-2"}),
        ("100%", {"press-1"}),
        ("gh_", {"Press-3"}),
        ('"serial": "G', {"press-1", "press-2"} | {"Press-3"}),
        ("b12", set()),
        ("~", set()),
    ],
)
def test_what_a_text_finds(fleet: None, wanted: str, ids: set[str]) -> None:
    assert found(wanted) == ids


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
        assert not [step for step in plan if step.startswith("SCAN") and "VIRTUAL TABLE" not in step], plan


def test_the_records_of_an_identity_are_found_without_reading_all(fleet: None) -> None:
    """Every device that asks to be let in is looked up so."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL reads a table of three rows from end to end, and is right.")
    plan = Device.objects.claiming("0" * 64).explain()
    assert "SCAN" not in plan
    assert "device_by_identity" in plan
