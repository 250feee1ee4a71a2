"""The last 24 hours of a route as charts for its page, and in one line for the list of routes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Sum
from django.db.models.functions import TruncHour
from django.utils import timezone

from gateway import route_traffic
from gateway.models import Route, RouteTraffic
from portal import charts
from portal.charts import Bar, Chart, Column, Series

ANSWERS: Final = (
    Series("answered", "answered", "answered"),
    Series("client_errors", "refused (4xx)", "refused"),
    Series("server_errors", "failed (5xx)", "failed"),
)
MEDIAN = Series("median", "ms median", "answered")
SLOWEST = Series("p95", "ms 95th percentile", "rejected")
MEDIAN_SHARE, SLOWEST_SHARE = 0.5, 0.95
Hours = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Day:
    """What the list shows of a route: the bars of its hours, and the sums; `failed` is empty if none did."""

    requests: int
    total: str
    failed: str
    words: str
    columns: Sequence[Column]


def on_page(route: Route) -> list[Chart]:
    """Requests and latencies by the hour. A minute may pass until what the Envoy counted stands here."""
    now = timezone.now()
    rows = RouteTraffic.objects.filter(route=route, began_at__gte=_began(now))
    hours: dict[datetime, list[RouteTraffic]] = defaultdict(list)
    for row in rows:
        hours[_hour(row.began_at)].append(row)
    return [_answers(_by_hour(rows, now), now), _latencies(hours, now)]


def in_list(routes: Sequence[Route]) -> dict[int, Day]:
    """By the number of the route, with one query for all of them."""
    now = timezone.now()
    sums = (
        RouteTraffic.objects.filter(route__in=[route.pk for route in routes], began_at__gte=_began(now))
        .annotate(hour=TruncHour("began_at"))
        .values("route_id", "hour")
        .annotate(*(Sum(name) for name in route_traffic.COUNTERS.values()))
    )
    of_route: dict[int, list[Any]] = defaultdict(list)
    for one in sums:
        of_route[one["route_id"]].append(_Hour(one))
    return {route.pk: _day(_answers(_by_hour(of_route[route.pk], now), now)) for route in routes}


class _Hour:
    """The sums of an hour under the names that a row has."""

    def __init__(self, sums: Mapping[str, Any]) -> None:
        self.began_at: datetime = sums["hour"]
        self.requests, self.client_errors, self.server_errors = (
            sums[f"{name}__sum"] for name in route_traffic.COUNTERS.values()
        )


def _by_hour(rows: Iterable[RouteTraffic | _Hour], now: datetime) -> Hours:
    numbers = {one.name: [0] * charts.HOURS for one in ANSWERS}
    for row in rows:
        at = (row.began_at - _began(now)) // timedelta(hours=1)
        if at < charts.HOURS:
            # A 101 or 3xx is an answer too; an error that came twice must not make it less than none.
            numbers["answered"][at] += max(0, row.requests - row.client_errors - row.server_errors)
            numbers["client_errors"][at] += row.client_errors
            numbers["server_errors"][at] += row.server_errors
    return numbers


def _answers(day: Hours, now: datetime) -> Chart:
    return charts.draw("route-requests", "Requests", "requests", ANSWERS, day, now)


def _day(chart: Chart) -> Day:
    requests = sum(sum(column.numbers) for column in chart.columns)
    failed = sum(column.numbers[-1] for column in chart.columns)
    return Day(
        requests,
        f"{requests:,}",
        f"{failed:,}" if failed else "",
        chart.words,
        [column for column in chart.columns if column.bars],
    )


def _latencies(hours: Mapping[datetime, Sequence[RouteTraffic]], now: datetime) -> Chart:
    """The median stands before the 95th percentile, so both are read from the ground."""
    moments = [_began(now) + timedelta(hours=at) for at in range(charts.HOURS)]
    found = [_pair([row.latencies for row in hours.get(moment, ())]) for moment in moments]
    most = max(slowest for _, slowest in found)
    columns = [
        Column(at * charts.STEP, moment, _told(moment, pair), [round(each) for each in pair], _bars(pair, most))
        for at, (moment, pair) in enumerate(zip(moments, found, strict=True))
    ]
    whole = _pair([row.latencies for rows in hours.values() for row in rows])
    legend = [(MEDIAN, f"{whole[0]:,.0f}"), (SLOWEST, f"{whole[1]:,.0f}")]
    words = (
        f"Of the answers in the last {charts.HOURS} hours half came within {whole[0]:,.0f} ms, 95 of 100 within "
        f"{whole[1]:,.0f} ms."
        if whole[1]
        else f"No answers in the last {charts.HOURS} hours."
    )
    return Chart("route-latencies", "Time to answer", words, legend, columns, f"{most:,.0f}", "ms")


def _pair(latencies: Iterable[Mapping[str, int]]) -> tuple[float, float]:
    """Median and 95th percentile in milliseconds, both 0 where nothing was answered."""
    summed = route_traffic.summed(latencies)
    return (
        route_traffic.within(summed, MEDIAN_SHARE) or 0.0,
        route_traffic.within(summed, SLOWEST_SHARE) or 0.0,
    )


def _told(moment: datetime, pair: tuple[float, float]) -> str:
    return f"{moment:%H:%M}, {pair[0]:,.0f} ms median, {pair[1]:,.0f} ms 95th percentile"


def _bars(pair: tuple[float, float], most: float) -> list[Bar]:
    bars = []
    for series, value in ((SLOWEST, pair[1]), (MEDIAN, pair[0])):
        if value:
            height = max(charts.LEAST, charts.HEIGHT * value / most)
            bars.append(Bar(series.tone, f"{charts.HEIGHT - height:.2f}", f"{height:.2f}"))
    return bars


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _began(now: datetime) -> datetime:
    return _hour(now) - timedelta(hours=charts.HOURS - 1)
