"""What the gateway has to say on the overview: how many routes are open, which nodes need somebody, what ends first."""

from typing import Any

from django.utils import timezone

from gateway import nodes
from gateway.certificate_checks import SOON
from gateway.models import GatewayNode, Role, Route, TlsCertificate
from portal.actor import Actor
from portal.overview import panel
from portal.scopes import Scope


@panel("gateway/_overview.html", Scope.GATEWAY_READ)
def gateway(actor: Actor) -> dict[str, Any]:
    """Counts of routes, the nodes that are silent or refuse something, and the first end of a certificate shown."""
    every = list(GatewayNode.objects.order_by("name"))
    away = [node.name for node in every if node.last_seen and nodes.is_away(node)]
    refusing = [node.name for node in every if nodes.standing_refusals(node)]
    enabled = Route.objects.filter(is_enabled=True).count()
    shown = TlsCertificate.objects.shown_by_node(Role.DOOR)
    ends_at = min((door.not_after for door in shown.values()), default=None)
    disabled = Route.objects.filter(is_enabled=False).count()
    return {
        "enabled": enabled,
        "disabled": disabled,
        "nodes": len(every),
        "away": away,
        "refusing": refusing,
        "ends_at": ends_at,
        "ends_soon": ends_at is not None and ends_at - timezone.now() < SOON,
        "mark": "-".join(map(str, [enabled, disabled, *away, "", *refusing, f"{ends_at:%y%m%d}" if ends_at else ""])),
    }
