"""What one Envoy has to do, as plain facts; every resource is derived from this and from nothing else."""

from dataclasses import dataclass
from pathlib import Path

MIB, KIB = 1024 * 1024, 1024

# The portal judges its own, smaller limits; an upload of exactly 1 MiB must reach it with what is around it.
PORTAL_BODY = MIB + 64 * KIB
PORTAL_TIMEOUT = 60
# Files that grow with the fleet take as long as they are, up to a quarter of an hour; silence ends them sooner.
PORTAL_FILES = ("/portal/audit/audit.csv", "/portal/audit/audit.jsonl", "/portal/devices/list/devices.csv")
PORTAL_FILE_TIMEOUT, PORTAL_SILENCE = 900, 60
PORTAL = "portal"
XDS = "xds"


@dataclass(frozen=True)
class Doors:
    """Where the doors are. `loopbacks` are the addresses of the clear-text door, `bind` that of the two TLS doors."""

    loopbacks: tuple[str, ...]
    http_port: int
    bind: str
    tls_port: int
    device_port: int


@dataclass(frozen=True)
class Plan:
    """The doors, the portal's unix socket, and the first path segments that are its own, and those for devices.

    `device_headers` are those in which devices say something of themselves.
    """

    doors: Doors
    portal_socket: Path
    portal_segments: tuple[str, ...]
    device_segments: tuple[str, ...]
    device_headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Keys:
    """What an access token is judged by: the public keys as a JSON text, who issued it, for whom."""

    jwks: str
    issuer: str
    audiences: tuple[str, ...] = ("gateway", "edgex")


@dataclass(frozen=True)
class Revoked:
    """What is honoured no more: ids of tokens, of what bought them, and of those they speak for."""

    tokens: frozenset[str] = frozenset()
    grants: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Pair:
    """A certificate chain and its private key, both PEM."""

    name: str
    chain: str
    key: str


@dataclass(frozen=True)
class Trusted:
    """Certificates of CAs, PEM one after the other: whoever they signed may come in by the door that trusts them."""

    name: str
    certificates: str
