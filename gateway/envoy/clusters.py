"""Clusters: the portal behind its unix socket, and the service behind each gateway route."""

from typing import Any

from gateway.envoy.plan import PORTAL, Plan, Route
from gateway.envoy.sources import typed

BY_NAME = {"type": "STRICT_DNS", "dns_lookup_family": "ALL", "dns_refresh_rate": "5s", "respect_dns_ttl": True}
LIMITS = {"max_connections": 256, "max_pending_requests": 1024, "max_requests": 1024, "max_retries": 16}
HTTP_1 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config={"http_protocol_options": {}},
        common_http_protocol_options={"idle_timeout": "10s"},
    )
}


def clusters(plan: Plan) -> list[dict[str, Any]]:
    services = [service(route, plan.system_cas) for route in plan.routes]
    return services if plan.is_remote else [portal(plan), *services]


def portal(plan: Plan) -> dict[str, Any]:
    """Idle connections are given up by Envoy before the portal gives them up, so that no request meets a closed one."""
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
        typed_extension_protocol_options=HTTP_1,
    )


def service(route: Route, system_cas: str) -> dict[str, Any]:
    """A service, known by its address or by a name that this Envoy looks up again and again."""
    cluster = typed(
        "envoy.config.cluster.v3.Cluster",
        name=route.name,
        connect_timeout=f"{route.connect_timeout_s}s",
        load_assignment={
            "cluster_name": route.name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(route)}}]}],
        },
        circuit_breakers={"thresholds": [LIMITS]},
        typed_extension_protocol_options=HTTP_1,
        **({"type": "STATIC"} if route.is_address else BY_NAME),
    )
    if route.health_path:
        cluster["health_checks"] = [_health(route)]
        # One that is not well is asked no more, also where there is no other.
        cluster["common_lb_config"] = {"healthy_panic_threshold": {"value": 0}}
    if route.scheme == "https":
        cluster["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": _verified(route, system_cas),
        }
    return cluster


def _health(route: Route) -> dict[str, Any]:
    """Asked alike whether requests come or not. An answer that says no counts as much as none: three in a row."""
    return {
        "timeout": "2s",
        "interval": "10s",
        "no_traffic_interval": "10s",
        "unhealthy_threshold": 3,
        "healthy_threshold": 2,
        "http_health_check": {
            "host": route.authority,
            "path": route.health_path,
            "expected_statuses": [{"start": 200, "end": 300}],
            "retriable_statuses": [{"start": 100, "end": 600}],
        },
    }


def _address(route: Route) -> dict[str, Any]:
    return {"socket_address": {"address": route.host, "port_value": route.port}}


def _verified(route: Route, system_cas: str) -> dict[str, Any]:
    """TLS to a service whose certificate is issued to this very name or address, by a CA of the route or the system."""
    kind = "IP_ADDRESS" if route.is_address else "DNS"
    judged = {
        "trusted_ca": {"inline_string": route.target_ca} if route.target_ca else {"filename": system_cas},
        "match_typed_subject_alt_names": [{"san_type": kind, "matcher": {"exact": route.host}}],
    }
    return typed(
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        common_tls_context={
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
            "validation_context": judged,
        },
        # An address is no server name (RFC 6066, 3).
        **({} if route.is_address else {"sni": route.host}),
    )
