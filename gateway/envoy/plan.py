"""What one Envoy has to do, as plain facts; every resource is derived from this and from nothing else."""

from dataclasses import dataclass, field
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
ROUTE = "route-"


@dataclass(frozen=True)
class Polls:
    """Seconds between two questions of a node about each; Envoy waits one to two times as long.

    `timeout` is how many seconds an answer may take.
    """

    listeners: float = 2.0
    clusters: float = 1.0
    routes: float = 1.0
    # A certificate is to be live within 4 s.
    secrets: float = 1.9
    device_cas: float = 0.5
    access_token: float = 2.0
    revocations: float = 0.5
    timeout: float = 2.0


USUAL = Polls()


@dataclass(frozen=True)
class Doors:
    """Where the doors are. `loopbacks` are the addresses of the clear-text door, `bind` that of the two TLS doors."""

    loopbacks: tuple[str, ...]
    http_port: int
    bind: str
    tls_port: int
    device_port: int


@dataclass(frozen=True)
class Route:
    """A gateway route: what it opens to whom, and the service behind it. `base` is empty or begins with a slash.

    `health_path` is empty where nobody asks the service how it is; `target_ca` holds the certificates that an https
    service is judged by, as PEM, empty where those of the system are good enough.
    """

    id: str
    prefix: str
    scope: str
    methods: tuple[str, ...]
    scheme: str
    host: str
    port: int
    base: str
    is_address: bool
    authority: str
    timeout_s: int
    connect_timeout_s: int
    retries: int
    body_limit: int
    keeps_host: bool = False
    forwards_token: bool = False
    rate_per_minute: int = 0
    burst: int = 20
    health_path: str = ""
    websocket: bool = False
    websocket_max_s: int = 900
    cors_origins: tuple[str, ...] = ()
    cors_credentials: bool = False
    target_ca: str = ""

    @property
    def name(self) -> str:
        """By which Envoy's cluster, its routes and its answers are known."""
        return f"{ROUTE}{self.id}"


@dataclass(frozen=True)
class Plan:
    """The doors, the portal's unix socket, and the first path segments that are its own, and those for devices.

    `device_headers` are those in which devices say something of themselves. `system_cas` is the file of the CAs by
    which services are judged that speak TLS. A node that `is_remote` has a TLS door and the gateway's routes, and
    nothing of the portal.
    """

    doors: Doors
    portal_socket: Path
    portal_segments: tuple[str, ...]
    device_segments: tuple[str, ...]
    device_headers: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    system_cas: str = ""
    polls: Polls = USUAL
    is_remote: bool = False


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
    key: str = field(repr=False)


@dataclass(frozen=True)
class Trusted:
    """Certificates of CAs, PEM one after the other: whoever they signed may come in by the door that trusts them."""

    name: str
    certificates: str
