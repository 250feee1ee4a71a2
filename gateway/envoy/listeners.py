"""Listeners: the clear-text door on loopback and the two TLS doors, with the filters that every request passes."""

from dataclasses import dataclass, replace
from typing import Any

from gateway.envoy import cors, rates, routes, sources
from gateway.envoy.extension_configs import JWT, RBAC
from gateway.envoy.plan import KIB, MIB, PORTAL_BODY, USUAL, Plan, Polls
from gateway.envoy.replies import HEADERS, local_reply_config
from gateway.envoy.sources import typed

DOOR = "door"
DEVICE_CAS = "device_cas"
CONNECTIONS = 4096
DEVICE_CONNECTIONS = 10_240
# What a client says about itself or about the way it came; Envoy says it anew or nobody does.
CLAIMED_PREFIXES = ("x-gatehouse-", "x-forwarded-", "x-envoy-")
CLAIMED = ("forwarded", "via", "x-real-ip", "proxy")
CALLER = "x-gatehouse-caller-request-id"


def listeners(plan: Plan) -> list[dict[str, Any]]:
    doors, polls = plan.doors, plan.polls
    people = Door("door_tls", "AUTO", polls=polls, speaks_dialects=not plan.is_remote)
    tls = _listener("tls", _address(doors.bind, doors.tls_port), {**_chain(people), **_tls(polls)})
    if plan.is_remote:
        return [tls]
    first, *others = [_address(loopback, doors.http_port) for loopback in doors.loopbacks]
    http = _listener("http", first, _chain(Door("door_http", "HTTP1", polls=polls)))
    if others:
        http["additional_addresses"] = [{"address": address} for address in others]
    chain = {**_chain(replace(DEVICES, polls=polls)), **_tls_of_devices(polls)}
    devices = _listener("devices", _address(doors.bind, doors.device_port), chain)
    return [http, tls, devices]


def _listener(name: str, address: dict[str, Any], chain: dict[str, Any]) -> dict[str, Any]:
    return typed(
        "envoy.config.listener.v3.Listener",
        name=name,
        address=address,
        per_connection_buffer_limit_bytes=256 * KIB,
        filter_chains=[chain],
    )


def _address(address: str, port: int) -> dict[str, Any]:
    socket: dict[str, Any] = {"address": address, "port_value": port}
    if address == "::":
        socket["ipv4_compat"] = True
    return {"socket_address": socket}


@dataclass(frozen=True)
class Door:
    """What differs between doors besides their transport: the routes behind it, who comes in, and how a no is told."""

    name: str
    codec: str
    table: str = routes.NAME
    connections: int = CONNECTIONS
    idle_seconds: int = 60
    is_for_devices: bool = False
    speaks_dialects: bool = True
    polls: Polls = USUAL


# A device that waits is told to come again within 90 s: its connection is still there, and costs no new handshake.
DEVICES = Door("door_devices", "AUTO", routes.DEVICES, DEVICE_CONNECTIONS, idle_seconds=120, is_for_devices=True)


def _chain(door: Door) -> dict[str, Any]:
    """At most so many connections, so that idle ones never use up the machine; each ends when it was idle for long."""
    limit = typed(
        "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit",
        stat_prefix=door.name,
        max_connections=door.connections,
    )
    return {
        "filters": [
            {"name": "connection_limit", "typed_config": limit},
            {"name": "http", "typed_config": _connection_manager(door)},
        ],
        "transport_socket_connect_timeout": "10s",
    }


def _tls(polls: Polls) -> dict[str, Any]:
    return _transport(_presenting("TLSv1_3", polls))


def _tls_of_devices(polls: Polls) -> dict[str, Any]:
    """A client certificate is asked for, not demanded: what is missing without one, the portal says in words."""
    trust = {"name": DEVICE_CAS, "sds_config": sources.source("device_cas", polls)}
    return _transport(
        {**_presenting("TLSv1_2", polls), "validation_context_sds_secret_config": trust},
        require_client_certificate=False,
        # A ticket carries the client's certificate; one that is large broke the connection after the handshake.
        disable_stateless_session_resumption=True,
    )


