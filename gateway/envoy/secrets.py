"""Secrets: the certificate and the key that a door shows."""

from typing import Any

from gateway.envoy.plan import Pair
from gateway.envoy.sources import typed


def secret(pair: Pair) -> dict[str, Any]:
    return typed(
        "envoy.extensions.transport_sockets.tls.v3.Secret",
        name=pair.name,
        tls_certificate={
            "certificate_chain": {"inline_string": pair.chain},
            "private_key": {"inline_string": pair.key},
        },
    )
