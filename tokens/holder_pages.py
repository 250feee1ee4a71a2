"""What the pages of credentials and of installations share: the verbs, the rotation as it goes on, and the history."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST
from django_htmx.http import reswap, retarget

from portal import audit_listing, parameters, sessions
from portal.access import requires
from portal.form_reading import read
from portal.models import AuditEvent
from portal.pages import PageRequest
from portal.refusal import Refusal
from portal.scopes import Scope
from tokens import kinds, overlap, rotation_guide
from tokens.credential_forms import RotationForm
from tokens.models import Holder, InstalledApp
from tokens.overlap import Rotated

HISTORY = 50
SECRETS = 10

MANAGES = {"credential": Scope.CREDENTIALS_MANAGE, "installation": Scope.APPS_MANAGE}

Find = Callable[..., Any]
# Shows the holder as it is now, with more to say about it, and with a status.
Show = Callable[[PageRequest, Holder, dict[str, Any], int], HttpResponse]
# What is shown of a secret in the one answer that holds it.
Shown = Callable[[Rotated], dict[str, Any]]


def verb(rule: Callable[..., Any], form: type[forms.Form], scope: Scope, find: Find, show: Show) -> Any:
    """A page that carries out one verb about the holder that its address names."""

    @require_POST
    @requires(scope)
    def page(request: PageRequest, **where: str) -> HttpResponse:
        holder = find(**where)
        rule(holder, by=request.actor, **read(form(request.POST)))
        return show(request, holder, {"changed": True}, 200)

    return page


def rotate(request: PageRequest, holder: Holder, show: Show, shown: Shown) -> HttpResponse:
    """Give it a new secret, which stands in this answer and nowhere else."""
    form = RotationForm(request.POST, fresh=sessions.is_fresh(request))
    if not form.is_valid():
        return show(request, holder, {"rotation": form}, 400)
    wanted = dict(form.cleaned_data)
    sessions.confirm(request, wanted.pop("password"))
    rotated = overlap.rotate(holder, by=request.actor, **wanted)
    return show(request, holder, shown(rotated), 200)


def rotation(request: PageRequest, holder: Holder) -> HttpResponse:
    """The rotation and the secrets as they are now; nothing while they are as the page already shows them."""
    facts = rotation_facts(request, holder)
    if parameters.once(request.GET, "known") == facts["mark"]:
        return HttpResponse(status=204)
    return render(request, "tokens/_holder_rotation.html", facts)


def facts(request: PageRequest, holder: Holder) -> dict[str, Any]:
    """What the page of every holder shows, whichever kind it is of."""
    known = rotation_facts(request, holder)
    known["rotation"] = RotationForm(None, fresh=sessions.is_fresh(request))
    if request.actor.may(Scope.AUDIT_READ):
        noun, name = kinds.subject(holder)
        events = AuditEvent.objects.filter(subject_kind=noun, subject_id=name).order_by("-number")
        known |= {"history": [(event, audit_listing.changes(event)) for event in events[:HISTORY]], "most": HISTORY}
    return known


def rotation_facts(request: PageRequest, holder: Holder) -> dict[str, Any]:
    kind, state = kinds.of(holder), holder.state()
    guide = rotation_guide.read(holder)
    living = holder.living()
    never_used = bool(living) and living[-1].last_used_at is None
    return {
        "holder": holder,
        "word": kind.word,
        "place": _place(holder),
        "state": state,
        "may_manage": request.actor.may(MANAGES[kind.noun]),
        "guide": guide,
        "living": living,
        "secrets": rotation_guide.latest(holder, SECRETS),
        "mark": rotation_guide.mark(holder, guide),
        "is_watched": state == "live" and (never_used or (guide is not None and guide.is_open)),
    }


def blame(form: forms.Form, refused: Refusal, field: str) -> None:
    """Say beside a field what the rule said: the one that it names, else this."""
    if refused.afterwards:
        refused.afterwards()
    named = next(iter(refused.invalid or {field: ()}))
    form.add_error(named if named in form.fields else field, str(refused))


def again(answer: HttpResponse, request: PageRequest, element: str) -> HttpResponse:
    """An answer with mistakes in it takes the place of the whole element that was filled in."""
    if request.htmx and answer.status_code >= 400:
        return reswap(retarget(answer, f"#{element}"), "outerHTML")
    return answer


def _place(holder: Holder) -> str:
    """The address of its page; those of the verbs about it begin so."""
    if isinstance(holder, InstalledApp):
        return reverse("apps:installation", args=[holder.app.name, holder.pk])
    return reverse("apps:credential", args=[holder.pk])
