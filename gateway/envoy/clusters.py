"""Clusters: the portal behind its unix socket."""

from typing import Any

from gateway.envoy.plan import PORTAL, Plan
from gateway.envoy.sources import typed


def clusters(plan: Plan) -> list[dict[str, Any]]:
    return [portal(plan)]


def portal(plan: Plan) -> dict[str, Any]:
    """Idle connections are given up by Envoy before the portal gives them up, so that no request meets a closed one."""
    options = typed(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config={"http_protocol_options": {}},
        common_http_protocol_options={"idle_timeout": "10s"},
    )
    limits = {"max_connections": 128, "max_pending_requests": 1024, "max_requests": 1024, "max_retries": 16}
    return typed(
        "envoy.config.cluster.v3.Cluster",
        name=PORTAL,
        type="STATIC",
        connect_timeout="1s",
        load_assignment={
            "cluster_name": PORTAL,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": str(plan.portal_socket)}}}}]}],
        },
        circuit_breakers={"thresholds": [limits]},
        typed_extension_protocol_options={"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    )
