"""The pages about devices."""

from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from django.http import HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from devices import (
    admission,
    counts,
    denial,
    export,
    forms,
    keychange,
    listing,
    sections,
    shutdown_history,
    stored_pages,
)
from devices.models import Device, KeyChange, KeyChangeRequest, Status
from portal.access import requires
from portal.csv_file import csv_file
from portal.form_reading import read
from portal.models import AuditEvent
from portal.pages import PageRequest, fragment
from portal.scopes import Scope
from portal.way_back import own_page

HISTORY = 50
LIST = "/portal/devices/"


@require_safe
@requires(Scope.DEVICES_READ)
def index(request: PageRequest) -> HttpResponse:
    """The list of devices. `last` is the one just decided on, which a browser without htmx is told of."""
    page = listing.read(request.GET)
    _mark_off(request, page.devices)
    last = listing.last_in(request.GET)
    live = _live(page.wanted.tab, page.since, 0)
    # How many all of them are is known only where somebody keeps count.
    total = None if page.wanted.is_narrowed else dict(live["tabs"])[page.wanted.tab]
    here = {"here": request.get_full_path(), "last": last, "bulk_id": uuid4(), "total": total}
    return render(request, "devices/list.html", {**live, "page": page, **here})


@require_safe
@requires(Scope.DEVICES_READ)
def live(request: PageRequest) -> HttpResponse:
    """The tabs with their counts and what is new; nothing at all while that is what the page knows."""
    tab, since = listing.tab_in(request.GET), listing.since_in(request.GET)
    context = _live(tab, since, listing.news(tab, since))
    if request.GET.get("known") == context["mark"]:
        return HttpResponse(status=204)
    return fragment(request, "devices/_live.html", context, otherwise="devices:list")


@require_safe
@requires(Scope.DEVICES_READ)
def waiting(request: PageRequest) -> HttpResponse:
    """How many devices wait, beside the way to them on every page; nothing while that is what the page shows."""
    number = counts.in_tab(Status.PENDING)
    if request.GET.get("known") == str(number):
        return HttpResponse(status=204)
    return fragment(request, "devices/_waiting.html", {"waiting": number}, otherwise="devices:list")


@require_safe
@requires(Scope.DEVICES_READ)  # type: ignore[arg-type]  # An answer that streams is no HttpResponse.
def export_csv(request: PageRequest) -> StreamingHttpResponse:
    """All devices of the list as a file, in its order."""
    wanted = listing.wanted_in(request.GET)
    return csv_file(export.rows(listing.walk(wanted)), f"gatehouse-devices-{wanted.tab}.csv")


@require_safe
@requires(Scope.DEVICES_READ)
def detail(request: PageRequest, device_id: str) -> HttpResponse:
    return render(request, "devices/detail.html", _facts(request, _find(device_id)))


@require_POST
@requires(Scope.DEVICES_ADMIT)
def accept(request: PageRequest, device_id: str) -> HttpResponse:
    device, wanted = _find(device_id), read(forms.DecisionForm(request.POST))
    admission.decide(device, Status.ACCEPTED, by=request.actor, **wanted)
    return _show(request, device)


@require_POST
@requires(Scope.DEVICES_ADMIT)
def reject(request: PageRequest, device_id: str) -> HttpResponse:
    device, wanted = _find(device_id), read(forms.DecisionForm(request.POST))
    admission.decide(device, Status.REJECTED, by=request.actor, **wanted)
    return _show(request, device)


@require_POST
@requires(Scope.DEVICES_DELETE)
def deny(request: PageRequest, device_id: str) -> HttpResponse:
    device, wanted = _find(device_id), read(forms.DecisionForm(request.POST))
    denial.deny(device, by=request.actor, **wanted)
    return _show(request, device)


@require_POST
@requires(Scope.DEVICES_DELETE)
def restore(request: PageRequest, device_id: str) -> HttpResponse:
    device, wanted = _find(device_id), read(forms.DecisionForm(request.POST))
    denial.restore(device, by=request.actor, **wanted)
    return _show(request, device)


