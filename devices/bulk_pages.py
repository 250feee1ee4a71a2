"""The pages of a decision on many devices: asking for it, reviewing it, and how it goes."""

import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from devices import bulk, bulk_decisions, forms, listing
from devices.models import ID, BulkDecision, BulkItem, Device
from portal.access import requires
from portal.form_reading import read
from portal.pages import PageRequest, fragment
from portal.refusal import Invalid
from portal.scopes import Scope

# How long one answer decides before it shows how far it is.
SECONDS = 0.8
PAGE = 100

_CHOSEN = re.compile(rf"({ID})\.(\d{{1,9}})", re.ASCII)
_PLACE = re.compile(r"\d{1,18}", re.ASCII)


@require_POST
@requires(Scope.DEVICES_ADMIT)
def decide(request: PageRequest) -> HttpResponse:
    """Freeze what is asked for. Accepting those that were ticked begins at once; anything else is reviewed first."""
    wanted = read(forms.BulkForm(request.POST), of_page=("id", "which", "decision", "query"))
    everything = wanted["which"] == "all"
    devices = _all(wanted["query"]) if everything else _chosen(request.POST.getlist("chosen"))
    asked = bulk_decisions.ask(
        wanted["decision"], devices, by=request.actor, reason=wanted["reason"], id=wanted["id"]
    )  # fmt: skip
    if wanted["decision"] == "accept" and not everything:
        bulk_decisions.go_on(asked, by=request.actor, seconds=SECONDS)
    return redirect(asked)


@require_safe
@requires(Scope.DEVICES_READ)
def show(request: PageRequest, bulk_id: UUID) -> HttpResponse:
    asked = bulk_decisions.find(bulk_id, by=request.actor)
    return render(request, "devices/bulk_decision.html", _facts(request, asked))


@require_POST
@requires(Scope.DEVICES_ADMIT)
def go_on(request: PageRequest, bulk_id: UUID) -> HttpResponse:
    """Decide on the next ones; a browser asks again by itself until it is done."""
    asked = bulk_decisions.find(bulk_id, by=request.actor)
    asked = bulk_decisions.go_on(asked, by=request.actor, seconds=SECONDS)
    return fragment(request, "devices/_bulk_decision.html", _facts(request, asked), otherwise=asked)


def _all(query: str) -> Iterable[tuple[str, int]]:
    """All devices that the list would show, denied ones never."""
    wanted = listing.wanted_in(QueryDict(query))
    return wanted.devices().present().order_by("pk").values_list("pk", "revision")[: bulk_decisions.MOST + 1]


def _chosen(sent: list[str]) -> list[tuple[str, int]]:
    ticked = [_CHOSEN.fullmatch(value) for value in sent]
    if not all(ticked):
        raise Invalid("chosen", "Reload the page, then choose again.")
    return [(form[1], int(form[2])) for form in ticked if form]


def _facts(request: PageRequest, asked: BulkDecision) -> dict[str, Any]:
    refused, after = request.GET.get("only") == "refused", request.GET.get("after", "")
    if after and not _PLACE.fullmatch(after):
        raise Invalid("after", "This is no place in the list; begin at its top.")
    items = asked.items.exclude(code="") if refused else asked.items
    found = list(items.filter(pk__gt=int(after or 0)).order_by("pk")[: PAGE + 1])
    more = found[PAGE - 1].pk if len(found) > PAGE else None
    _introduce(found)
    facts = {"asked": asked, "brings": bulk.DECISIONS[asked.decision].brings}
    return {**facts, "items": found[:PAGE], "refused": refused, "after": after, "more": more}


def _introduce(items: list[BulkItem]) -> None:
    """Put the device beside each id, as far as there is one: people know it by what it says of itself."""
    devices = Device.objects.select_related("introduction").in_bulk([item.device_id for item in items])
    for item in items:
        item.device = devices.get(item.device_id)  # type: ignore[attr-defined]
