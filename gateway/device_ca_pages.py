"""The pages about device CAs: which open the device door, which signs here, and what each has signed."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, retarget

from devices import keys
from gateway import device_ca_listing, device_cas, device_certificates
from gateway.device_ca_listing import SHOWN
from gateway.forms import ForeignCAForm, NewCAForm, WithdrawalForm
from gateway.models import DeviceCA
from portal.access import requires
from portal.pages import PageRequest, onward
from portal.refusal import Invalid
from portal.scopes import Scope


@require_safe
@requires(Scope.GATEWAY_READ)
def index(request: PageRequest) -> HttpResponse:
    return render(request, "gateway/device_cas.html", _list())


@require_safe
@requires(Scope.GATEWAY_READ)
def detail(request: PageRequest, name: str) -> HttpResponse:
    return render(request, "gateway/device_ca.html", _facts(device_cas.find(name)))


@require_POST
@requires(Scope.GATEWAY_MANAGE)
def make(request: PageRequest) -> HttpResponse:
    """Make a CA whose key stays here."""
    form = NewCAForm(request.POST)

    def rule() -> DeviceCA:
        return device_cas.make(form.cleaned_data["name"], by=request.actor)

    return _added(request, form, "making", rule)


@require_POST
@requires(Scope.GATEWAY_MANAGE)
def add(request: PageRequest) -> HttpResponse:
    """Trust a CA of others."""
    form = ForeignCAForm(request.POST)

    def rule() -> DeviceCA:
        return device_cas.add(form.cleaned_data["name"], form.cleaned_data["certificate"], by=request.actor)

    return _added(request, form, "adding", rule)


@require_POST
@requires(Scope.GATEWAY_MANAGE)
def withdraw(request: PageRequest, name: str) -> HttpResponse:
    """Withdraw a CA whose name was typed to confirm it."""
    ca, form = device_cas.find(name), WithdrawalForm(request.POST)
    if not form.is_valid() or form.cleaned_data["typed"] != name:
        if not form.has_error("reason"):
            form.add_error("typed", f"Type {name} to confirm this.")
        return _unconfirmed(request, ca, form)
    device_cas.withdraw(ca, by=request.actor, reason=form.cleaned_data["reason"])
    return onward(request, "device_cas:list")


def _added(request: PageRequest, form: NewCAForm, kind: str, rule: Callable[[], DeviceCA]) -> HttpResponse:
    """The page of the new CA; or the form as it was filled in, with what is wrong beside the field."""
    status = 400
    if form.is_valid():
        try:
            ca = rule()
        except (Invalid, device_cas.Exists) as unfit:
            names = isinstance(unfit, device_cas.NameTaken) or "name" in (unfit.invalid or ())
            form.add_error("name" if names else "certificate", str(unfit))
            status = unfit.status
        else:
            return onward(request, reverse("device_cas:detail", args=[ca.name]))
    # A private key that was pasted by mistake is not shown again.
    pasted = "" if keys.is_private(request.POST.get("certificate", "")) else request.POST.get("certificate", "")
    context = {kind: form, "pasted": pasted}
    if not request.htmx:
        return render(request, "gateway/device_cas.html", {**_list(), **context}, status=status)
    answer = render(request, "gateway/_new_device_ca.html", context, status=status)
    return reswap(retarget(answer, "#new-device-ca"), "outerHTML")


def _unconfirmed(request: PageRequest, ca: DeviceCA, form: WithdrawalForm) -> HttpResponse:
    context = {**_facts(ca), "withdrawal": form}
    if not request.htmx:
        return render(request, "gateway/device_ca.html", context, status=400)
    answer = render(request, "gateway/_withdraw_device_ca.html", context, status=400)
    return reswap(retarget(answer, "#withdraw"), "outerHTML")


def _list() -> dict[str, Any]:
    return {"cas": device_ca_listing.listed(), "refused_by": device_ca_listing.refused_by()}


def _facts(ca: DeviceCA) -> dict[str, Any]:
    found = list(device_certificates.issued_by(ca)[:SHOWN])
    certificates = device_ca_listing.certificates(found)
    successor = device_cas.newest_signing(besides=ca)
    listed = device_ca_listing.one(ca)
    return {"listed": listed, "ca": ca, "successor": successor, "certificates": certificates, "most": SHOWN}