@require_POST
@requires(Scope.DEVICES_DELETE)
def purge(request: PageRequest, device_id: str) -> HttpResponse:
    device, wanted = _find(device_id), read(forms.DecisionForm(request.POST))
    denial.purge(device, by=request.actor, **wanted)
    if request.htmx and request.htmx.target == "device":
        return HttpResponseClientRedirect(LIST)
    here = own_page(request.POST.get("next"), LIST)
    onward = LIST if here.startswith(f"{LIST}{device_id}/") else here
    return _told(fragment(request, "devices/_purged.html", {"device_id": device_id}, otherwise=onward))


@require_POST
@requires(Scope.DEVICES_ADMIT)
def accept_key(request: PageRequest, device_id: str, change: int) -> HttpResponse:
    wanting = _find_change(device_id, change)
    keychange.accept(wanting, by=request.actor, **read(forms.ReasonForm(request.POST)))
    return _show(request, _find(device_id))


@require_POST
@requires(Scope.DEVICES_ADMIT)
def refuse_key(request: PageRequest, device_id: str, change: int) -> HttpResponse:
    wanting = _find_change(device_id, change)
    keychange.refuse(wanting, by=request.actor, **read(forms.ReasonForm(request.POST)))
    return _show(request, _find(device_id))


def _find(device_id: str) -> Device:
    said = ("introduction", "check_in", "system_info", "inventory")
    return admission.find(device_id, Device.objects.select_related(*said))


def _find_change(device_id: str, number: int) -> KeyChangeRequest:
    change = keychange.find(number)
    if change.device_id != device_id:
        raise keychange.Unknown
    return change


def _show(request: PageRequest, device: Device) -> HttpResponse:
    """The device as it is now, where the person is: its page, its row, or without htmx the page they came from."""
    if request.htmx and request.htmx.target == "device":
        return _told(render(request, "devices/_device.html", {**_facts(request, device), "decided": True}))
    here = own_page(request.POST.get("next"), device.get_absolute_url())
    _mark_off(request, [device])
    context = {"device": device, "here": here, "decided": True}
    return _told(fragment(request, "devices/_row.html", context, otherwise=_naming(here, device)))


def _mark_off(request: PageRequest, devices: list[Device]) -> None:
    if request.actor.may(Scope.SHUTDOWNS_READ):
        shutdown_history.mark(devices)


def _told(response: HttpResponse) -> HttpResponse:
    """Let the counts on the page know that they have changed."""
    return trigger_client_event(response, "fleet-changed")


def _naming(here: str, device: Device) -> str:
    """A list that says what became of the device, which may have left it."""
    parts = urlsplit(here)
    if parts.path != LIST:
        return here
    query = QueryDict(parts.query, mutable=True)
    query["last"] = device.pk
    return f"{LIST}?{query.urlencode()}"


def _live(tab: str, since: int, news: int) -> dict[str, Any]:
    numbers = counts.by_tab()
    tabs = [(name, numbers[name]) for name in listing.TABS]
    mark = "-".join(str(number) for number in (*numbers.values(), news))
    return {"tab": tab, "tabs": tabs, "since": since, "news": news, "mark": mark}


def _facts(request: PageRequest, device: Device) -> dict[str, Any]:
    history = AuditEvent.objects.filter(subject_kind="device", subject_id=device.pk).order_by("-number")
    _mark_off(request, [device])
    return {
        "device": device,
        "here": device.get_absolute_url(),
        "key_changes": list(device.key_changes.filter(state=KeyChange.OPEN).order_by("-seen_at")),
        "history": list(history[:HISTORY]) if request.actor.may(Scope.AUDIT_READ) else None,
        "most": HISTORY,
        "sections": sections.of(device, by=request.actor),
        **stored_pages.facts(request, device),
    }
