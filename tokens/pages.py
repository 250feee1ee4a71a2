"""The pages about a person's own API tokens."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, retarget, trigger_client_event

from portal import sessions
from portal.access import requires
from portal.models import User
from portal.pages import PageRequest, fragment
from portal.refusal import Invalid
from portal.scopes import Scope
from tokens import issuing
from tokens.forms import NewTokenForm, RevocationForm
from tokens.models import ApiToken

LIST = "tokens:list"
MOST = 200


@require_safe
@requires(Scope.TOKENS_READ)
def index(request: PageRequest) -> HttpResponse:
    return render(request, "tokens/list.html", {"form": _form(request), **_own(request)})


@require_POST
@requires(Scope.TOKENS_MANAGE)
def create(request: PageRequest) -> HttpResponse:
    """Issue a token; its secret stands in this answer and nowhere else."""
    form = _form(request, request.POST)
    if not form.is_valid():
        return _again(request, form)
    wanted = form.cleaned_data
    sessions.confirm(request, wanted.pop("password"))
    token, shown = issuing.issue(**wanted, owner=_person(request), by=request.actor)
    context = {"token": token, "secret": shown, "url": settings.PUBLIC_URL, "path": _first_call(token)}
    if request.htmx:
        return trigger_client_event(render(request, "tokens/_secret.html", context), "tokens-changed")
    return render(request, "tokens/issued.html", {**context, **_own(request)})


@require_POST
@requires(Scope.TOKENS_MANAGE)
def revoke(request: PageRequest, token_id: str) -> HttpResponse:
    token = ApiToken.objects.filter(owner=_person(request), pk=token_id).first()
    if token is None:
        raise issuing.Unknown(f"You have no token {token_id}; the list shows yours.")
    form = RevocationForm(request.POST)
    if not form.is_valid():
        raise Invalid("reason", "Write at most 500 characters.")
    issuing.revoke(token, by=request.actor, reason=form.cleaned_data["reason"])
    return fragment(request, "tokens/_token.html", {"token": token, "revoked": True}, otherwise=LIST)


def _again(request: PageRequest, form: NewTokenForm) -> HttpResponse:
    """The form as it was filled in, with what is wrong beside each field."""
    if not request.htmx:
        return render(request, "tokens/list.html", {"form": form, **_own(request)}, status=400)
    answer = render(request, "tokens/_form.html", {"form": form}, status=400)
    return reswap(retarget(answer, "#new-token"), "outerHTML")


def _form(request: PageRequest, sent: QueryDict | None = None) -> NewTokenForm:
    return NewTokenForm(sent, actor=request.actor, fresh=sessions.is_fresh(request))


def _own(request: PageRequest) -> dict[str, Any]:
    own = ApiToken.objects.filter(owner=_person(request)).order_by("-created_at", "pk")
    return {"tokens": list(own[:MOST]), "most": MOST}


def _person(request: PageRequest) -> User:
    person: Any = request.user
    return person  # type: ignore[no-any-return]


def _first_call(token: ApiToken) -> str:
    """A path that the token may read, for the example."""
    return "/api/v1/devices" if Scope.DEVICES_READ in token.scopes else "/api/v1/tokens"
