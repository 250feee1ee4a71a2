"""What passes through routes: only what is new is added, twice never, and nothing is less than it was."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.template.loader import render_to_string
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from gateway import nodes, route_charts, route_traffic, routes, upstream_health
from gateway.models import GatewayNode, Route, RouteTraffic, TrafficReading
from gateway.route_traffic import Count
from portal.actor import Actor
from portal.models import User
from portal.scopes import Scope

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 25, 12, 3, tzinfo=UTC)
# As Envoy 1.40 answers, with one bound of many.
SAID = """{"stats":[{"name":"cluster.route-7.upstream_rq_4xx","value":1},
{"name":"cluster.route-7.upstream_rq_completed","value":6},{"name":"cluster.route-7.upstream_rq_other","value":6},
{"name":"cluster.route-8.upstream_rq_5xx","value":2},{"name":"cluster.route-8.upstream_rq_completed","value":2},
{"histograms":[{"name":"cluster.route-7.upstream_rq_time","buckets":[{"upper_bound":1,"interval":0,"cumulative":0},
{"upper_bound":200,"interval":0,"cumulative":5},{"upper_bound":3e+05,"interval":0,"cumulative":5}]}]}]}"""


@pytest.fixture
def node(root: Actor) -> GatewayNode:
    return nodes.local(by=root)[0]


@pytest.fixture
def route(root: Actor) -> Route:
    return routes.make("line", "http://10.0.0.5", by=root)


@pytest.fixture
def reading(node: GatewayNode) -> Callable[..., None]:
    """Read this from the Envoy that runs under the name `process`."""

    def read(process: str = "one", **counts: Count) -> None:
        last, _ = TrafficReading.objects.get_or_create(node=node)
        route_traffic.add(last, process, {name.removeprefix("r"): count for name, count in counts.items()})

    return read


def count(requests: int, client: int = 0, server: int = 0, **latencies: int) -> Count:
    """`_5=3` are three answers within 5 ms."""
    bounds = {bound.removeprefix("_"): number for bound, number in latencies.items()}
    return Count(requests=requests, client_errors=client, server_errors=server, latencies=bounds)


def counted() -> tuple[int, int, int]:
    rows = RouteTraffic.objects.all()
    return (
        sum(row.requests for row in rows),
        sum(row.client_errors for row in rows),
        sum(row.server_errors for row in rows),
    )


def test_envoys_answer_is_read_by_route() -> None:
    assert route_traffic.counted(json.loads(SAID)) == {
        "7": count(6, 1, _200=5, _300000=5),
        "8": count(2, 0, 2),
    }


class TestAdding:
    def test_what_is_new_since_the_last_reading_is_added(self, reading: Callable[..., None], route: Route) -> None:
        name = f"r{route.pk}"
        with time_machine.travel(NOON, tick=False) as clock:
            reading(**{name: count(5, 1, 0, _5=3, _10=5)})
            reading(**{name: count(7, 1, 2, _5=3, _10=7)})
            clock.shift(timedelta(minutes=3))
            reading(**{name: count(9, 1, 2, _5=5, _10=9)})
        first, second = RouteTraffic.objects.order_by("began_at")
        assert (first.began_at, second.began_at) == (
            NOON.replace(minute=0),
            NOON.replace(minute=5),
        )
        assert (first.requests, first.client_errors, first.server_errors) == (7, 1, 2)
        assert first.latencies == {"5": 3, "10": 7}
        assert (second.requests, second.client_errors, second.latencies) == (2, 0, {"5": 2, "10": 2})

    def test_without_anything_new_nothing_is_written(self, reading: Callable[..., None], route: Route) -> None:
        reading(**{f"r{route.pk}": count(5)})
        RouteTraffic.objects.all().delete()
        reading(**{f"r{route.pk}": count(5)})
        assert not RouteTraffic.objects.exists()

    def test_times_that_are_summed_up_later_than_their_requests_are_added(
        self, reading: Callable[..., None], route: Route
    ) -> None:
        name = f"r{route.pk}"
        with time_machine.travel(NOON, tick=False):
            reading(**{name: count(5)})
            reading(**{name: count(5, _5=5)})
        assert RouteTraffic.objects.get().latencies == {"5": 5}
        assert counted() == (5, 0, 0)

    def test_an_envoy_that_began_anew_is_counted_from_nothing(self, reading: Callable[..., None], route: Route) -> None:
        name = f"r{route.pk}"
        reading("one", **{name: count(5, 1, 1)})
        reading("two", **{name: count(9, 0, 3)})
        assert counted() == (14, 1, 4)

    def test_a_route_that_was_off_meanwhile_is_counted_from_nothing(
        self, reading: Callable[..., None], route: Route
    ) -> None:
        name = f"r{route.pk}"
        reading(**{name: count(5, 5)})
        reading(**{name: count(2, 0, 1)})
        reading()
        reading(**{name: count(3, 0, 1)})
        assert counted() == (10, 5, 2)

    def test_of_two_readers_at_once_one_adds(self, node: GatewayNode, route: Route) -> None:
        readers = [TrafficReading.objects.get_or_create(node=node)[0] for _ in range(2)]
        for last in readers:
            route_traffic.add(last, "one", {str(route.pk): count(5)})
        assert counted() == (5, 0, 0)

    def test_a_route_that_was_deleted_keeps_no_other_back(self, reading: Callable[..., None], route: Route) -> None:
        reading(**{f"r{route.pk}": count(5), "r999": count(3)})
        assert counted() == (5, 0, 0)

    def test_what_is_older_than_two_days_is_forgotten(self, reading: Callable[..., None], route: Route) -> None:
        with time_machine.travel(NOON):
            reading(**{f"r{route.pk}": count(5)})
        with time_machine.travel(NOON + timedelta(hours=47)):
            route_traffic.forget()
            assert RouteTraffic.objects.exists()
        with time_machine.travel(NOON + timedelta(hours=49)):
            route_traffic.forget()
        assert not RouteTraffic.objects.exists()

    def test_where_no_envoy_runs_nothing_is_read(self, node: GatewayNode, route: Route) -> None:
        route_traffic.read()
        assert not TrafficReading.objects.exists()
        assert upstream_health.of([route]) == {route.pk: "unknown"}


@pytest.mark.parametrize(
    ("latencies", "share", "milliseconds"),
    [
        ({}, 0.5, None),
        ({"5": 10}, 0.5, 2.5),
        ({"5": 10, "10": 20}, 0.5, 5.0),
        ({"10": 20, "5": 10}, 0.75, 7.5),
        ({"200": 1, "500": 1}, 0.95, 190.0),
    ],
)
def test_a_share_of_the_answers_came_within_so_many_milliseconds(
    latencies: dict[str, int], share: float, milliseconds: float | None
) -> None:
    assert route_traffic.within(latencies, share) == milliseconds


@pytest.fixture
def day(reading: Callable[..., None], route: Route) -> None:
    """Ten requests yesterday, five three hours ago, two now, each read at half past."""
    name = f"r{route.pk}"
    for hours, now in ((25, count(10)), (3, count(15, 2, 1, _10=2)), (0, count(17, 2, 1, _10=4))):
        with time_machine.travel(NOON.replace(minute=30) - timedelta(hours=hours), tick=False):
            reading(**{name: now})


@pytest.mark.usefixtures("day")
class TestShown:
    @pytest.fixture(autouse=True)
    def _at_noon(self) -> Any:
        with time_machine.travel(NOON.replace(minute=40), tick=False):
            yield

    def test_charts_tell_the_last_24_hours_in_words_and_numbers(self, route: Route) -> None:
        answers, latencies = route_charts.on_page(route)
        assert answers.words == "Requests in the last 24 hours: 4 answered, 2 refused (4xx), 1 failed (5xx)."
        assert [column.numbers for column in answers.columns if column.bars] == [[2, 2, 1], [2, 0, 0]]
        assert latencies.words == ("Of the answers in the last 24 hours half came within 5 ms, 95 of 100 within 10 ms.")
        assert [f"{column.hour:%H} {column.numbers}" for column in latencies.columns if column.bars] == [
            "09 [5, 10]", "12 [5, 10]",
        ]  # fmt: skip
        assert all(0 <= float(bar.y) <= 60 for column in latencies.columns for bar in column.bars)

    def test_the_list_takes_one_query(
        self, route: Route, root: Actor, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        idle = routes.make("idle", "http://10.0.0.5", by=root)
        with django_assert_num_queries(1):
            days = route_charts.in_list([route, idle])
        assert (days[route.pk].total, days[route.pk].failed) == ("7", "1")
        assert (days[idle.pk].total, days[idle.pk].failed) == ("0", "")
        assert days[route.pk].words == "Requests in the last 24 hours: 4 answered, 2 refused (4xx), 1 failed (5xx)."

    def test_rest_tells_the_series(self, route: Route, rest: Callable[..., APIClient]) -> None:
        client = rest(Scope.GATEWAY_READ)
        shown: Any = client.get(f"/api/v1/routes/{route.pk}/traffic")
        assert shown.status_code == 200
        assert shown.json() == {
            "health": "unknown", "requests": 7, "client_errors": 2, "server_errors": 1, "median_ms": 5.0, "p95_ms": 9.5,
            "results": [
                {"began_at": "2026-11-25T09:30:00Z", "requests": 5, "client_errors": 2, "server_errors": 1,
                 "median_ms": 5.0, "p95_ms": 9.5},
                {"began_at": "2026-11-25T12:30:00Z", "requests": 2, "client_errors": 0, "server_errors": 0,
                 "median_ms": 5.0, "p95_ms": 9.5},
            ],
        }  # fmt: skip
        gone: Any = client.get("/api/v1/routes/999/traffic")
        assert (gone.status_code, gone.json()["code"]) == (404, "route_unknown")

    def test_metrics_tell_what_envoy_counted(self, route: Route, client: Client) -> None:
        lines = client.get("/metrics").content.decode().splitlines()
        assert 'gatehouse_route_requests_total{node="local",route="line"} 17.0' in lines
        assert 'gatehouse_route_errors_total{node="local",route="line",status="4xx"} 2.0' in lines
        assert 'gatehouse_route_errors_total{node="local",route="line",status="5xx"} 1.0' in lines


def test_the_pages_show_it_without_a_script(
    day: None, route: Route, viewer: User, log_in: Callable[[User], Client]
) -> None:
    with time_machine.travel(NOON.replace(minute=40), tick=False):
        context = {"route": route, "day": route_charts.in_list([route])[route.pk]}
        shown = render_to_string("gateway/_route_traffic.html", context)
        charts = render_to_string("gateway/_route_charts.html", {"charts": route_charts.on_page(route)})
    assert '<b>7</b> requests<span class="muted">, 1 failed</span>' in shown
    assert 'aria-label="Requests in the last 24 hours: 4 answered, 2 refused (4xx), 1 failed (5xx)."' in shown
    assert shown.count("<rect") == 4
    assert "<caption>Time to answer by the hour, in UTC</caption>" in charts
    assert '<tr><th scope="row">09:00</th><td>2</td><td>2</td><td>1</td></tr>' in charts
    browser = log_in(viewer)
    assert 'class="spark"' in browser.get("/portal/gateway/").content.decode()
