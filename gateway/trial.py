"""Which Envoy is run, and what it says to a configuration when it is only asked."""

import socket
from datetime import timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from time import time

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.utils import timezone

from gateway import certificates, discovery, run_folder
from gateway.envoy import listeners, validate
from gateway.envoy.plan import Pair

FRESH = timedelta(seconds=30).total_seconds()


def binary() -> Path:
    """The configured Envoy, else the program inside the installed package, without its Python wrapper."""
    if settings.ENVOY:
        return Path(settings.ENVOY)
    package = find_spec("envoy")
    folder = Path(package.origin).parent if package and package.origin else Path()
    return folder / "_bin" / "envoy"


def reason(kind: str) -> str | None:
    """Why the local Envoy refused what it was offered last: its own words, else those of the same Envoy asked again."""
    objection = run_folder.OBJECTION
    try:
        if time() - objection.stat().st_mtime < FRESH and discovery.TYPES[kind].rpartition(".")[0] in (
            text := objection.read_text(errors="replace")
        ):
            return validate.plainly(text)
    except OSError:
        pass  # It said nothing yet.
    return reason_against_all() if kind in ("listeners", "clusters", "routes") else None


def reason_against_all() -> str | None:
    """Why Envoy would refuse what is offered to nodes now; None if it takes it."""
    return validate.reason_against(
        binary(),
        throw_away(),
        listeners=discovery.offer("listeners", ()).resources,
        clusters=discovery.offer("clusters", ()).resources,
        tables=discovery.offer("routes", ()).resources,
        extension_configs=discovery.offer("extension_configs", ()).resources,
    )


@cache
def throw_away() -> Pair:
    """A certificate that stands in for the real one, whose key need not leave the database for a trial."""
    key = ec.generate_private_key(ec.SECP256R1())
    chain = certificates.make(key, socket.gethostname(), ("localhost",), timezone.now())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Pair(listeners.DOOR, chain.public_bytes(Encoding.PEM).decode(), pem.decode())
