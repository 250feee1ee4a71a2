"""The overview: what waits for the person, told by every app that has something to say."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.access import requires
from portal.models import AuditEvent
from portal.pages import PageRequest
from portal.scopes import Scope

LATEST = 8


@dataclass(frozen=True)
class Panel:
    """A part of the overview. `facts` gives what `template` shows, among it a `mark` that differs when it would."""

    template: str
    scope: Scope
    facts: Callable[[], dict[str, Any]]


_panels: list[Panel] = []


def panel(template: str, scope: Scope) -> Callable[[Callable[[], dict[str, Any]]], Callable[[], dict[str, Any]]]:
    """Register a function whose facts everybody with the scope sees on the overview."""

    def register(facts: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
        _panels.append(Panel(template, scope, facts))
        return facts

    return register


@require_safe
@requires(None)
def overview(request: PageRequest) -> HttpResponse:
    """The whole page; to htmx, which asks again and again, only what has changed since the mark it knows."""
    shown = [(panel.template, panel.facts()) for panel in _panels if request.actor.may(panel.scope)]
    latest = list(AuditEvent.objects.order_by("-number")[:LATEST]) if request.actor.may(Scope.AUDIT_READ) else []
    mark = ".".join([*(facts["mark"] for _, facts in shown), str(latest[0].number if latest else 0)])
    if request.htmx and request.GET.get("known") == mark:
        return HttpResponse(status=204)
    context = {"panels": shown, "latest": latest, "mark": mark}
    return render(request, "portal/_overview.html" if request.htmx else "portal/overview.html", context)
