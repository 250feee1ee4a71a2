"""The page about one's own second factors: an authenticator app, passkeys, and recovery codes."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, retarget

from portal import second_factor, second_factor_changes, second_factor_passkeys, sessions
from portal.access import requires
from portal.form_reading import read
from portal.pages import PageRequest, before_second_factor, person_of
from portal.refusal import Refusal
from portal.second_factor_forms import AppForm, PasskeyForm, PasskeyNameForm, ProofForm, SeenForm

Page = Callable[..., HttpResponse]
DONE = {
    "removed": "It is removed. Your other sessions have ended.",
    "renamed": "It is called so from now on.",
}


class NotConfirmed(Refusal):
    """It is too long ago that the person proved who they are."""

    status, code = 403, "not_confirmed"

    def __init__(self) -> None:
        super().__init__("Nothing was changed: confirm first that it is you, then do it again.")


def own(page: Page) -> Page:
    """A POST of one's own, also before there is a second factor; a person who was not there lately confirms first."""

    @wraps(page)
    def guarded(request: PageRequest, **where: Any) -> HttpResponse:
        if not sessions.is_fresh(request):
            return _show(request, refusal=NotConfirmed(), status=NotConfirmed.status)
        return page(request, **where)

    return require_POST(before_second_factor(requires(None)(guarded)))


@require_safe
@before_second_factor
@requires(None)
def index(request: PageRequest) -> HttpResponse:
    """What there is; `done` is what a browser without htmx is told of what it did last."""
    return _show(request, done=DONE.get(request.GET.get("done", "")))


@require_POST
@before_second_factor
@requires(None)
def confirm(request: PageRequest) -> HttpResponse:
    """Take the password, a code or a passkey, after which the page offers what changes something."""
    said = read(ProofForm(request.POST))
    try:
        if said["answer"]:
            sessions.confirm_by_passkey(request, said["answer"])
        else:
            sessions.confirm(request, said["typed"])
    except (sessions.WrongPassword, second_factor.WrongCode, second_factor_passkeys.Unfit) as wrong:
        return _show(request, refusal=wrong, status=wrong.status)
    return _done(request)


@own
def offer_app(request: PageRequest) -> HttpResponse:
    """A secret for an app, which stands in this answer and nowhere else."""
    return _show(request, offer=second_factor_changes.offer(person_of(request)), app_form=AppForm())


@own
def add_app(request: PageRequest) -> HttpResponse:
    """Take the code by which the app proves that it has the secret; a wrong one is said beside it."""
    form = AppForm(request.POST)
    offer = second_factor_changes.offered(person_of(request), request.POST.get("offer", ""))
    if form.is_valid():
        try:
            made = second_factor_changes.add_app(
                person_of(request),
                offer,
                form.cleaned_data["code"],
                by=request.actor,
                session=sessions.own_key(request),
            )
        except second_factor.WrongCode as wrong:
            form.add_error("code", str(wrong))
        else:
            return _show(request, made=made, done=f"Your authenticator app is added. {_ended(made)}")
    return _show(request, offer=offer, app_form=form, status=400)


@own
def ask_passkey(request: PageRequest) -> HttpResponse:
    """Ask the browser for a new passkey of this name."""
    form = PasskeyNameForm(request.POST)
    if not form.is_valid():
        return _show(request, name_form=form, status=400)
    asked = second_factor_passkeys.ask_for_new(request, person_of(request))
    return _show(request, new_passkey={"name": form.cleaned_data["name"], "asked": asked})


@own
def add_passkey(request: PageRequest) -> HttpResponse:
    """Keep the passkey that the browser made."""
    said = read(PasskeyForm(request.POST))
    credential = second_factor_passkeys.read_new(request, person_of(request), said["answer"])
    made = second_factor_changes.add_passkey(
        person_of(request), said["name"], credential, by=request.actor, session=sessions.own_key(request)
    )
    return _show(request, made=made, done=f"Your passkey is added. {_ended(made)}")


@own
def make_codes(request: PageRequest) -> HttpResponse:
    """Make recovery codes, which stand in this answer and nowhere else."""
    seen = read(SeenForm(request.POST))["seen"]
    made = second_factor_changes.make_codes(person_of(request), by=request.actor, seen=seen)
    return _show(request, made=made)


@own
def rename(request: PageRequest, key: int) -> HttpResponse:
    name = read(PasskeyNameForm(request.POST))["name"]
    second_factor_changes.rename_passkey(person_of(request), key, name, by=request.actor)
    return _done(request, "renamed")


@own
def remove(request: PageRequest, key: int) -> HttpResponse:
    second_factor_changes.remove(person_of(request), key, by=request.actor, session=sessions.own_key(request))
    return _done(request, "removed")


def _ended(made: list[str]) -> str:
    """A first factor, with which recovery codes come, ends the sessions that began without one."""
    return "Your other sessions have ended." if made else ""


def _done(request: PageRequest, word: str = "") -> HttpResponse:
    if request.htmx:
        return _show(request, done=DONE.get(word))
    return redirect(f"/portal/account/second-factor/{f'?done={word}' if word else ''}")


def _show(request: PageRequest, *, status: int = 200, **said: Any) -> HttpResponse:
    """What there is, and what is said beside it: an offer, a form with what is wrong, codes that were made."""
    person = person_of(request)
    held, fresh = second_factor.held(person), sessions.is_fresh(request)
    why_not = second_factor_passkeys.why_not(request)
    context = {
        "held": held,
        "fresh": fresh,
        "demanded": second_factor.is_demanded(person),
        "why_not": why_not,
        "most": second_factor_changes.MOST_PASSKEYS,
        **said,
    }
    if not fresh and held.passkeys and not why_not:
        context["asked"] = second_factor_passkeys.ask(request, person)
    template = "portal/_second_factor.html" if request.htmx else "portal/second_factor.html"
    answer = render(request, template, context, status=status)
    return reswap(retarget(answer, "#second-factor"), "outerHTML") if request.htmx and status >= 400 else answer
