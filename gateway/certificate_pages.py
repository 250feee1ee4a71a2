"""The page about the certificates of the doors: what each shows, how long it lasts, and the form for another one."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, retarget

from gateway import certificate_forms, certificate_installation, certificate_listing, remote_nodes
from gateway.certificate_forms import InstallationForm, RemovalForm
from gateway.nodes import LOCAL
from portal.access import requires
from portal.models import AuditEvent
from portal.pages import PageRequest, onward
from portal.refusal import Invalid
from portal.scopes import Scope

HISTORY = 20


@require_safe
@requires(Scope.GATEWAY_READ)
def index(request: PageRequest) -> HttpResponse:
    """The page; its list of doors alone to htmx, which asks again until a new certificate is live."""
    if request.htmx:
        return render(request, "gateway/_door_certificates.html", {"doors": certificate_listing.doors()})
    return render(request, "gateway/door_certificates.html", _facts(request))


@require_POST
@requires(Scope.GATEWAY_MANAGE)
def install(request: PageRequest) -> HttpResponse:
    """Install what was sent; or the form again with what is wrong beside its field, the key never in it."""
    form = InstallationForm(request.POST, request.FILES)
    if form.is_valid():
        node = remote_nodes.door(form.cleaned_data["node"] or LOCAL)
        try:
            certificate_installation.install(
                form.sent("certificate"),
                form.sent("key"),
                by=request.actor,
                node=node,
                any_name=form.cleaned_data["any_name"],
            )
        except Invalid as unfit:
            form.refuse(next(iter(unfit.invalid or ["certificate"])), str(unfit))
        else:
            return onward(request, "door_certificates:list")
    context = {"installation": form, "nodes": certificate_forms.doors()}
    if not request.htmx:
        return render(request, "gateway/door_certificates.html", {**_facts(request), **context}, status=400)
    answer = render(request, "gateway/_install_certificate.html", context, status=400)
    return reswap(retarget(answer, "#install"), "outerHTML")


@require_POST
@requires(Scope.GATEWAY_MANAGE)
def remove(request: PageRequest, number: int) -> HttpResponse:
    form = RemovalForm(request.POST)
    reason = form.cleaned_data["reason"] if form.is_valid() else request.POST.get("reason", "")
    certificate_installation.remove(certificate_installation.find(number), by=request.actor, reason=reason)
    return onward(request, "door_certificates:list")


def _facts(request: PageRequest) -> dict[str, Any]:
    facts: dict[str, Any] = {"doors": certificate_listing.doors(), "nodes": certificate_forms.doors()}
    if request.actor.may(Scope.AUDIT_READ):
        of_doors = ("certificate.made", "certificate.renewed", "certificate.installed", "certificate.removed")
        events = AuditEvent.objects.filter(subject_kind="certificate", verb__in=of_doors).order_by("-number")
        facts |= {"history": events[:HISTORY], "most": HISTORY}
    return facts