def _presenting(oldest: str, polls: Polls) -> dict[str, Any]:
    """The door's own certificate, over TLS of this version or a later one."""
    return {
        "tls_params": {"tls_minimum_protocol_version": oldest, "tls_maximum_protocol_version": "TLSv1_3"},
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificate_sds_secret_configs": [{"name": DOOR, "sds_config": sources.source("secrets", polls)}],
    }


def _transport(common: dict[str, Any], **demands: Any) -> dict[str, Any]:
    context = typed(
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", common_tls_context=common, **demands
    )
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}


def _connection_manager(door: Door) -> dict[str, Any]:
    # On the other doors Envoy drops what a client says of a certificate of its own.
    forwarded = {
        "forward_client_cert_details": "SANITIZE_SET", "set_current_client_cert_details": {"cert": True}
    }  # fmt: skip
    return typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=door.name,
        codec_type=door.codec,
        server_name="gatehouse",
        **(forwarded if door.is_for_devices else {}),
        rds={"route_config_name": door.table, "config_source": sources.source("routes", door.polls)},
        http_filters=_filters(door.polls),
        use_remote_address=True,
        early_header_mutation_extensions=[_early_mutation()],
        # Nothing is rewritten before the verdict but double slashes: the path judged is the path forwarded.
        normalize_path=False,
        merge_slashes=True,
        path_with_escaped_slashes_action="REJECT_REQUEST",
        common_http_protocol_options={
            "idle_timeout": f"{door.idle_seconds}s",
            "max_headers_count": HEADERS,
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        max_request_headers_kb=60,
        request_headers_timeout="10s",
        request_timeout="60s",
        stream_idle_timeout="90s",
        drain_timeout="1s",
        http_protocol_options={"allow_custom_methods": True},
        http2_protocol_options={
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 64 * KIB,
            "initial_connection_window_size": MIB,
            "connection_keepalive": {"interval": "30s", "timeout": "10s"},
            "override_stream_error_on_invalid_http_message": True,
        },
        local_reply_config=local_reply_config(for_devices=door.is_for_devices, in_dialects=door.speaks_dialects),
    )


def _filters(polls: Polls) -> list[dict[str, Any]]:
    """The token is judged before a byte of the body is awaited; then the body is read whole, so that slow clients
    hold no worker of the portal and chunks become a Content-Length.

    What judges a request at a gateway route is no part of another one: the route turns each on by a config of its own.
    """
    buffer = typed("envoy.extensions.filters.http.buffer.v3.Buffer", max_request_bytes=PORTAL_BODY)
    scope = typed(RBAC)
    router = typed("envoy.extensions.filters.http.router.v3.Router", suppress_envoy_headers=True)
    return [
        # What an answer carries for a browser, it carries as a refusal of the others too.
        {"name": cors.FILTER, "disabled": True, "typed_config": typed(f"{cors.MUTATION}.HeaderMutation")},
        _discovered("access_token", JWT, polls),
        _discovered("revocations", RBAC, polls),
        # Each route says which scope it asks for.
        {"name": "scope", "disabled": True, "typed_config": scope},
        {"name": rates.FILTER, "disabled": True, "typed_config": rates.unlimited()},
        {"name": "buffer", "typed_config": buffer},
        {"name": "envoy.filters.http.router", "typed_config": router},
    ]


def _discovered(name: str, kind: str, polls: Polls) -> dict[str, Any]:
    discovery = {
        "config_source": sources.source(name, polls),
        "type_urls": [f"type.googleapis.com/{kind}"],
    }
    return {"name": name, "disabled": True, "config_discovery": discovery}


def _early_mutation() -> dict[str, Any]:
    """Before anything else reads a header: drop what is claimed, and lay the caller's request id aside."""
    caller = {
        "header": {"key": CALLER, "value": "%REQ(X-REQUEST-ID)%"},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
    mutations: list[dict[str, Any]] = [
        *({"remove_on_match": {"key_matcher": {"prefix": prefix}}} for prefix in CLAIMED_PREFIXES),
        *({"remove": name} for name in CLAIMED),
        {"append": caller},
        {"remove": "x-request-id"},
    ]
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": typed(
            "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation", mutations=mutations
        ),
    }
