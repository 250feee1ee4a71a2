"""The pages on which a shutdown is ordered: which devices and why, a review that names each, and the order."""

import re
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from devices import listing, shutdown, shutdown_fields, shutdown_listing, shutdown_preview
from devices.models import ID, Device, Status, Via
from devices.shutdown_forms import ChoiceForm, ConfirmForm, OrderForm, key_in
from devices.shutdown_preview import Preview
from devices.shutdown_refusals import CountMismatch
from portal import sessions
from portal.access import requires
from portal.form_reading import read
from portal.pages import PageRequest
from portal.refusal import Invalid, Refusal
from portal.scopes import Scope

NAMED_FIRST = 20
PLACE = ("devices", "reason", "max_ack_seconds", "execute_now", "start_at", "ttl_minutes")

_CHOSEN = re.compile(rf"({ID})\.\d{{1,9}}", re.ASCII)


@require_safe
@requires(Scope.SHUTDOWNS_REQUEST)
def new(request: PageRequest) -> HttpResponse:
    """The form of an order; `device` is one that stands in it already."""
    return _asked(request, OrderForm(initial={"devices": shutdown_listing.device_in(request.GET)}))


@require_POST
@requires(Scope.SHUTDOWNS_REQUEST)
def choose(request: PageRequest) -> HttpResponse:
    """The form with the devices of the list that were chosen there: those ticked, or all accepted ones that match."""
    wanted = read(ChoiceForm(request.POST), of_page=("which", "query"))
    ids = _all(wanted["query"]) if wanted["which"] == "all" else _ticked(request.POST.getlist("chosen"))
    if not ids:
        raise Invalid("chosen", "Choose at least one accepted device: tick its box, or take all that match.")
    return _asked(request, OrderForm(initial={"devices": "\n".join(ids), "reason": wanted["reason"][:200]}))


@require_POST
@requires(Scope.SHUTDOWNS_REQUEST)
def review(request: PageRequest) -> HttpResponse:
    """Name what would happen; nothing is ordered yet."""
    form = OrderForm(request.POST)
    found = _looked_at(request, form)
    if found is None:
        return _asked(request, form, status=400)
    return _reviewed(request, form, found, _confirmation(request, form))


@require_POST
@requires(Scope.SHUTDOWNS_REQUEST)
def change(request: PageRequest) -> HttpResponse:
    """The form again, as it was filled in before the review."""
    said = {name: request.POST.get(name, "") for name in PLACE}
    return _asked(request, OrderForm(initial=said | {"devices": "\n".join(said["devices"].split())}))


@require_POST
@requires(Scope.SHUTDOWNS_REQUEST)
def place(request: PageRequest) -> HttpResponse:
    """Order it as it was reviewed; sent twice it is ordered once."""
    form, key = OrderForm(request.POST), key_in(request.POST)
    if not form.is_valid():
        return _asked(request, form, status=400)
    confirmation = _confirmation(request, form, request.POST)
    if _is_confirmed(request, confirmation):
        said = confirmation.cleaned_data["confirm_count"]
        return redirect(shutdown.order(form.order(), by=request.actor, via=Via.PAGE, confirm_count=said, key=key))
    found = _looked_at(request, form)
    if found is None:
        return _asked(request, form, status=400)
    return _reviewed(request, form, found, confirmation, status=400)


def _looked_at(request: PageRequest, form: OrderForm) -> Preview | None:
    """What the order would do; None if the form says what is wrong beside each field."""
    if not form.is_valid():
        return None
    try:
        return shutdown_preview.preview(form.order(), by=request.actor)
    except Invalid as no:
        form.refuse(no)
    except Refusal as no:
        form.add_error("devices", str(no))
    return None


def _is_confirmed(request: PageRequest, form: ConfirmForm) -> bool:
    """Whether the number is right and the person is who they are; if not, the form says so beside the field."""
    if not form.is_valid():
        return False
    said = form.cleaned_data
    try:
        shutdown.confirm(form.number, said["confirm_count"])
        if form.is_bulk:
            sessions.confirm(request, said["password"])
    except CountMismatch as no:
        form.add_error("confirm_count", str(no))
    except Refusal as no:
        if no.status != 403:  # Who tried too often waits.
            raise
        form.add_error("password", str(no))
    return form.is_valid()


def _confirmation(request: PageRequest, form: OrderForm, sent: QueryDict | None = None) -> ConfirmForm:
    number = len(form.cleaned_data["devices"])
    return ConfirmForm(sent, number=number, fresh=sessions.is_fresh(request))


def _asked(request: PageRequest, form: OrderForm, status: int = 200) -> HttpResponse:
    said = str(form["devices"].value() or "").split()[: shutdown_fields.MOST_DEVICES]
    ids = [each for each in said if re.fullmatch(ID, each, re.ASCII)]
    known = Device.objects.filter(pk__in=ids).select_related("introduction").order_by("pk")
    chosen = list(known[: NAMED_FIRST + 1])
    facts: dict[str, Any] = {
        "form": form,
        "chosen": chosen[:NAMED_FIRST],
        "more": len(chosen) > NAMED_FIRST,
        "longest_wait": shutdown_fields.LONGEST_WAIT,
    }
    return render(request, "devices/shutdown_order.html", facts, status=status)


def _reviewed(
    request: PageRequest, form: OrderForm, found: Preview, confirmation: ConfirmForm, status: int = 200
) -> HttpResponse:
    said = {name: form[name].value() for name in PLACE} | {"devices": " ".join(form.cleaned_data["devices"])}
    facts = {
        "form": form,
        "order": form.order(),
        "said": {name: value for name, value in said.items() if value not in (None, False, "")},
        "preview": found,
        "confirmation": confirmation,
        "least": settings.SHUTDOWN_APPROVAL_FROM,
        "key": request.POST.get("key") if status != 200 else uuid4(),
    }
    return render(request, "devices/shutdown_review.html", facts, status=status)


def _all(query: str) -> list[str]:
    """The accepted devices that the list would show."""
    wanted = listing.wanted_in(QueryDict(query))
    accepted = wanted.devices().present().filter(status=Status.ACCEPTED).order_by("pk")
    ids = list(accepted.values_list("pk", flat=True)[: shutdown_fields.MOST_DEVICES + 1])
    if len(ids) > shutdown_fields.MOST_DEVICES:
        raise Invalid("chosen", f"More than {shutdown_fields.MOST_DEVICES:,} devices match; narrow the list first.")
    return ids


def _ticked(sent: list[str]) -> list[str]:
    ticked = [_CHOSEN.fullmatch(value) for value in sent]
    if not all(ticked):
        raise Invalid("chosen", "Reload the page, then choose again.")
    return [form[1] for form in ticked if form]
