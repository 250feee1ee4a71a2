"""The list of routes as people read it: which fit a search, what passed through each, and how its service is."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Q
from django.http import QueryDict

from gateway import route_charts, upstream_health
from gateway.models import Route, RouteEntryRefusal
from gateway.route_charts import Day
from gateway.upstream_health import Health
from portal import parameters, text

PAGE = 100
STATES = ("enabled", "disabled")


@dataclass(frozen=True)
class ListedRoute:
    """A route with what passed through it in a day, and how its service is now."""

    route: Route
    day: Day | None
    health: Health | None


@dataclass(frozen=True)
class Listing:
    """At most 100 routes by prefix; `after` is the prefix after which the next page begins, empty at the end."""

    wanted: Mapping[str, str]
    rows: list[ListedRoute]
    after: str
    is_first: bool
    enabled: int
    disabled: int
    refusals: list[RouteEntryRefusal]

    @property
    def is_filtered(self) -> bool:
        return bool(self.wanted)


def read(query: QueryDict) -> Listing:
    """The page that a query asks for: `q` is part of a prefix or of a target; `state` and `after`."""
    asked, after = (parameters.once(query, "q") or "").strip(), parameters.once(query, "after") or ""
    state = parameters.one_of(query, "state", ["", *STATES]) or ""
    for name, value in (("q", asked), ("after", after)):
        text.check(name, value, most=500)
    found = Route.objects.order_by("prefix")
    if asked:
        found = found.filter(Q(prefix__icontains=asked.strip("/")) | Q(target__icontains=asked))
    if state:
        found = found.filter(is_enabled=state == "enabled")
    rows = list(found.filter(prefix__gt=after)[: PAGE + 1] if after else found[: PAGE + 1])
    shown = rows[:PAGE]
    days, healths = route_charts.in_list(shown), upstream_health.of(shown) if shown else {}
    return Listing(
        {name: value for name, value in (("q", asked), ("state", state)) if value},
        [ListedRoute(route, days.get(route.pk), healths.get(route.pk)) for route in shown],
        shown[-1].prefix if len(rows) > PAGE else "",
        not after,
        Route.objects.filter(is_enabled=True).count(),
        Route.objects.filter(is_enabled=False).count(),
        list(RouteEntryRefusal.objects.order_by("position")),
    )
