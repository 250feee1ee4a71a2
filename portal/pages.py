"""What every page shares: who is asking, answering htmx with a fragment, and showing a refusal."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.contrib.auth import logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget
from django_htmx.middleware import HtmxDetails

from portal import second_factor, sessions
from portal.actor import NOBODY, Actor
from portal.failures import Unavailable, is_outage
from portal.models import User
from portal.refusal import Refusal
from portal.way_back import PAGES, page_of


class PageRequest(HttpRequest):
    """A request for a page after our middleware has run."""

    htmx: HtmxDetails
    actor: Actor
    csp_nonce: str


def person_of(request: PageRequest) -> User:
    """Who is logged in."""
    person: Any = request.user
    return person  # type: ignore[no-any-return]


def fragment(request: PageRequest, template: str, context: dict[str, Any], *, otherwise: Any) -> HttpResponse:
    """Give htmx the fragment alone; send a browser without htmx to the whole page."""
    if request.htmx:
        return render(request, template, context)
    return redirect(otherwise)


def onward(request: PageRequest, to: Any) -> HttpResponse:
    """Send the browser to another page; htmx would put what it is redirected to into the place it asks for."""
    there = resolve_url(to)
    return HttpResponseClientRedirect(there) if request.htmx else redirect(there)


def before_second_factor(page: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Open the page also to who must add a second factor before anything else."""
    page.opens_before_second_factor = True  # type: ignore[attr-defined]
    return page


class LoginMiddleware(LoginRequiredMiddleware):
    """Name the person who asks; one whose session has ended goes to the login, and then back to where they were."""

    def process_view(self, request: PageRequest, view_func: Any, view_args: Any, view_kwargs: Any) -> Any:  # type: ignore[override]
        request.actor = NOBODY
        if not getattr(view_func, "login_required", True):
            return None
        if request.user.is_authenticated:
            if not sessions.goes_on(request):
                logout(request)
                return self.handle_no_permission(request, view_func)
            request.actor = Actor.person(request.user, request.META.get("REMOTE_ADDR", ""))
            if second_factor.is_missing(request.user):
                # Whose role demands a second factor holds nothing until there is one.
                request.actor = replace(request.actor, scopes=frozenset())
                if not getattr(view_func, "opens_before_second_factor", False):
                    return onward(request, "second_factor")
        return super().process_view(request, view_func, view_args, view_kwargs)

    def handle_no_permission(self, request: PageRequest, view_func: Any) -> HttpResponse:  # type: ignore[override]
        if not request.htmx:
            return redirect_to_login(request.get_full_path() if request.method == "GET" else PAGES)
        login = redirect_to_login(page_of(request.htmx) or PAGES)
        return HttpResponseClientRedirect(login.url)


class RefusalMiddleware:
    """Show a refusal where the person is looking."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: PageRequest, exc: Exception) -> HttpResponse | None:
        if is_outage(exc):
            exc = Unavailable("The database does not answer; nothing was changed, try again in a few seconds.")
        return show(request, exc) if isinstance(exc, Refusal) else None


def show(request: PageRequest, refusal: Refusal) -> HttpResponse:
    """A refusal as a notice for htmx, as a page for a browser without it."""
    if refusal.afterwards:
        refusal.afterwards()
    if isinstance(refusal, Unavailable):
        vars(request).pop("actor", None)  # To whoever is logged in the frame shows what the database says.
    context = {"refusal": refusal}
    if getattr(request, "htmx", None):
        response = render(request, "portal/_refusal.html", context, status=refusal.status)
        response = reswap(retarget(response, "#notices"), "innerHTML")
    else:
        response = render(request, "portal/refusal.html", context, status=refusal.status)
    if refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)
    return response
