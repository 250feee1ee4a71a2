"""The pages about apps on devices: installed with a token that is shown once, moved to another version, ended."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from portal import sessions
from portal.access import requires
from portal.form_reading import read
from portal.pages import PageRequest, onward
from portal.refusal import Invalid, NotFound
from portal.scopes import Scope
from tokens import (
    apps_listing,
    apps_pages,
    device_files,
    holder_pages,
    installing,
    overlap,
    owners,
    registration,
    switching,
)
from tokens.apps_forms import InstallationForm, VersionChangeForm
from tokens.credential_forms import OverlapForm, ReasonForm, SeenForm
from tokens.models import Holder, InstalledApp
from tokens.overlap import Rotated


@require_POST
@requires(Scope.APPS_MANAGE)
def install(request: PageRequest, app: str) -> HttpResponse:
    """Install a version on a device; its app token stands in this answer and nowhere else."""
    found = registration.find(app)
    form = InstallationForm(request.POST, fresh=sessions.is_fresh(request), owner=request.actor.name)
    if not form.is_valid():
        return apps_pages.show(request, found, {"installing": form}, 400)
    wanted = form.cleaned_data
    sessions.confirm(request, wanted["password"])
    try:
        owner = owners.named(wanted["owner"]) if wanted["owner"] else None
        version = registration.find_version(found, wanted["version"])
        made = installing.install(version, wanted["device"], by=request.actor, owner=owner, days=wanted["days"])
    except (Invalid, NotFound, installing.AlreadyInstalled, installing.DeviceNotAccepted) as refused:
        unknown = isinstance(refused, registration.UnknownVersion)
        holder_pages.blame(form, refused, "version" if unknown else "device")
        return apps_pages.show(request, found, {"installing": form}, refused.status)
    return apps_pages.show(request, found, _shown_once(made), 200)


@require_safe
@requires(Scope.APPS_READ)
def detail(request: PageRequest, app: str, installation_id: str) -> HttpResponse:
    return render(request, "tokens/installation.html", _facts(request, _find(app, installation_id)))


@require_safe
@requires(Scope.APPS_READ)
def rotation(request: PageRequest, app: str, installation_id: str) -> HttpResponse:
    """The part of the page that goes on by itself."""
    installed = _find(app, installation_id)
    if not request.htmx:
        return redirect("apps:installation", app, installation_id)
    return holder_pages.rotation(request, installed)


@require_POST
@requires(Scope.APPS_MANAGE)
def rotate(request: PageRequest, app: str, installation_id: str) -> HttpResponse:
    return holder_pages.rotate(request, _find(app, installation_id), show, _shown_once)


@require_POST
@requires(Scope.APPS_MANAGE)
def change_version(request: PageRequest, app: str, installation_id: str) -> HttpResponse:
    installed = _find(app, installation_id)
    wanted = read(VersionChangeForm(request.POST))
    version = registration.find_version(installed.app, wanted["version"])
    installing.change_version(installed, version, by=request.actor, seen=wanted["seen"])
    return show(request, installed, {"changed": True}, 200)


@require_POST
@requires(Scope.APPS_MANAGE)
def delete(request: PageRequest, app: str, installation_id: str) -> HttpResponse:
    """Uninstall it."""
    switching.delete(_find(app, installation_id), by=request.actor, **read(SeenForm(request.POST)))
    return onward(request, reverse("apps:detail", args=[app]))


def show(request: PageRequest, holder: Holder, more: dict[str, Any], status: int) -> HttpResponse:
    """The installation as it is now. What must not be found at an address stands in the answer to the POST itself."""
    app = holder.app_version.app
    if not request.htmx and more == {"changed": True}:
        return redirect("apps:installation", app.name, holder.pk)
    context = {**_facts(request, installing.find(app, holder.pk)), **more}
    template = "tokens/_installation.html" if request.htmx else "tokens/installation.html"
    return holder_pages.again(render(request, template, context, status=status), request, "installation")


def _facts(request: PageRequest, installed: InstalledApp) -> dict[str, Any]:
    return {
        **holder_pages.facts(request, installed),
        "installed": installed,
        "standing": apps_listing.standing(installed),
        "versions": [each.of for each in apps_listing.versions(installed.app)],
    }


def _shown_once(made: Rotated) -> dict[str, Any]:
    """The token, and the files that an app reads on its device."""
    files = {"apptoken": installing.token_file(made.text), "certsips": device_files.certsips()}
    return {"secret": made.text, "issued": made, "files": files}


def _find(app: str, installation_id: str) -> InstalledApp:
    return installing.find(registration.find(app), installation_id)


def _verb(rule: Any, form: Any) -> Any:
    return holder_pages.verb(rule, form, Scope.APPS_MANAGE, _find, show)


end_overlap = _verb(overlap.end_overlap, OverlapForm)
cancel_rotation = _verb(overlap.cancel_rotation, OverlapForm)
disable = _verb(switching.disable, ReasonForm)
enable = _verb(switching.enable, ReasonForm)
revoke = _verb(switching.revoke, ReasonForm)
