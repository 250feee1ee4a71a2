"""What passes through each route: the Envoy on this machine counts, the worker reads it each minute, two days are kept.

Only what is new since the last reading is added. An Envoy that starts anew counts from nothing, and what it had counted
since it was last read, a minute's worth, is lost with it.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from threading import Event
from typing import Any, Final, TypedDict
from urllib.parse import quote

from django.conf import settings
from django.db import Error, connection, transaction
from django.utils import timezone

from gateway import envoy_admin
from gateway.models import GatewayNode, NodeKind, Route, RouteTraffic, TrafficReading

EVERY = 60
KEPT_FOR = timedelta(hours=48)
PATIENCE = 5.0
ASKED: Final = "/stats?format=json&usedonly&histogram_buckets=cumulative&filter=" + quote(r"^cluster\.route-[0-9]+\.")
COUNTERS: Final = {"completed": "requests", "4xx": "client_errors", "5xx": "server_errors"}
_NAME = re.compile(r"cluster\.route-([0-9]+)\.upstream_rq_(completed|4xx|5xx|time)")

log = logging.getLogger("gatehouse.worker")


class Count(TypedDict):
    """How many requests of a route were answered; how many answers came within so many milliseconds, by the bound."""

    requests: int
    client_errors: int
    server_errors: int
    latencies: dict[str, int]


def run(stopping: Event) -> None:
    """Read at once and then each minute, beside the worker's other jobs, wherever there is an Envoy to be read."""
    while True:
        try:
            read()
        except Error as trouble:
            log.warning("The traffic of routes was not counted: %s", type(trouble).__name__)
        finally:
            connection.close_if_unusable_or_obsolete()
        if stopping.wait(EVERY):
            return


def read() -> None:
    """Add what the local Envoy has counted since it was last read."""
    process = envoy_admin.process()
    node = GatewayNode.objects.filter(kind=NodeKind.LOCAL, name=settings.NODE).first() if process else None
    if process is None or node is None:
        return
    last, _ = TrafficReading.objects.get_or_create(node=node)
    said = envoy_admin.ask(ASKED, seconds=PATIENCE)
    # Between the two another Envoy may have begun.
    if said is not None and envoy_admin.process() == process:
        add(last, process, counted(said))


def counted(said: Any) -> dict[str, Count]:
    """Envoy's statistics by the number of the route."""
    counts: dict[str, Count] = defaultdict(nothing)
    for one in said["stats"]:
        if found := _NAME.fullmatch(one.get("name", "")):
            counts[found[1]][COUNTERS[found[2]]] = int(one["value"])  # type: ignore[literal-required]
        for histogram in one.get("histograms", ()):
            if found := _NAME.fullmatch(histogram["name"]):
                counts[found[1]]["latencies"] = {
                    str(int(bucket["upper_bound"])): int(bucket["cumulative"])
                    for bucket in histogram["buckets"]
                    if bucket["cumulative"]
                }
    return dict(counts)


def nothing() -> Count:
    return Count(requests=0, client_errors=0, server_errors=0, latencies={})


@transaction.atomic
def add(last: TrafficReading, process: str, counts: Mapping[str, Count]) -> None:
    """Add what is new since the last reading to the five minutes under way; of two readers at once only the first."""
    now = timezone.now()
    if not TrafficReading.objects.filter(pk=last.pk, number=last.number).update(
        number=last.number + 1, process=process, counts=counts, read_at=now
    ):
        return
    known: Mapping[str, Count] = last.counts if last.process == process else {}
    new = {int(route): since(count, known.get(route)) for route, count in counts.items()}
    began_at = slot(now)
    there = {row.route_id: row for row in RouteTraffic.objects.filter(node_id=last.node_id, began_at=began_at)}
    living = set(Route.objects.values_list("pk", flat=True))
    rows = [
        RouteTraffic(route_id=route, node_id=last.node_id, began_at=began_at, **_grown(there.get(route), count))
        for route, count in new.items()
        # Envoy sums its times up every 5 s, so some may come after the requests that they belong to.
        if route in living and (count["requests"] or count["latencies"])
    ]
    RouteTraffic.objects.bulk_create(
        rows,
        batch_size=500,
        update_conflicts=True,
        unique_fields=["route", "node", "began_at"],
        update_fields=[*COUNTERS.values(), "latencies"],
    )


def since(count: Count, last: Count | None) -> Count:
    """What was counted after the last reading. Of a route that has less than before, it was begun anew."""
    if last is None or count["requests"] < last["requests"]:
        return count
    return Count(
        requests=count["requests"] - last["requests"],
        client_errors=max(0, count["client_errors"] - last["client_errors"]),
        server_errors=max(0, count["server_errors"] - last["server_errors"]),
        latencies={
            bound: number - last["latencies"].get(bound, 0)
            for bound, number in count["latencies"].items()
            if number > last["latencies"].get(bound, 0)
        },
    )


def _grown(row: RouteTraffic | None, count: Count) -> Count:
    if row is None:
        return count
    return Count(
        requests=row.requests + count["requests"],
        client_errors=row.client_errors + count["client_errors"],
        server_errors=row.server_errors + count["server_errors"],
        latencies=summed([row.latencies, count["latencies"]]),
    )


def summed(latencies: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Several of them in one, by rising bounds."""
    sums: dict[str, int] = defaultdict(int)
    for one in latencies:
        for bound, number in one.items():
            sums[bound] += number
    return dict(sorted(sums.items(), key=lambda item: int(item[0])))


def within(latencies: Mapping[str, int], share: float) -> float | None:
    """In how many milliseconds this share of the answers came, as near as the bounds tell; None if there were none."""
    bounds = sorted((int(bound), number) for bound, number in latencies.items())
    if not bounds or not bounds[-1][1]:
        return None
    wanted, below, passed = share * bounds[-1][1], 0, 0
    for bound, number in bounds:
        if number >= wanted:
            return round(below + (bound - below) * (wanted - passed) / (number - passed), 1)
        below, passed = bound, number
    return float(below)


def periods(route: Route, after: datetime) -> list[dict[str, Any]]:
    """Each five minutes after a moment in which something came, over all nodes, the oldest first."""
    rows: dict[datetime, list[RouteTraffic]] = defaultdict(list)
    for row in RouteTraffic.objects.filter(route=route, began_at__gt=after).order_by("began_at", "node_id"):
        rows[row.began_at].append(row)
    return [{"began_at": began_at, **_figures(several)} for began_at, several in rows.items()]


def over(route: Route, after: datetime) -> dict[str, Any]:
    """The sums of all that came after a moment, and in how many milliseconds it was answered."""
    return _figures(list(RouteTraffic.objects.filter(route=route, began_at__gt=after)))


def _figures(rows: Sequence[RouteTraffic]) -> dict[str, Any]:
    sums: dict[str, Any] = {name: sum(getattr(row, name) for row in rows) for name in COUNTERS.values()}
    latencies = summed(row.latencies for row in rows)
    return {**sums, "median_ms": within(latencies, 0.5), "p95_ms": within(latencies, 0.95)}


def slot(moment: datetime) -> datetime:
    """When the five minutes of this moment began."""
    return moment.replace(minute=moment.minute - moment.minute % 5, second=0, microsecond=0)


def forget() -> None:
    """Remove what is older than two days."""
    RouteTraffic.objects.filter(began_at__lt=timezone.now() - KEPT_FOR).delete()
