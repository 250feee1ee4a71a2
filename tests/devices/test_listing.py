"""The list of devices on its page: what narrows and sorts it, page by page, and the same as a file."""

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices import listing
from devices.models import Device
from portal.models import User
from portal.refusal import Invalid

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
Make = Callable[..., Device]


def walked(query: str) -> list[str]:
    """The ids on all pages, one after the other."""
    found, after = [], ""
    while True:
        page = listing.read(QueryDict(f"{query}&after={after}"))
        found += [device.pk for device in page.devices]
        if not (after := page.older):
            return found


@pytest.fixture
def fleet(db: None) -> list[Device]:
    """120 devices, many of which asked at the same moment or were never seen."""
    return [
        Device.objects.create(
            id=f"press-{number:03}",
            request_time=NOON + timedelta(minutes=number % 4),
            last_seen=None if number % 3 == 0 else NOON + timedelta(hours=number % 5),
        )
        for number in range(120)
    ]


ORDERS: dict[str, Callable[[Device], Any]] = {
    "newest": lambda device: (device.request_time, device.pk),
    "oldest": lambda device: (device.request_time, device.pk),
    "seen": lambda device: (device.last_seen or datetime.min.replace(tzinfo=UTC), device.pk),
    "silent": lambda device: (device.last_seen or datetime.min.replace(tzinfo=UTC), device.pk),
    "id": lambda device: device.pk,
}


@pytest.mark.parametrize("sort", ORDERS)
@pytest.mark.parametrize("tab", ["pending", "all"])
def test_every_page_follows_the_one_before_it(fleet: list[Device], tab: str, sort: str) -> None:
    ordered = sorted(fleet, key=ORDERS[sort], reverse=sort in ("newest", "seen"))
    assert walked(f"tab={tab}&sort={sort}") == [device.pk for device in ordered]


def test_the_denied_list_is_sorted_by_when_they_were_denied(make_device: Make) -> None:
    for number in range(3):
        make_device(f"press-{number}", denied_at=NOON - timedelta(days=number), request_time=NOON)
    assert walked("tab=denied") == ["press-0", "press-1", "press-2"]
    assert walked("tab=denied&sort=oldest") == ["press-2", "press-1", "press-0"]


@pytest.mark.parametrize(
    ("narrowed", "found"),
    [
        ("asked=1h", {"new"}),
        ("asked=24h", {"new", "lately"}),
        ("asked=7d", {"new", "lately"}),
        ("seen=1h", {"new", "old"}),
        ("seen=not-24h", {"lately"}),
        ("seen=not-7d", set()),
        ("seen=never", {"never"}),
        ("asked=24h&seen=not-24h", {"lately"}),
        ("asked=1h&q=ol", set()),
        ("q=ol", {"old"}),
    ],
)
def test_the_list_is_narrowed_to_what_was_asked_and_seen_within_a_time(
    make_device: Make, narrowed: str, found: set[str]
) -> None:
    now = timezone.now()
    make_device("new", request_time=now, last_seen=now)
    make_device("lately", request_time=now - timedelta(hours=20), last_seen=now - timedelta(hours=30))
    make_device("old", request_time=now - timedelta(days=30), last_seen=now)
    make_device("never", request_time=now - timedelta(days=30))
    assert set(walked(f"tab=all&{narrowed}")) == found


@pytest.mark.parametrize(
    "query", ["sort=name", "asked=2h", "seen=soon", "sort=id&sort=id", "after=x", "tab=x", "q=%00"]
)
def test_what_is_no_such_query_is_refused(db: None, query: str) -> None:
    with pytest.raises(Invalid):
        listing.read(QueryDict(query))


def test_the_filters_stand_in_every_link_of_the_page(
    log_in: Callable[..., Client], operator: User, fleet: list[Device]
) -> None:
    page = log_in(operator).get("/portal/devices/?tab=all&q=press&sort=silent").content.decode()
    more = re.search(r'rel="next" href="([^"]+)"', page)
    assert more
    assert "tab=all&q=press&sort=silent&amp;after=" in more[1].replace("&amp;q", "&q").replace("&amp;sort", "&sort")
    assert '<option value="silent" selected>' in page


@pytest.mark.parametrize("number", [1, 120])
def test_the_page_costs_the_same_queries_however_many_devices_it_shows(
    log_in: Callable[..., Client], operator: User, fleet: list[Device], number: int
) -> None:
    Device.objects.filter(pk__in=[device.pk for device in fleet[number:]]).delete()
    client = log_in(operator)
    client.get("/portal/devices/")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get("/portal/devices/?tab=all")
    # The session, the person, the devices, the counts, who waits, what awaits approval, what ends soon, and which are
    # off by command.
    assert len(queries) == 8


class TestFile:
    def read(self, client: Client, query: str) -> list[dict[str, str]]:
        answer: Any = client.get(f"/portal/devices/list/devices.csv?{query}")
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))

    def test_it_holds_what_the_list_holds_in_its_order(
        self, log_in: Callable[..., Client], viewer: User, fleet: list[Device]
    ) -> None:
        lines = self.read(log_in(viewer), "tab=pending&sort=seen")
        assert [line["id"] for line in lines] == walked("tab=pending&sort=seen")

    def test_no_cell_is_a_formula(self, log_in: Callable[..., Client], viewer: User, make_device: Make) -> None:
        make_device("-1", denied_at=NOON, denied_by="=ada", denied_reason="@now")
        (line,) = self.read(log_in(viewer), "tab=denied")
        assert (line["id"], line["denied_by"], line["denied_reason"]) == ("'-1", "'=ada", "'@now")
        assert (line["status"], line["denied_at"]) == ("denied", "2026-05-04T12:00:00.000000+00:00")
