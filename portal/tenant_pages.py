"""The pages about tenants: which there are, who and what belongs to each, and their titles."""

from typing import Any

from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, retarget

from portal import tenants
from portal.access import requires
from portal.form_reading import read
from portal.models import Tenant
from portal.pages import PageRequest, fragment, onward
from portal.refusal import Invalid
from portal.scopes import Scope
from portal.tenant_forms import DeletionForm, NewTenantForm, TitleForm

MOST = 200


@require_safe
@requires(Scope.USERS_READ)
def index(request: PageRequest) -> HttpResponse:
    return render(request, "portal/tenants.html", {"form": NewTenantForm(), **_all()})


@require_POST
@requires(Scope.USERS_MANAGE)
def make(request: PageRequest) -> HttpResponse:
    """Add a tenant; or show the form as it was filled in, with what is wrong beside the field."""
    form, status = NewTenantForm(request.POST), 400
    if form.is_valid():
        try:
            tenant = tenants.make(**form.cleaned_data, by=request.actor)
        except (Invalid, tenants.Exists) as unfit:
            form.add_error(next(iter(unfit.invalid or ("name",))), str(unfit))
            status = unfit.status
        else:
            return onward(request, reverse("tenant", args=[tenant.name]))
    if not request.htmx:
        return render(request, "portal/tenants.html", {"form": form, **_all()}, status=status)
    answer = render(request, "portal/_tenant_form.html", {"form": form}, status=status)
    return reswap(retarget(answer, "#new-tenant"), "outerHTML")


@require_safe
@requires(Scope.USERS_READ)
def detail(request: PageRequest, name: str) -> HttpResponse:
    return render(request, "portal/tenant.html", _facts(tenants.find(name)))


@require_POST
@requires(Scope.USERS_MANAGE)
def rename(request: PageRequest, name: str) -> HttpResponse:
    tenant, wanted = tenants.find(name), read(TitleForm(request.POST))
    tenants.rename(tenant, by=request.actor, **wanted)
    context = {**_facts(tenant), "changed": True} if request.htmx else {}
    return fragment(request, "portal/_tenant.html", context, otherwise=f"/portal/tenants/{name}/")


@require_POST
@requires(Scope.USERS_MANAGE)
def delete(request: PageRequest, name: str) -> HttpResponse:
    tenants.delete(tenants.find(name), by=request.actor, **read(DeletionForm(request.POST)))
    return onward(request, "tenants")


def _all() -> dict[str, Any]:
    counted = Tenant.objects.annotate(people=Count("users")).order_by("pk")
    return {"tenants": list(counted[:MOST]), "most": MOST}


def _facts(tenant: Tenant) -> dict[str, Any]:
    return {"tenant": tenant, "belonging": tenants.belonging(tenant), "stays": tenant.name == tenants.FIRST}
