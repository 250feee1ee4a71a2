"""The page about oneself: how to be reached, the role and what it may do, the password, and the sessions."""

from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, retarget, trigger_client_event

from portal import people, profile, second_factor, sessions
from portal.access import requires
from portal.pages import PageRequest, fragment, person_of
from portal.people_forms import OwnFactsForm
from portal.refusal import Invalid
from portal.roles import SCOPES
from portal.scopes import Scope


class PasswordForm(forms.Form):
    """The present password, and the new one twice."""

    present = forms.CharField(max_length=4096, strip=False, error_messages={"required": "Type your present password."})
    new = forms.CharField(max_length=4096, strip=False, error_messages={"required": "Type a new password."})
    again = forms.CharField(
        max_length=4096, strip=False, error_messages={"required": "Type the new password a second time."}
    )

    def clean(self) -> None:
        new, again = self.cleaned_data.get("new"), self.cleaned_data.get("again")
        if new and again and new != again:
            self.add_error("again", "This is not what you typed above; type the new password twice.")


@require_safe
@requires(None)
def index(request: PageRequest) -> HttpResponse:
    """The whole page. `changed` is what a browser without htmx is told after a new password."""
    return render(request, "portal/account.html", _facts(request))


@require_POST
@requires(None)
def change_password(request: PageRequest) -> HttpResponse:
    """Take the new password if the present one is right; every other session ends."""
    form = PasswordForm(request.POST)
    if not form.is_valid():
        return _again(request, form)
    sessions.prove(request, form.cleaned_data["present"])
    try:
        people.change_password(
            person_of(request), form.cleaned_data["new"], by=request.actor, session=sessions.own_key(request)
        )
    except Invalid as unfit:
        form.add_error("new", str(unfit))
        return _again(request, form)
    sessions.renew(request)
    context = {"password": PasswordForm(), "changed": True}
    answer = fragment(request, "portal/_password.html", context, otherwise="/portal/account/?changed=1")
    return trigger_client_event(answer, "sessions-changed")


@require_POST
@requires(None)
def change_facts(request: PageRequest) -> HttpResponse:
    """Take the person's own e-mail address and names."""
    form = OwnFactsForm(request.POST)
    if form.is_valid():
        try:
            profile.change(person_of(request), by=request.actor, **form.cleaned_data)
        except Invalid as unfit:
            form.add_error(next(iter(unfit.invalid or ())), str(unfit))
    if form.errors:
        if not request.htmx:
            return render(request, "portal/account.html", {**_facts(request), "facts_form": form}, status=400)
        answer = render(request, "portal/_own_facts.html", {"facts_form": form}, status=400)
        return reswap(retarget(answer, "#own-facts"), "outerHTML")
    context = {"facts_form": _own_facts(request), "saved": True}
    return fragment(request, "portal/_own_facts.html", context, otherwise="/portal/account/?saved=1")


@require_POST
@requires(None)
def end_session(request: PageRequest, handle: str) -> HttpResponse:
    sessions.end(person_of(request), handle, by=request.actor)
    return fragment(request, "portal/_sessions.html", {**_own(request), "ended": True}, otherwise="account")


def _again(request: PageRequest, form: PasswordForm) -> HttpResponse:
    """The form with what is wrong beside each field, and no password in it."""
    if not request.htmx:
        return render(request, "portal/account.html", {**_facts(request), "password": form}, status=400)
    answer = render(request, "portal/_password.html", {"password": form}, status=400)
    return reswap(retarget(answer, "#password"), "outerHTML")


def _facts(request: PageRequest) -> dict[str, Any]:
    held = SCOPES.get(person_of(request).role, frozenset())
    return {
        "password": PasswordForm(),
        "facts_form": _own_facts(request),
        "held": second_factor.held(person_of(request)),
        "scopes": [scope for scope in Scope if scope in held],
        **{done: request.GET.get(done) == "1" for done in ("changed", "saved")},
        **_own(request),
    }


def _own_facts(request: PageRequest) -> OwnFactsForm:
    return OwnFactsForm(initial=profile.facts(person_of(request)))


def _own(request: PageRequest) -> dict[str, Any]:
    return {"sessions": sessions.lasting(person_of(request)), "this": sessions.own_handle(request)}
