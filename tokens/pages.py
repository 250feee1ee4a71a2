"""The pages about API tokens: a person's own, and for who may see people those of everybody."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, retarget, trigger_client_event

from portal import sessions
from portal.access import requires
from portal.pages import PageRequest, fragment, person_of
from portal.refusal import Invalid
from portal.scopes import Scope
from portal.way_back import own_page
from tokens import ending, issuing, listing, rotation
from tokens.forms import NewTokenForm, ReasonForm, RotationForm
from tokens.models import ApiToken

LIST = "/portal/tokens/"


@require_safe
@requires(Scope.TOKENS_READ)
def index(request: PageRequest) -> HttpResponse:
    """One's own tokens with the form for another, or those of everybody."""
    page = listing.read(request.GET, by=request.actor)
    if page.is_shortened:
        return redirect(f"{LIST}?{page.query}")  # So that no secret stays in the address bar, or goes into a link.
    if "owner" in page.wanted:
        return render(request, "tokens/everybody.html", {"page": page, **_place(request.get_full_path())})
    context = {"page": page, "form": _form(request), "rotation": _rotation_form(request)}
    return render(request, "tokens/list.html", {**context, **_place(request.get_full_path())})


@require_POST
@requires(Scope.TOKENS_MANAGE)
def create(request: PageRequest) -> HttpResponse:
    """Issue a token; its secret stands in this answer and nowhere else."""
    form = _form(request, request.POST)
    if not form.is_valid():
        return _again(request, form)
    wanted = form.cleaned_data
    sessions.confirm(request, wanted.pop("password"))
    token, shown = issuing.issue(**wanted, owner=person_of(request), by=request.actor)
    return _shown_once(request, token, shown)


@require_POST
@requires(Scope.TOKENS_MANAGE)
def rotate(request: PageRequest, token_id: str) -> HttpResponse:
    """Issue the successor; its secret stands in this answer and nowhere else."""
    token = listing.one(token_id, by=request.actor)
    form = RotationForm(request.POST, fresh=sessions.is_fresh(request))
    if not form.is_valid():
        return _asked_again(request, token, form)
    sessions.confirm(request, form.cleaned_data["password"])
    rotated = rotation.rotate(token, by=request.actor, overlap_hours=form.cleaned_data["overlap_hours"])
    return _shown_once(request, rotated.token, rotated.secret, replaced=rotated.replaced)


@require_POST
@requires(Scope.TOKENS_MANAGE)
def disable(request: PageRequest, token_id: str) -> HttpResponse:
    token = listing.one(token_id, by=request.actor)
    ending.disable(token, by=request.actor, reason=_reason(request))
    return _show(request, token)


@require_POST
@requires(Scope.TOKENS_MANAGE)
def enable(request: PageRequest, token_id: str) -> HttpResponse:
    token = listing.one(token_id, by=request.actor)
    ending.enable(token, by=request.actor, reason=_reason(request))
    return _show(request, token)


@require_POST
@requires(Scope.TOKENS_MANAGE)
def revoke(request: PageRequest, token_id: str) -> HttpResponse:
    token = listing.one(token_id, by=request.actor)
    ending.revoke(token, by=request.actor, reason=_reason(request))
    return _show(request, token)


def _reason(request: PageRequest) -> str:
    form = ReasonForm(request.POST)
    if not form.is_valid():
        raise Invalid("reason", "Write at most 500 characters.")
    reason: str = form.cleaned_data["reason"]
    return reason


def _show(request: PageRequest, token: ApiToken) -> HttpResponse:
    """The row of the token as it is now; without htmx the list that it was changed in."""
    here = own_page(request.POST.get("next"), LIST)
    context = {"token": token, "changed": True, "rotation": _rotation_form(request), **_place(here)}
    return fragment(request, "tokens/_token.html", context, otherwise=here)


def _place(here: str) -> dict[str, Any]:
    """The list that the person looks at, and whether it names the owner of each token."""
    return {"here": here, "names_owners": "owner" in QueryDict(urlsplit(here).query)}


def _shown_once(request: PageRequest, token: ApiToken, shown: str, *, replaced: ApiToken | None = None) -> HttpResponse:
    """The secret of a new token, with the token whose place it takes."""
    path = _first_call(token)
    context = {"token": token, "secret": shown, "replaced": replaced, "url": settings.PUBLIC_URL, "path": path}
    if request.htmx:
        return trigger_client_event(render(request, "tokens/_secret.html", context), "tokens-changed")
    return render(request, "tokens/issued.html", {**context, **_own(request)})


def _again(request: PageRequest, form: NewTokenForm) -> HttpResponse:
    """The form as it was filled in, with what is wrong beside each field."""
    if not request.htmx:
        return render(request, "tokens/list.html", {"form": form, **_own(request)}, status=400)
    answer = render(request, "tokens/_form.html", {"form": form}, status=400)
    return reswap(retarget(answer, "#new-token"), "outerHTML")


def _asked_again(request: PageRequest, token: ApiToken, form: RotationForm) -> HttpResponse:
    """The row with its question about rotation still open, and what is wrong beside each field."""
    asked = {"asked": token.pk, "rotation": form}
    if not request.htmx:
        page = {"form": _form(request), **_own(request), **asked}
        return render(request, "tokens/list.html", page, status=400)
    answer = render(request, "tokens/_token.html", {"token": token, **asked, **_place(LIST)}, status=400)
    return reswap(retarget(answer, f"#token-{token.pk}"), "outerHTML")


def _form(request: PageRequest, sent: QueryDict | None = None) -> NewTokenForm:
    return NewTokenForm(sent, actor=request.actor, fresh=sessions.is_fresh(request))


def _rotation_form(request: PageRequest) -> RotationForm:
    return RotationForm(None, fresh=sessions.is_fresh(request))


def _own(request: PageRequest) -> dict[str, Any]:
    own = listing.read(QueryDict(), by=request.actor)
    return {"page": own, "rotation": _rotation_form(request), **_place(LIST)}


def _first_call(token: ApiToken) -> str:
    """A path that the token may read, for the example."""
    return "/api/v1/devices" if Scope.DEVICES_READ in token.scopes else "/api/v1/tokens"
