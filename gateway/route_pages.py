"""The pages about the gateway's routes: which there are, making, changing, switching and deleting one."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, retarget

from gateway import route_charts, route_listing, routes, upstream_health
from gateway.models import Route
from gateway.route_forms import DeletionForm, ReasonForm, RouteForm, TryForm
from portal import audit_listing
from portal.access import requires
from portal.form_reading import read
from portal.models import AuditEvent
from portal.pages import PageRequest, onward
from portal.refusal import Refusal
from portal.scopes import Scope
from tokens.example_calls import CA_FILE

HISTORY = 50
Verb = Callable[..., None]


@require_safe
@requires(Scope.GATEWAY_READ)
def index(request: PageRequest) -> HttpResponse:
    """The list, by `q`, `state` and `after`."""
    page = route_listing.read(request.GET)
    context = {"page": page, "states": route_listing.STATES, "query": urlencode(page.wanted)}
    return render(request, "gateway/routes.html", context)


@require_safe
@requires(Scope.GATEWAY_MANAGE)
def new(request: PageRequest) -> HttpResponse:
    return render(request, "gateway/new_route.html", {"form": RouteForm()})


@require_POST
@requires(Scope.GATEWAY_MANAGE)
def create(request: PageRequest) -> HttpResponse:
    """Make a route; without trouble its page is next."""
    form = RouteForm(request.POST)
    made: list[Route] = []

    def make() -> None:
        made.append(routes.make(**form.wanted(), by=request.actor, reason=form.cleaned_data["reason"]))

    status = _tried(form, make)
    if made:
        return onward(request, reverse("routes:detail", args=[made[0].pk]))
    template = "gateway/_route_form.html" if request.htmx else "gateway/new_route.html"
    return _again(request, render(request, template, {"form": form}, status=status), "route-form")


@require_safe
@requires(Scope.GATEWAY_READ)
def detail(request: PageRequest, number: int) -> HttpResponse:
    return render(request, "gateway/route.html", _facts(request, routes.find(number)))


@require_POST
@requires(Scope.GATEWAY_MANAGE)
def change(request: PageRequest, number: int) -> HttpResponse:
    route = routes.find(number)
    form = RouteForm(request.POST, route=route)

    def change() -> None:
        said = form.cleaned_data
        routes.change(route, by=request.actor, seen=said["seen"], reason=said["reason"], **form.wanted())

    status = _tried(form, change)
    return _show(request, number, {"changed": True} if status == 200 else {"form": form, "changing": True}, status)


@require_POST
@requires(Scope.GATEWAY_MANAGE)
def enable(request: PageRequest, number: int) -> HttpResponse:
    return _switch(request, number, routes.enable)


@require_POST
@requires(Scope.GATEWAY_MANAGE)
def disable(request: PageRequest, number: int) -> HttpResponse:
    return _switch(request, number, routes.disable)


@require_POST
@requires(Scope.GATEWAY_MANAGE)
def delete(request: PageRequest, number: int) -> HttpResponse:
    """Delete a route whose prefix was typed to confirm it."""
    route = routes.find(number)
    form = DeletionForm(request.POST, prefix=route.prefix)
    if not form.is_valid():
        return _show(request, number, {"deletion": form}, 400)
    routes.delete(route, by=request.actor, seen=form.cleaned_data["seen"], reason=form.cleaned_data["reason"])
    return onward(request, "routes:list")


def _switch(request: PageRequest, number: int, verb: Verb) -> HttpResponse:
    verb(routes.find(number), by=request.actor, **read(ReasonForm(request.POST)))
    return _show(request, number, {"changed": True}, 200)


def _tried(form: forms.Form, verb: Callable[[], None]) -> int:
    """The status of what came of it; what is wrong stands beside each field, or above the form."""
    status = 400
    if form.is_valid():
        try:
            verb()
        except Refusal as no:
            if no.status not in (400, 409):
                raise
            field = "prefix" if isinstance(no, routes.PrefixTaken) else next(iter(no.invalid or {"": ()}))
            form.add_error(field if field in form.fields else None, str(no))
            status = no.status
        else:
            return 200
    if isinstance(form, RouteForm):
        form.forget_key()
    return status


def _show(request: PageRequest, number: int, more: dict[str, Any], status: int) -> HttpResponse:
    """The route as it is now, in the answer to the POST itself."""
    if not request.htmx and status == 200:
        return redirect("routes:detail", number)
    context = {**_facts(request, routes.find(number)), **more}
    template = "gateway/_route.html" if request.htmx else "gateway/route.html"
    return _again(request, render(request, template, context, status=status), "route")


def _again(request: PageRequest, answer: HttpResponse, element: str) -> HttpResponse:
    """An answer with mistakes in it takes the place of the whole element that was filled in."""
    return reswap(retarget(answer, f"#{element}"), "outerHTML") if request.htmx else answer


def _facts(request: PageRequest, route: Route) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "route": route,
        "day": route_charts.in_list([route]).get(route.pk),
        "health": upstream_health.of([route]).get(route.pk),
        "charts": route_charts.on_page(route),
        "call": _call(route),
        "trying": TryForm(path=f"/{route.prefix}/", method=route.methods[0]),
        "form": RouteForm(route=route),
        "deletion": DeletionForm(prefix=route.prefix),
    }
    if request.actor.may(Scope.AUDIT_READ):
        events = AuditEvent.objects.filter(subject_kind="route", subject_id=str(route.pk)).order_by("-number")
        facts |= {"history": [(event, audit_listing.changes(event)) for event in events[:HISTORY]], "most": HISTORY}
    return facts


def _call(route: Route) -> str:
    """A call of the route, filled in but for the token."""
    trusted = f" --cacert {CA_FILE}" if urlsplit(settings.PUBLIC_URL).scheme == "https" else ""
    method = "" if "GET" in route.methods else f" -X {route.methods[0]}"
    place = f"{settings.PUBLIC_URL}/{route.prefix}/"
    return f'curl -sS --fail-with-body{trusted}{method} {place} \\\n  -H "Authorization: Bearer $TOKEN"'
