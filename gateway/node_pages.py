"""The pages about gateway nodes: which Envoys ask here, what each holds or refused, and how another one is added."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, retarget

from gateway import node_listing, remote_nodes
from gateway.certificate_forms import DeletionForm
from gateway.models import GatewayNode
from portal.access import requires
from portal.pages import PageRequest, onward
from portal.scopes import Scope


@require_safe
@requires(Scope.GATEWAY_READ)
def index(request: PageRequest) -> HttpResponse:
    """The page; its list alone to htmx, which asks again and again."""
    facts = {"nodes": node_listing.listed(), "portal": settings.PUBLIC_URL}
    return render(request, "gateway/_nodes.html" if request.htmx else "gateway/nodes.html", facts)


@require_safe
@requires(Scope.GATEWAY_READ)
def detail(request: PageRequest, name: str) -> HttpResponse:
    facts = _facts(remote_nodes.find(name))
    return render(request, "gateway/_node_facts.html" if request.htmx else "gateway/node.html", facts)


@require_POST
@requires(Scope.GATEWAY_MANAGE)
def delete(request: PageRequest, name: str) -> HttpResponse:
    """Delete a node whose name was typed to confirm it."""
    node, form = remote_nodes.find(name), DeletionForm(request.POST)
    if not form.is_valid() or form.cleaned_data["typed"] != name:
        if not form.has_error("reason"):
            form.add_error("typed", f"Type {name} to confirm this.")
        context = {**_facts(node), "deletion": form}
        if not request.htmx:
            return render(request, "gateway/node.html", context, status=400)
        answer = render(request, "gateway/_delete_node.html", context, status=400)
        return reswap(retarget(answer, "#delete"), "outerHTML")
    remote_nodes.delete(node, by=request.actor, reason=form.cleaned_data["reason"])
    return onward(request, "nodes:list")


def _facts(node: GatewayNode) -> dict[str, Any]:
    return {"listed": node_listing.one(node), "node": node}
