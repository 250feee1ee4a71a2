"""Which Envoy is run, and what it says to a configuration when it is only asked."""

import socket
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.utils import timezone

from gateway import certificates, discovery, run_folder
from gateway.envoy import clusters, extension_configs, listeners, validate
from gateway.envoy import routes as tables
from gateway.envoy.plan import Pair, Revoked, Route, Trusted
from gateway.models import GatewayNode


def binary() -> Path:
    """The configured Envoy, else the program inside the installed package, without its Python wrapper."""
    if settings.ENVOY:
        return Path(settings.ENVOY)
    package = find_spec("envoy")
    folder = Path(package.origin).parent if package and package.origin else Path()
    return folder / "_bin" / "envoy"


def objection(kind: str, since: datetime) -> str | None:
    """What the local Envoy said against what it was offered of a type; None if it said nothing since then."""
    path = run_folder.objection(kind)
    try:
        said_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return validate.plainly(path.read_text(errors="replace")) if said_at >= since else None
    except OSError:
        return None  # It never said anything.


def reason(kind: str, node: GatewayNode) -> str | None:
    """Why Envoy would refuse what a node is offered of a type now, by asking another one; None where it would not."""
    return reason_against_all(node=node) if kind in ("listeners", "clusters", "routes") else None


def reason_against_all(node: GatewayNode | None = None) -> str | None:
    """Why Envoy would refuse what is offered to a node now; None if it takes it."""
    return validate.reason_against(
        binary(),
        throw_away(),
        discovery.trusted(),
        listeners=discovery.offer("listeners", (), node).resources,
        clusters=discovery.offer("clusters", (), node).resources,
        tables=discovery.offer("routes", (), node).resources,
        extension_configs=discovery.offer("extension_configs", ()).resources,
    )


def reason_against_routes(routes: Sequence[Route]) -> str | None:
    """Why Envoy would not take these routes in place of those that it is offered now; None if it would.

    Who is trusted and what was revoked are resources of their own, which no route can spoil.
    """
    return _reason_against(routes, throw_away().chain)


def reason_against_bundle(certificates: Sequence[str]) -> str | None:
    """Why Envoy would not trust these CAs, each a PEM certificate; None if it would. No route is asked about them."""
    return _reason_against((), "\n".join(certificates))


def _reason_against(routes: Sequence[Route], trusted: str) -> str | None:
    plan = replace(discovery.plan(), routes=tuple(routes))
    return validate.reason_against(
        binary(),
        throw_away(),
        Trusted(listeners.DEVICE_CAS, trusted),
        listeners=listeners.listeners(plan),
        clusters=clusters.clusters(plan),
        tables=tables.routes(plan),
        extension_configs=[
            extension_configs.access_token(discovery.keys()),
            extension_configs.revocations(Revoked()),
        ],
    )


@cache
def throw_away() -> Pair:
    """A certificate that stands in for the real one, whose key need not leave the database for a trial."""
    key = ec.generate_private_key(ec.SECP256R1())
    chain = certificates.make(key, socket.gethostname(), ("localhost",), timezone.now())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Pair(listeners.DOOR, chain.public_bytes(Encoding.PEM).decode(), pem.decode())
