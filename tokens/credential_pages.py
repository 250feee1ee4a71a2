"""The pages about app credentials: issued and shown once, rotated step by step, switched off and on, ended."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from portal import sessions
from portal.access import requires
from portal.form_reading import read
from portal.models import User
from portal.pages import PageRequest, onward
from portal.refusal import Invalid
from portal.scopes import Scope
from tokens import (
    apps_pages,
    credentials,
    example_calls,
    holder_pages,
    overlap,
    owners,
    registration,
    switching,
)
from tokens.credential_forms import IssueForm, OverlapForm, OwnerForm, ReasonForm, SeenForm
from tokens.models import AppCredential, Holder
from tokens.overlap import Rotated


@require_POST
@requires(Scope.CREDENTIALS_MANAGE)
def issue(request: PageRequest, app: str, version: str) -> HttpResponse:
    """Issue credentials; their secret stands in this answer and nowhere else."""
    found = registration.find_version(registration.find(app), version)
    form = IssueForm(request.POST, version=found, actor=request.actor, fresh=sessions.is_fresh(request))
    if not form.is_valid():
        return apps_pages.show_version(request, found, {"issuing": form}, 400)
    wanted = dict(form.cleaned_data)
    sessions.confirm(request, wanted.pop("password"))
    try:
        wanted["owner"] = owners.named(wanted["owner"])
        issued = credentials.issue(found, by=request.actor, **wanted)
    except (Invalid, credentials.CredentialExists) as refused:
        holder_pages.blame(form, refused, "instance")
        return apps_pages.show_version(request, found, {"issuing": form}, refused.status)
    return apps_pages.show_version(request, found, _shown_once(issued), 200)


@require_safe
@requires(Scope.CREDENTIALS_READ)
def detail(request: PageRequest, credential_id: str) -> HttpResponse:
    return render(request, "tokens/credential.html", _facts(request, credentials.find(credential_id)))


@require_safe
@requires(Scope.CREDENTIALS_READ)
def rotation(request: PageRequest, credential_id: str) -> HttpResponse:
    """The part of the page that goes on by itself."""
    credential = credentials.find(credential_id)
    if not request.htmx:
        return redirect("apps:credential", credential.pk)
    return holder_pages.rotation(request, credential)


@require_POST
@requires(Scope.CREDENTIALS_MANAGE)
def rotate(request: PageRequest, credential_id: str) -> HttpResponse:
    return holder_pages.rotate(request, credentials.find(credential_id), show, _shown_once)


@require_POST
@requires(Scope.CREDENTIALS_MANAGE)
def hand_over(request: PageRequest, credential_id: str) -> HttpResponse:
    credential = credentials.find(credential_id)
    wanted = read(OwnerForm(request.POST))
    credentials.hand_over(credential, by=request.actor, owner=owners.named(wanted["owner"]), seen=wanted["seen"])
    return show(request, credential, {"changed": True}, 200)


@require_POST
@requires(Scope.CREDENTIALS_MANAGE)
def delete(request: PageRequest, credential_id: str) -> HttpResponse:
    credential = credentials.find(credential_id)
    version = credential.version
    switching.delete(credential, by=request.actor, **read(SeenForm(request.POST)))
    there = reverse("apps:list")
    if version.deregistered_at is None:
        there = reverse("apps:version", args=[version.app.name, version.version])
    return onward(request, there)


def show(request: PageRequest, holder: Holder, more: dict[str, Any], status: int) -> HttpResponse:
    """The credential as it is now. What must not be found at an address stands in the answer to the POST itself."""
    if not request.htmx and more == {"changed": True}:
        return redirect("apps:credential", holder.pk)
    context = {**_facts(request, credentials.find(holder.pk)), **more}
    template = "tokens/_credential.html" if request.htmx else "tokens/credential.html"
    return holder_pages.again(render(request, template, context, status=status), request, "credential")


def _facts(request: PageRequest, credential: AppCredential) -> dict[str, Any]:
    owner: User | None = credential.owner
    return {
        **holder_pages.facts(request, credential),
        "credential": credential,
        "has_owner": owner is not None and owner.is_active,
        "examples": example_calls.of(credential),
        "rotates_own": Scope.CREDENTIALS_ROTATE_OWN in credential.scopes,
    }


def _shown_once(issued: Rotated) -> dict[str, Any]:
    """The secret, and the calls that it stands in."""
    shown = example_calls.of(issued.holder, issued.text)
    return {"secret": issued.text, "issued": issued, "calls": shown}


def _verb(rule: Any, form: Any) -> Any:
    return holder_pages.verb(rule, form, Scope.CREDENTIALS_MANAGE, _find, show)


def _find(credential_id: str) -> AppCredential:
    return credentials.find(credential_id)


end_overlap = _verb(overlap.end_overlap, OverlapForm)
cancel_rotation = _verb(overlap.cancel_rotation, OverlapForm)
disable = _verb(switching.disable, ReasonForm)
enable = _verb(switching.enable, ReasonForm)
revoke = _verb(switching.revoke, ReasonForm)
