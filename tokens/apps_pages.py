"""The pages about apps: what is registered, what each version may do, who hosts it, and what goes with it."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from portal import sessions
from portal.access import requires
from portal.form_reading import read
from portal.pages import PageRequest, onward
from portal.refusal import Invalid
from portal.scopes import Scope, described
from tokens import apps_listing, holder_pages, registration, tenant_grants
from tokens.apps_forms import InstallationForm, RegistrationForm, RemovalForm, TenantForm, VersionForm
from tokens.credential_forms import IssueForm
from tokens.models import App, AppVersion


@require_safe
@requires(Scope.APPS_READ)
def index(request: PageRequest) -> HttpResponse:
    return render(request, "tokens/apps.html", _all())


@require_POST
@requires(Scope.APPS_MANAGE)
def register(request: PageRequest) -> HttpResponse:
    form = RegistrationForm(request.POST)
    if form.is_valid():
        try:
            app = registration.register(**form.cleaned_data, by=request.actor)
            return onward(request, reverse("apps:detail", args=[app.name]))
        except (Invalid, registration.AppExists) as refused:
            holder_pages.blame(form, refused, "name")
    template = "tokens/_app_form.html" if request.htmx else "tokens/apps.html"
    answer = render(request, template, {**_all(), "form": form}, status=400)
    return holder_pages.again(answer, request, "new-app")


@require_safe
@requires(Scope.APPS_READ)
def detail(request: PageRequest, app: str) -> HttpResponse:
    """The app with its versions, and the devices that it is on; `q` and `after` say which of these."""
    return render(request, "tokens/app.html", _facts(request, registration.find(app)))


@require_POST
@requires(Scope.APPS_MANAGE)
def add_version(request: PageRequest, app: str) -> HttpResponse:
    found = registration.find(app)
    form = VersionForm(request.POST, actor=request.actor)
    if form.is_valid():
        wanted = dict(form.cleaned_data)
        number = wanted.pop("version")
        try:
            registration.add_version(found, number, by=request.actor, **wanted)
            return onward(request, reverse("apps:version", args=[app, number]))
        except (Invalid, registration.VersionExists) as refused:
            holder_pages.blame(form, refused, "version")
    return show(request, found, {"adding": form}, 400)


@require_POST
@requires(Scope.APPS_MANAGE)
def deregister(request: PageRequest, app: str) -> HttpResponse:
    """De-register the app with all that was issued for it; its name has been typed."""
    found = registration.find(app)
    form = RemovalForm(request.POST, name=found.name)
    if not form.is_valid():
        return show(request, found, {"removal": form}, 400)
    registration.deregister(found, by=request.actor, reason=form.cleaned_data["reason"])
    return onward(request, reverse("apps:list"))


@require_safe
@requires(Scope.APPS_READ)
def version(request: PageRequest, app: str, version: str) -> HttpResponse:
    return render(request, "tokens/app_version.html", _version_facts(request, _find(app, version)))


@require_POST
@requires(Scope.APPS_MANAGE)
def transfer(request: PageRequest, app: str, version: str) -> HttpResponse:
    found = _find(app, version)
    registration.transfer(found, read(TenantForm(request.POST))["tenant"], by=request.actor)
    return show_version(request, found, {"changed": True}, 200)


@require_POST
@requires(Scope.APPS_MANAGE)
def give_grant(request: PageRequest, app: str, version: str) -> HttpResponse:
    found = _find(app, version)
    tenant_grants.give(found, read(TenantForm(request.POST))["tenant"], by=request.actor)
    return show_version(request, found, {"changed": True}, 200)


@require_POST
@requires(Scope.APPS_MANAGE)
def withdraw_grant(request: PageRequest, app: str, version: str, tenant: str) -> HttpResponse:
    found = _find(app, version)
    tenant_grants.withdraw(found, tenant, by=request.actor)
    return show_version(request, found, {"changed": True}, 200)


@require_POST
@requires(Scope.APPS_MANAGE)
def deregister_version(request: PageRequest, app: str, version: str) -> HttpResponse:
    """De-register the version with all that was issued for it; its number has been typed."""
    found = _find(app, version)
    form = RemovalForm(request.POST, name=found.version)
    if not form.is_valid():
        return show_version(request, found, {"removal": form}, 400)
    registration.deregister_version(found, by=request.actor, reason=form.cleaned_data["reason"])
    return onward(request, reverse("apps:detail", args=[app]))


def show(request: PageRequest, app: App, more: dict[str, Any], status: int) -> HttpResponse:
    """The app as it is now, in the answer to the POST itself."""
    context = {**_facts(request, app), **more}
    template = "tokens/_app.html" if request.htmx else "tokens/app.html"
    return holder_pages.again(render(request, template, context, status=status), request, "app")


def show_version(request: PageRequest, found: AppVersion, more: dict[str, Any], status: int) -> HttpResponse:
    """The version as it is now. What must not be found at an address stands in the answer to the POST itself."""
    app, number = found.app.name, found.version
    if not request.htmx and more == {"changed": True}:
        return redirect("apps:version", app, number)
    context = {**_version_facts(request, _find(app, number)), **more}
    template = "tokens/_app_version.html" if request.htmx else "tokens/app_version.html"
    return holder_pages.again(render(request, template, context, status=status), request, "app-version")


def _find(app: str, number: str) -> AppVersion:
    return registration.find_version(registration.find(app), number)


def _all() -> dict[str, Any]:
    return {"apps": apps_listing.apps(), "form": RegistrationForm(), "most": apps_listing.MOST}


def _facts(request: PageRequest, app: App) -> dict[str, Any]:
    query = request.GET if request.method != "POST" else QueryDict()
    fresh = sessions.is_fresh(request)
    return {
        "app": app,
        "versions": apps_listing.versions(app),
        "installations": apps_listing.installations(app, query),
        "adding": VersionForm(None, actor=request.actor),
        "installing": InstallationForm(None, fresh=fresh, owner=request.actor.name),
        "removal": RemovalForm(None, name=app.name),
        "most": apps_listing.MOST,
        "url": settings.PUBLIC_URL,
    }


def _version_facts(request: PageRequest, found: AppVersion) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "version": found,
        "app": found.app,
        "counted": apps_listing.count(found),
        "declared": described(found.scopes),
        "grants": list(found.grants.order_by("tenant")),
        "tenants": apps_listing.other_tenants(found),
        "all_tenants": apps_listing.tenants(),
        "removal": RemovalForm(None, name=found.version),
        "most": apps_listing.MOST,
        "url": settings.PUBLIC_URL,
    }
    if request.actor.may(Scope.CREDENTIALS_READ):
        facts["credentials"] = apps_listing.credentials(found)
    if request.actor.may(Scope.CREDENTIALS_MANAGE):
        fresh = sessions.is_fresh(request)
        facts["issuing"] = IssueForm(None, version=found, actor=request.actor, fresh=fresh)
    return facts
