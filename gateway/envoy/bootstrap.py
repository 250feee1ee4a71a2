"""The file that Envoy starts with: who it is, and where its control plane and its admin socket are."""

from pathlib import Path
from typing import Any

from gateway.envoy import sources
from gateway.envoy.plan import XDS
from gateway.envoy.sources import typed

TOKEN = "node_token"  # noqa: S105  # The name of the secret.
CONNECTIONS = 16_384
JSON_LOG = {"time": "%Y-%m-%dT%T.%eZ", "level": "%l", "logger": "envoy.%n", "message": "%j", "request_id": ""}


def bootstrap(
    node: str, *, portal_socket: Path, admin_socket: Path, token_file: Path, json_logs: bool
) -> dict[str, Any]:
    """The bootstrap of the Envoy beside the portal."""
    config: dict[str, Any] = {
        "node": {"id": node, "cluster": "gatehouse"},
        "admin": {"address": {"pipe": {"path": str(admin_socket), "mode": 0o600}}},
        "dynamic_resources": {
            "lds_config": sources.source(sources.LISTENERS),
            "cds_config": sources.source(sources.CLUSTERS),
        },
        "static_resources": {"clusters": [_control_plane(portal_socket, token_file)]},
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
    if json_logs:
        config["application_log_config"] = {"log_format": {"json_format": JSON_LOG}}
    return config


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


def _control_plane(portal_socket: Path, token_file: Path) -> dict[str, Any]:
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
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": XDS, "endpoints": [{"lb_endpoints": [_pipe(portal_socket)]}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    }


def _pipe(path: Path) -> dict[str, Any]:
    return {"endpoint": {"address": {"pipe": {"path": str(path)}}}}
