"""Secrets: the certificate and the key that a door shows, and the CAs that the device door trusts."""

from typing import Any

from gateway.envoy.plan import Pair, Trusted
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


def bundle(trusted: Trusted) -> dict[str, Any]:
    """A certificate is signed by one of these itself: none between them, and no root above is asked for."""
    return typed(
        "envoy.extensions.transport_sockets.tls.v3.Secret",
        name=trusted.name,
        validation_context={"trusted_ca": {"inline_string": trusted.certificates}, "max_verify_depth": 0},
    )
