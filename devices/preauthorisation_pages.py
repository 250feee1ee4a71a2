"""The pages on which a person announces devices that are expected, one or a list of them."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from devices import device_lists, examples, preauthorisation, submission
from devices.device_lists import Line
from devices.preauthorisation import REFUSED, Outcome
from devices.preauthorisation_forms import ExpectedForm, JudgedForm, ListForm
from portal.access import requires
from portal.form_reading import read
from portal.pages import PageRequest
from portal.refusal import Invalid, Refusal
from portal.scopes import Scope

# How many outcomes of a kind a page shows.
SHOWN = 200
JUDGE_AGAIN = "Judge the list again; what came was not what the page had sent."
# Without the mark that our other files set before a cell like this key: here it is to be replaced.
TEMPLATE = f'mac,serial,key\r\n00:1b:44:11:3a:b7,PRESS-1,"{examples.KEY}"\r\n'


@require_safe
@requires(Scope.DEVICES_ADMIT)
def show(request: PageRequest) -> HttpResponse:
    return render(request, "devices/preauthorize.html", _forms(ExpectedForm()))


@require_POST
@requires(Scope.DEVICES_ADMIT)
def one(request: PageRequest) -> HttpResponse:
    """Preauthorize one device, and show it."""
    form, status = ExpectedForm(request.POST), 400
    if form.is_valid():
        try:
            return redirect(submission.preauthorize_expected(form.expected(), by=request.actor))
        except Refusal as unfit:
            field = next(iter(unfit.invalid or {}), None)
            form.add_error(field, str(unfit))
            status = unfit.status
    return render(request, "devices/preauthorize.html", _forms(form), status=status)


@require_POST
@requires(Scope.DEVICES_ADMIT)
def judge(request: PageRequest) -> HttpResponse:
    """Say what would become of each line of a list; nothing is written."""
    form = ListForm(request.POST, request.FILES)
    if not form.is_valid():
        raise Invalid("list", "The list cannot be read; send it as one file, or paste it.")
    lines = device_lists.read(form.sent())
    outcomes = preauthorisation.judge(lines)
    judged = {"judged": preauthorisation.pack(lines, outcomes)}
    return render(request, "devices/line_outcomes.html", {**_facts(lines, outcomes), **judged})


@require_POST
@requires(Scope.DEVICES_ADMIT)
def carry_out(request: PageRequest) -> HttpResponse:
    """Preauthorize the devices of exactly those lines that were shown as ready."""
    wanted = read(JudgedForm(request.POST), of_page=("judged",), otherwise=JUDGE_AGAIN)
    lines = preauthorisation.unpack(wanted["judged"])
    outcomes = preauthorisation.carry_out(lines, by=request.actor)
    return render(request, "devices/line_outcomes.html", {**_facts(lines, outcomes), "done": True})


@require_safe
@requires(Scope.DEVICES_ADMIT)
def template(request: PageRequest) -> HttpResponse:
    """A list to begin with, with one device in it."""
    file = {"Content-Disposition": 'attachment; filename="gatehouse-preauthorize.csv"'}
    return HttpResponse(TEMPLATE, content_type="text/csv; charset=utf-8", headers=file)


def _forms(form: ExpectedForm) -> dict[str, Any]:
    return {"form": form, "most_lines": device_lists.MOST_LINES, "mebibytes": device_lists.MAX_BYTES // 1024**2}


def _facts(lines: Sequence[Line], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The outcomes with what each line says, those that were refused apart; so many of a kind as a page shows."""
    told = list(zip(outcomes, [line.said for line in lines], strict=True))
    refused = [one for one in told if one[0].status == REFUSED]
    good = [one for one in told if one[0].status != REFUSED]
    numbers = {"refused_number": len(refused), "good_number": len(good)}
    return {"refused": refused[:SHOWN], "good": good[:SHOWN], "shown": SHOWN, **numbers}
