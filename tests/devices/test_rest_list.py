"""The list of devices over REST: every filter, every order, whole and once, and how many there are."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.serializers import ModelSerializer
from rest_framework.test import APIClient

from devices import filters
from devices.models import Device
from devices.serializers import DeviceSerializer
from portal.keyset import Order
from portal.scopes import Scope

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
DEVICES, DENIED = "/api/v1/devices", "/api/v1/denied-devices"
ORDERS = ("id", "request_time", "-request_time", "last_seen", "-last_seen")
EARLY = datetime(1, 1, 1, tzinfo=UTC)


@pytest.fixture
def client(rest: Callable[..., APIClient]) -> APIClient:
    return rest(Scope.DEVICES_READ, Scope.DEVICES_ADMIT)


def listed(client: APIClient, **query: Any) -> list[str]:
    answer = client.get(DEVICES, query)
    assert answer.status_code == 200, answer.content
    return [device["id"] for device in answer.json()["results"]]


def follow(client: APIClient, url: str, way: str) -> list[list[str]]:
    """The ids on this page and on all that follow it, or come before it."""
    pages, here = [], url
    while here:
        parts = urlsplit(here)
        page = client.get(f"{parts.path}?{parts.query}").json()
        pages.append([device["id"] for device in page["results"]])
        here = page[way]
    return pages


@pytest.mark.every_row
class TestOrder:
    @pytest.fixture
    def fleet(self, db: None) -> list[Device]:
        """Devices of which many were never seen, and many asked or were seen in the same moment."""
        chosen = random.Random(7)
        moments = [NOON + timedelta(seconds=n, microseconds=n) for n in range(3)]
        fleet = [
            Device(
                id=f"press-{n:02}",
                request_time=chosen.choice(moments),
                last_seen=chosen.choice([None, None, *moments]),
                status=chosen.choice(["accepted", "pending"]),
            )
            for n in range(40)
        ]
        chosen.shuffle(fleet)
        Device.objects.bulk_create(fleet)
        return fleet

    @pytest.mark.parametrize("limit", [1, 3, 7, 39, 40, 41])
    @pytest.mark.parametrize("status", ["", "&status=accepted"])
    @pytest.mark.parametrize("ordering", ORDERS)
    def test_the_pages_hold_every_device_once_in_both_directions(
        self, client: APIClient, fleet: list[Device], ordering: str, status: str, limit: int
    ) -> None:
        def rank(device: Device) -> Any:
            return (getattr(device, ordering.removeprefix("-")) or EARLY, device.pk)

        wanted = [device for device in fleet if not status or device.status == "accepted"]
        expected = [device.pk for device in sorted(wanted, key=rank, reverse=ordering.startswith("-"))]
        url = f"{DEVICES}?ordering={ordering}&limit={limit}{status}"
        forward = follow(client, url, "next")
        assert [device for page in forward for device in page] == expected
        assert all(len(page) == limit for page in forward[:-1])
        last, here = url, url
        while here:
            last, here = here, client.get(here).json()["next"]
        back = follow(client, last, "previous")
        assert [device for page in reversed(back) for device in page] == expected

    def test_a_device_that_goes_or_comes_meanwhile_shifts_no_other(
        self, client: APIClient, fleet: list[Device]
    ) -> None:
        first = client.get(f"{DEVICES}?ordering=request_time&limit=10").json()
        Device.objects.filter(pk__in=[first["results"][0]["id"], first["results"][-1]["id"]]).delete()
        Device.objects.create(id="press-new", request_time=NOON - timedelta(days=1))
        seen = [device["id"] for device in first["results"]]
        seen += [device for page in follow(client, first["next"], "next") for device in page]
        assert sorted(seen) == sorted(device.pk for device in fleet)

    def test_a_cursor_is_good_for_its_order_alone(self, client: APIClient, fleet: list[Device]) -> None:
        other = client.get(f"{DEVICES}?ordering=request_time&limit=10").json()["next"].replace("request_time", "id")
        answer = client.get(other)
        assert (answer.status_code, list(answer.json()["invalid"])) == (400, ["cursor"])

    @pytest.mark.skipif(connection.vendor != "sqlite", reason="The plan of SQLite")
    @pytest.mark.parametrize(
        ("ordering", "status"),
        [*((ordering, "") for ordering in ORDERS)]
        + [(ordering, status) for ordering in ORDERS for status in ("pending", "accepted")],
    )
    def test_a_page_is_read_from_an_index_and_never_sorted(
        self, db: None, fleet: list[Device], ordering: str, status: str
    ) -> None:
        devices = filters.narrow(Device.objects.present(), {"status": status} if status else {})
        order = Order.spelled(ordering)
        place = order.place(order.rows(devices, None, 5)[-1])
        with CaptureQueriesContext(connection) as caught:
            order.rows(devices, None, 5)
            order.rows(devices, place, 5)
        assert 2 <= len(caught) <= 5
        for query in caught.captured_queries:
            with connection.cursor() as cursor:
                cursor.execute("EXPLAIN QUERY PLAN " + query["sql"])
                plan = cursor.fetchall()
            [keys] = [step for step, _, _, said in plan if said.startswith("LIST SUBQUERY")]
            of_keys = [said for _, parent, _, said in plan if parent == keys]
            assert len(of_keys) == 1, plan  # One way through an index, and no sorting of what it finds.
            assert "INDEX" in of_keys[0], query["sql"]


class TestFilter:
    @pytest.fixture(autouse=True)
    def _fleet(self, make_device: Callable[..., Device]) -> None:
        for n, device_id in enumerate(("a", "b", "c", "d")):
            moment = NOON + timedelta(hours=n)
            make_device(device_id, request_time=moment, last_seen=moment if n else None)
        Device.objects.filter(pk="c").update(fingerprint="0123456789abcdef" * 4)

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"asked_after": "2026-11-25T13:00:00Z"}, "bcd"),
            ({"asked_before": "2026-11-25T13:00:00Z"}, "a"),
            ({"asked_after": "2026-11-25T13:00:00Z", "asked_before": "2026-11-25T15:00:00Z"}, "bc"),
            ({"asked_after": "2026-11-25t15:00:00.000001+01:00"}, "d"),
            ({"seen_after": "2026-11-25T08:00:00-05:00"}, "bcd"),
            ({"seen_before": "2026-11-25T14:00:00.0Z"}, "b"),
            ({"fingerprint": "0123456789ABCDEF" * 4}, "c"),
            ({"fingerprint": ":".join(["01:23:45:67:89:aB:cd:ef"] * 4)}, "c"),
            ({"fingerprint": "f" * 64}, ""),
            ({"q": "a", "asked_before": "2026-11-25T13:00:00Z"}, "a"),
            ({"seen_after": "2026-11-25T14:00:00Z", "ordering": "-request_time"}, "dc"),
            ({"seen_after": "2026-11-25T14:00:00Z", "status": "accepted"}, ""),
        ],
    )
    def test_only_devices_that_pass_every_filter_are_listed(
        self, client: APIClient, query: dict[str, str], found: str
    ) -> None:
        assert "".join(listed(client, **query)) == found

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("asked_after", moment) for moment in (
                "", "yesterday", "2026-11-25", "2026-11-25T12:00:00", "2026-11-25 12:00:00Z", "2026-13-01T00:00:00Z",
                "2026-11-25T24:00:00Z", "2026-11-25T12:00:00 01:00", "2026-11-25T12:00:60Z", "20261125T120000Z",
                "1999-12-31T23:59:59Z", "2101-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59",
                "9999-12-31T23:59:59-23:59",
                "2026-11-25T12:00:00+24:00", "٢٠٢٦-11-25T12:00:00Z", "2026-11-25T12:00:00Z\n", "1795608000", "\x00",
            )),
            ("asked_before", "now"), ("seen_after", "now"), ("seen_before", "now"),
            ("fingerprint", ""), ("fingerprint", "ab"), ("fingerprint", "g" * 64), ("fingerprint", "ab:" * 32),
            ("fingerprint", "a" * 65), ("fingerprint", "SHA256:" + "a" * 64),
            ("q", "a\u202eb"), ("q", "x" * 201), ("q", "\x00"),
            ("ordering", ""), ("ordering", "status"), ("ordering", "--id"), ("ordering", "id,status"),
            ("ordering", "pk"),
            ("ordering", "introduction__key"), ("status", "denied"),
        ],
    )  # fmt: skip
    def test_a_value_that_is_none_is_refused_by_name(self, client: APIClient, name: str, value: str) -> None:
        answer = client.get(DEVICES, {name: value})
        assert answer.status_code == 400
        assert list(answer.json()["invalid"]) == [name]

    def test_a_filter_that_many_devices_pass_loses_none(
        self, client: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("devices.search.FEW", 1)
        assert listed(client, asked_after="2026-11-25T13:00:00Z") == ["b", "c", "d"]


class TestTotal:
    @pytest.fixture(autouse=True)
    def _fleet(self, make_device: Callable[..., Device]) -> None:
        for n, status in enumerate(["pending", "pending", "accepted", "rejected", "preauthorized"]):
            make_device(f"press-{n}", status=status)
        make_device("gone-1", status="accepted", denied_at=NOON)

    @pytest.mark.parametrize(
        ("query", "total"),
        [
            ("", 5),
            ("?status=pending", 2),
            ("?status=accepted&limit=1&ordering=last_seen", 1),
            ("?q=", 5),
            ("?q=press", None),
            ("?status=pending&asked_after=2020-01-01T00:00:00Z", None),
        ],
    )
    def test_the_list_says_how_many_there_are_where_that_is_known(
        self, client: APIClient, query: str, total: int | None
    ) -> None:
        assert client.get(DEVICES + query).json()["total"] == total

    def test_so_does_the_denied_list_and_every_page(self, client: APIClient) -> None:
        assert client.get(DENIED).json()["total"] == 1
        following = client.get(f"{DEVICES}?limit=2").json()["next"]
        assert client.get(following).json()["total"] == 5

    def test_nothing_is_counted(self, client: APIClient) -> None:
        with CaptureQueriesContext(connection) as caught:
            client.get(DEVICES)
        assert not [query["sql"] for query in caught.captured_queries if "COUNT(" in query["sql"].upper()]


def test_a_device_is_written_out_as_its_fields_say(make_device: Callable[..., Device]) -> None:
    make_device(
        "press-1",
        {"serial": "1", "rack": {"row": 3}},
        request_time=NOON,
        last_seen=NOON + timedelta(microseconds=5),
        denied_at=NOON.astimezone(timezone(timedelta(hours=2))),
    )
    device = Device.objects.select_related("introduction").get()
    shape = DeviceSerializer()
    assert shape.to_representation(device) == ModelSerializer.to_representation(shape, device)
