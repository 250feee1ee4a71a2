"""Where Envoy asks for what may change, and how often it asks."""

from typing import Any

from gateway.envoy.plan import XDS

# Seconds between two polls; Envoy waits one to two times as long.
LISTENERS, CLUSTERS, ROUTES, SECRETS, DEVICE_CAS = 2.0, 1.0, 1.0, 2.0, 0.5
EXTENSIONS = {"access_token": 2.0, "revocations": 0.5}


def source(delay: float) -> dict[str, Any]:
    """The control plane. Envoy waits for the first answer as long as it takes: no door opens half configured."""
    return {
        "resource_api_version": "V3",
        "initial_fetch_timeout": "0s",
        "api_config_source": {
            "api_type": "REST",
            "transport_api_version": "V3",
            "cluster_names": [XDS],
            "refresh_delay": f"{delay}s",
            "request_timeout": "2s",
        },
    }


def typed(message: str, /, **fields: Any) -> dict[str, Any]:
    """An Any as protobuf's JSON writes it."""
    return {"@type": f"type.googleapis.com/{message}", **fields}
