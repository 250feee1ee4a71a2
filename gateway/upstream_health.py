"""Whether the service behind a route is well, as the Envoy on this machine sees it at this moment."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from django.db import models

from gateway import envoy_admin
from gateway.envoy.plan import ROUTE
from gateway.models import Route

PATIENCE = 1.0


class Health(models.TextChoices):
    HEALTHY = "healthy", "Healthy"
    FAILING = "failing", "Failing"
    UNRESOLVED = "unresolved", "Name unresolved"
    UNKNOWN = "unknown", "Not known"


def of(routes: Sequence[Route]) -> dict[int, Health]:
    """By the number of the route. Without a health path nobody asks the service, so nothing is known of it."""
    names = "|".join(str(route.pk) for route in routes)
    said = envoy_admin.ask(f"/clusters?format=json&filter={quote(f'^{ROUTE}({names})$')}", seconds=PATIENCE)
    clusters = {cluster["name"]: cluster for cluster in (said or {}).get("cluster_statuses", ())}
    return {route.pk: _health(clusters.get(f"{ROUTE}{route.pk}"), is_asked=bool(route.health_path)) for route in routes}


def _health(cluster: Any, *, is_asked: bool) -> Health:
    if cluster is None:
        return Health.UNKNOWN
    hosts = [host.get("health_status", {}) for host in cluster.get("host_statuses", ())]
    if not hosts:
        return Health.UNRESOLVED
    if not is_asked or any(host.get("pending_active_hc") for host in hosts):
        return Health.UNKNOWN
    return Health.FAILING if all(host.get("failed_active_health_check") for host in hosts) else Health.HEALTHY
