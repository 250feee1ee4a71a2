"""The page of what expires next, over all kinds, and what the overview and the banner of every page say of it."""

import re
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from portal import expiry
from portal.access import requires
from portal.actor import Actor
from portal.overview import panel
from portal.pages import PageRequest
from portal.parameters import once
from portal.refusal import Invalid

PAGE, ON_OVERVIEW = 50, 5
USUAL = 90
CHOICES = (7, 30, 90, 365)
_NUMBER = re.compile(r"[1-9]\d{0,2}|1000", re.ASCII)


@require_safe
@requires(None)
def index(request: PageRequest) -> HttpResponse:
    """What ends within so many days, of the kinds that the person may see: `kind`, `days`, `whose` and `page`."""
    kinds = expiry.seen_by(request.actor)
    wanted = {name: value for name in ("kind", "days", "whose") if (value := once(request.GET, name))}
    if wanted.get("kind", "") not in ("", *(source.kind for source in kinds)):
        raise Invalid("kind", f"'kind' is one of {', '.join(source.kind for source in kinds)}.")
    if wanted.get("whose", "own") != "own":
        raise Invalid("whose", "'whose' is own, or left out.")
    days = _number("days", wanted.get("days") or str(USUAL))
    page = _number("page", once(request.GET, "page") or "1")
    found = expiry.find(
        request.actor,
        kind=wanted.get("kind", ""),
        days=days,
        own="whose" in wanted,
        first=(page - 1) * PAGE,
        most=PAGE + 1,
    )
    context = {
        "endings": found[:PAGE],
        "kinds": kinds,
        "wanted": wanted,
        "days": days,
        "choices": sorted({*CHOICES, days}),
        "query": urlencode(wanted),
        "earlier": page - 1,
        "later": page + 1 if len(found) > PAGE else 0,
    }
    return render(request, "portal/expiry.html", context)


@panel("portal/_expiring_soon.html", None)
def soon(actor: Actor) -> dict[str, Any]:
    """One's own and nobody's; for who manages people what is everybody's."""
    found = expiry.soon(actor, most=ON_OVERVIEW + 1)
    mark = "-".join(f"{ending.key}{ending.ends_at:%d%H%M%S}" for ending in found)
    return {
        "endings": [(ending, ending.owner is None or ending.owner.pk == actor.owner) for ending in found[:ON_OVERVIEW]],
        "more": len(found) > ON_OVERVIEW,
        "of_all": expiry.concerns_all(actor),
        "mark": mark,
    }


def _number(name: str, text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise Invalid(name, f"'{name}' is a number from 1 to 1000.")
    return int(text)
