"""The overview: what waits for the person, told by every app that has something to say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from portal import charts, subjects, tally
from portal.access import requires
from portal.actor import Actor
from portal.charts import Chart, Series
from portal.models import AuditEvent
from portal.pages import PageRequest
from portal.scopes import Scope

LATEST = 8


Facts = Callable[[Actor], dict[str, Any]]


@dataclass(frozen=True)
class Panel:
    """A part of the overview. `facts` gives what `template` shows to whoever asks; its `mark` differs when it would."""

    template: str
    scope: Scope | None
    facts: Facts


_panels: list[Panel] = []


def panel(template: str, scope: Scope | None) -> Callable[[Facts], Facts]:
    """Register a function whose facts everybody with the scope sees on the overview; None is for everybody."""

    def register(facts: Facts) -> Facts:
        _panels.append(Panel(template, scope, facts))
        return facts

    return register


@require_safe
@requires(None)
def overview(request: PageRequest) -> HttpResponse:
    """The whole page; to htmx, which asks again and again, only what has changed since the mark it knows."""
    panels = [panel for panel in _panels if panel.scope is None or request.actor.may(panel.scope)]
    shown = [(panel.template, panel.facts(request.actor)) for panel in panels]
    latest = list(AuditEvent.objects.order_by("-number")[:LATEST]) if request.actor.may(Scope.AUDIT_READ) else []
    drawn = activity(request.actor)
    mark = ".".join(
        [*(facts["mark"] for _, facts in shown), *map(_mark, drawn), str(latest[0].number if latest else 0)]
    )
    if request.htmx and request.GET.get("known") == mark:
        return HttpResponse(status=204)
    told = list(zip(latest, subjects.of(latest, by=request.actor), strict=True))
    context = {"panels": shown, "charts": drawn, "latest": told, "mark": mark}
    return render(request, "portal/_overview.html" if request.htmx else "portal/overview.html", context)


def activity(actor: Actor) -> list[Chart]:
    """Admissions and requests of the last 24 hours, as far as the actor may see devices and metrics."""
    now = timezone.now()
    wanted: list[tuple[str, str, str, Sequence[Series]]] = []
    if actor.may(Scope.DEVICES_READ):
        wanted.append(("admissions", "Admissions", "devices", charts.ADMISSIONS))
    if actor.may(Scope.METRICS_READ):
        wanted.append(("requests", "Requests to the portal", "requests", charts.REQUESTS))
    day = tally.last_day(now) if wanted else {}
    return [charts.draw(*one, day, now) for one in wanted]


def _mark(chart: Chart) -> str:
    """The hour under way and the sums: a number that changes, changes its sum."""
    return "-".join([f"{chart.columns[-1].hour:%H}", *(total for _, total in chart.legend)])
