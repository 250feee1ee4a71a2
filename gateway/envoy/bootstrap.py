"""The file that Envoy starts with: who it is, and where its control plane and its admin socket are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.envoy import sources
from gateway.envoy.plan import USUAL, XDS, Polls
from gateway.envoy.sources import typed

TOKEN = "node_token"  # noqa: S105  # The name of the secret.
CONNECTIONS = 16_384
JSON_LOG = {"time": "%Y-%m-%dT%T.%eZ", "level": "%l", "logger": "envoy.%n", "message": "%j", "request_id": ""}


def bootstrap(
    node: str, *, portal_socket: Path, admin_socket: Path, token_file: Path, json_logs: bool
) -> dict[str, Any]:
    """The bootstrap of the Envoy beside the portal."""
    config = _config(node, _control_plane([_pipe(portal_socket)], token_file, type="STATIC"), USUAL)
    config["admin"] = {"address": {"pipe": {"path": str(admin_socket), "mode": 0o600}}}
    statistics = config["stats_config"]
    statistics["stats_matcher"]["inclusion_list"]["patterns"].append({"safe_regex": {"regex": OF_ROUTES}})
    statistics["histogram_bucket_settings"] = [{"match": {"prefix": "cluster.route-"}, "buckets": MILLISECONDS}]
    if json_logs:
        config["application_log_config"] = {"log_format": {"json_format": JSON_LOG}}
    return config


@dataclass(frozen=True)
class Portal:
    """The portal as an Envoy elsewhere comes to it, and by what it knows it.

    That is a certificate for this host of one of the CAs in `ca_file`; or the key with this pin, which is Base64 of the
    SHA-256 of the public key: the certificate that Gatehouse makes for itself is signed by nobody else, and its
    renewals, which no file knows beforehand, keep the key.
    """

    host: str
    port: int
    is_address: bool
    ca_file: Path
    pin: str = ""


def remote(node: str, portal: Portal, *, token_file: Path, polls: Polls) -> dict[str, Any]:
    """The bootstrap of an Envoy on another host, which comes in at the portal's TLS door."""
    address = {"socket_address": {"address": portal.host, "port_value": portal.port}}
    # Of the addresses that a name has, the next one is tried where the first refuses.
    by_name = {"type": "LOGICAL_DNS", "dns_lookup_family": "ALL", "dns_refresh_rate": "5s", "respect_dns_ttl": True}
    place = {"type": "STATIC"} if portal.is_address else by_name
    cluster = _control_plane([{"endpoint": {"address": address}}], token_file, connect_timeout="5s", **place)
    cluster["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": _verified(portal)}
    return _config(node, cluster, polls)


def _verified(portal: Portal) -> dict[str, Any]:
    names = [{"san_type": "IP_ADDRESS" if portal.is_address else "DNS", "matcher": {"exact": portal.host}}]
    issued = {"trusted_ca": {"filename": str(portal.ca_file)}, "match_typed_subject_alt_names": names}
    return typed(
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        common_tls_context={
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
            "validation_context": {"verify_certificate_spki": [portal.pin]} if portal.pin else issued,
        },
        # An address is no server name (RFC 6066, 3).
        **({} if portal.is_address else {"sni": portal.host}),
    )


def _config(node: str, control_plane: dict[str, Any], polls: Polls) -> dict[str, Any]:
    return {
        "node": {"id": node, "cluster": "gatehouse"},
        "dynamic_resources": {
            "lds_config": sources.source("listeners", polls),
            "cds_config": sources.source("clusters", polls),
        },
        "static_resources": {"clusters": [control_plane]},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": RUNTIME}]},
        "overload_manager": OVERLOAD,
        # Every counter costs memory; these few say whether the doors are well.
        "stats_config": {
            "stats_matcher": {
                "inclusion_list": {
                    "patterns": [
                        {"prefix": "http.door"},
                        {"prefix": "listener_manager"},
                        {"prefix": "cluster_manager"},
                        {"prefix": "server."},
                    ]
                }
            }
        },
    }


# Of each route what its traffic is told by; without requests nothing of it is kept.
OF_ROUTES = r"cluster\.route-[0-9]+\.upstream_rq_(completed|4xx|5xx|time)"
MILLISECONDS = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 600_000,
]  # fmt: skip
RUNTIME: dict[str, Any] = {
    # The default program size refuses a counted expression such as `{1,128}`.
    "re2.max_program_size.error_level": 2000,
    # Copies of a header are judged as one text, joined by commas; one by one, two good ones would pass for one.
    "envoy.reloadable_features.match_headers_individually": False,
}
OVERLOAD: dict[str, Any] = {
    "resource_monitors": [
        {
            "name": "envoy.resource_monitors.global_downstream_max_connections",
            "typed_config": typed(
                "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                max_active_downstream_connections=CONNECTIONS,
            ),
        }
    ]
}


def node_token(text: str) -> dict[str, Any]:
    """The contents of the token file, which Envoy reads again when another file is renamed onto it."""
    secret = typed(
        "envoy.extensions.transport_sockets.tls.v3.Secret",
        name=TOKEN,
        generic_secret={"secret": {"inline_string": f"Bearer {text}"}},
    )
    return {"resources": [secret]}


def _control_plane(endpoints: list[dict[str, Any]], token_file: Path, **place: Any) -> dict[str, Any]:
    injector = typed(
        "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
        overwrite=True,
        credential={
            "name": "envoy.http.injected_credentials.generic",
            "typed_config": typed(
                "envoy.extensions.http.injected_credentials.generic.v3.Generic",
                credential={
                    "name": TOKEN,
                    "sds_config": {
                        "path_config_source": {
                            "path": str(token_file),
                            "watched_directory": {"path": str(token_file.parent)},
                        }
                    },
                },
            ),
        },
    )
    options = typed(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config={"http_protocol_options": {}},
        common_http_protocol_options={"idle_timeout": "10s"},
        http_filters=[
            {"name": "envoy.filters.http.credential_injector", "typed_config": injector},
            {
                "name": "envoy.filters.http.upstream_codec",
                "typed_config": typed("envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"),
            },
        ],
    )
    return {
        "name": XDS,
        "connect_timeout": "1s",
        **place,
        "load_assignment": {"cluster_name": XDS, "endpoints": [{"lb_endpoints": endpoints}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    }


def _pipe(path: Path) -> dict[str, Any]:
    return {"endpoint": {"address": {"pipe": {"path": str(path)}}}}
