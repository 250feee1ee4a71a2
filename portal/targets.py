"""Where what is sent from here may go: which names and addresses are open, and which never are.

One reader of URLs stands behind this, a strict one, and what it read is what is connected to: a name is looked up once,
each address that it has is judged, and the connection goes to one of these.
"""

import ipaddress
import re
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from portal.refusal import Refusal

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PRIVATE, LOOPBACK, PUBLIC = WORDS = ("private", "loopback", "public")
LONGEST = 500


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


OPENED_BY = {
    PRIVATE: _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
    LOOPBACK: _networks("127.0.0.0/8", "::1/128"),
}
# This host, link-local and so the metadata services of clouds, many hosts at once.
NEVER = _networks(
    "0.0.0.0/8", "169.254.0.0/16", "100.100.100.200/32", "224.0.0.0/4", "255.255.255.255/32",
    "::/128", "fe80::/10", "fd00:ec2::254/128", "ff00::/8",
)  # fmt: skip
NEVER_NAMES = frozenset({"metadata.google.internal"})
# IPv4 in other clothes: the first two are judged as IPv4, the others reach nobody whom we could judge.
IPV4_INSIDE = _networks("::ffff:0:0/96", "64:ff9b::/96")
TUNNELS = _networks("::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")

PORTS = {"http": 80, "https": 443}
PRIVATE_ENDINGS = (".local", ".lan", ".internal", ".home.arpa")
_URL = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?([/?][!-~]*)?", re.ASCII | re.IGNORECASE)
_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_PLAIN = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", re.ASCII)
# What some reader would take for an address: its last part is a number (WHATWG URL, 4.6).
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)


class TargetNotAllowed(Refusal):
    """Nothing is sent there; `invalid` names the field that says where."""

    status, code = 400, "target_not_allowed"

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.invalid = {name: [sentence]}


class NotFoundByName(Refusal):
    """A name has no address, at least not now."""

    status, code = 409, "target_not_found"


@dataclass(frozen=True)
class Target:
    """A URL that was read: `host` in lower case, without brackets, `address` if it is one; `rest` begins with `/`."""

    scheme: str
    host: str
    port: int
    rest: str
    address: Address | None

    @property
    def authority(self) -> str:
        """The host as the Host header names it, with a port that is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if PORTS[self.scheme] == self.port else f"{host}:{self.port}"


@dataclass(frozen=True)
class Allowed:
    """What an operator has opened, and the name of the field that is judged by it."""

    words: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    names: frozenset[str] = frozenset()
    endings: tuple[str, ...] = ()
    what: str = "a route target"
    field: str = field(default="target")

    @classmethod
    def read(cls, words: Iterable[str], **facts: str) -> "Allowed":
        """Words of GATEHOUSE_ROUTE_TARGETS; one that is none stops the start."""
        allowed = cls(**facts)  # type: ignore[arg-type]
        for word in words:
            allowed = allowed._with(word.lower())
        return allowed

    def _with(self, word: str) -> "Allowed":
        if word in WORDS:
            return replace(self, words=self.words | {word})
        try:
            return replace(self, networks=(*self.networks, ipaddress.ip_network(word)))
        except ValueError:
            ending = word.removeprefix("*.")
            if not _NAME.fullmatch(ending) or _NUMERIC.fullmatch(ending):
                raise ImproperlyConfigured(
                    f"GATEHOUSE_ROUTE_TARGETS holds {word!r}; write private, loopback, public, a network such as "
                    "10.0.0.0/8, a host name or *.suffix."
                ) from None
        if ending != word:
            return replace(self, endings=(*self.endings, f".{ending}"))
        return replace(self, names=self.names | {word})

    def names_it(self, host: str) -> bool:
        """Whether the operator wrote this name down; then it may be at any address that is not loopback."""
        return host in self.names or host.endswith(self.endings)

    def opens(self, address: Address) -> bool:
        if any(_within(address, [network]) for network in self.networks):
            return True
        for word, networks in OPENED_BY.items():
            if _within(address, networks):
                return word in self.words
        return PUBLIC in self.words and _is_public(address)

    def refuse(self, sentence: str) -> TargetNotAllowed:
        return TargetNotAllowed(self.field, sentence)


def read(url: str, allowed: Allowed) -> Target:
    """Read an http or https URL without user, fragment or odd spelling; anything else is refused."""
    parts = _URL.fullmatch(url) if len(url) <= LONGEST else None
    if parts is None or "#" in url or "\\" in url:
        raise allowed.refuse(
            f"Write a URL such as https://hooks.example/gatehouse, of at most {LONGEST} characters, without user, "
            "fragment or blanks."
        )
    scheme, host, port, rest = parts[1].lower(), parts[2].lower(), int(parts[3] or 0), parts[4] or "/"
    if parts[3] and not 1 <= port <= 65535:
        raise allowed.refuse("The port is a number from 1 to 65535.")
    address = _address(host, allowed)
    if rest.startswith("?"):
        rest = f"/{rest}"
    # What is written with IPv4 inside IPv6 goes on as the IPv4 that it is.
    return Target(scheme, str(address) if address else host, port or PORTS[scheme], rest, address)


def judge(target: Target, allowed: Allowed) -> None:
    """Refuse a target by what is written: by its address, or by the form of its name, without looking it up."""
    if target.address:
        return _judge_address(target.address, target.port, target.host, allowed)
    if _is_this_host(target.host):
        return _judge_address(ipaddress.IPv4Address("127.0.0.1"), target.port, target.host, allowed)
    _refuse_never_name(target, allowed)
    word = PRIVATE if "." not in target.host or target.host.endswith(PRIVATE_ENDINGS) else PUBLIC
    if word not in allowed.words and not allowed.names_it(target.host):
        raise allowed.refuse(_closed(target.host, allowed))


def addresses(target: Target, allowed: Allowed, *, seconds: float) -> list[str]:
    """The addresses to connect to. Every one that the name has is allowed, else none of them is given."""
    if target.address:
        _judge_address(target.address, target.port, target.host, allowed)
        return [str(target.address)]
    _refuse_never_name(target, allowed)
    found = _looked_up(target, seconds)
    for address in found:
        _judge_address(address, target.port, f"{target.host} is at {address}, which", allowed, target.host)
    return [str(address) for address in found]


def _judge_address(address: Address, port: int, said: str, allowed: Allowed, name: str = "") -> None:
    address = _plain(address)
    if _within(address, NEVER) or (port in _own_ports() and _is_ours(address)):
        raise allowed.refuse(f"{said} is never {allowed.what}.")
    named = bool(name) and allowed.names_it(name) and not _within(address, OPENED_BY[LOOPBACK])
    if not named and not allowed.opens(address):
        raise allowed.refuse(_closed(said, allowed))


def _refuse_never_name(target: Target, allowed: Allowed) -> None:
    own = urlsplit(settings.PUBLIC_URL)
    ours = target.host == own.hostname and target.port == (own.port or PORTS[own.scheme])
    if target.host in NEVER_NAMES or ours:
        raise allowed.refuse(f"{target.host} is never {allowed.what}.")


def _closed(said: str, allowed: Allowed) -> str:
    return f"{said} is not open as {allowed.what}; an operator opens it with GATEHOUSE_ROUTE_TARGETS."


def _address(host: str, allowed: Allowed) -> Address | None:
    """The address that is written; None for a name. What only some would read as an address is refused."""
    try:
        if host.startswith("["):
            return _plain(ipaddress.IPv6Address(host[1:-1]))
        if _PLAIN.fullmatch(host):
            return ipaddress.IPv4Address(host)
    except ValueError:
        raise allowed.refuse(f"{host} is no address.") from None
    if _NUMERIC.fullmatch(host):
        raise allowed.refuse("Write an IPv4 address as four plain decimals, such as 10.0.0.5.")
    if not _NAME.fullmatch(host):
        raise allowed.refuse(f"{host[:80]} is no host name.")
    return None


def _plain(address: Address) -> Address:
    """IPv4 inside IPv6 as the IPv4 that it is."""
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if _within(address, IPV4_INSIDE) else address


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _is_public(address: Address) -> bool:
    return address.is_global and not _within(address, TUNNELS)


def _is_this_host(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def _own_ports() -> tuple[int, ...]:
    return settings.HTTP_PORT, settings.TLS_PORT, settings.DEVICE_PORT


def _is_ours(address: Address) -> bool:
    """Whether this machine has the address: only then can a socket be bound to it."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def _looked_up(target: Target, seconds: float) -> list[Address]:
    """What the name stands for; a resolver that hangs is left to itself after so many seconds."""
    found: list[Any] = []

    def look_up() -> None:
        try:
            found.extend(socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            return

    looking = threading.Thread(target=look_up, daemon=True, name="look up")
    looking.start()
    looking.join(seconds)
    # A zone comes only with link-local addresses, which are judged without it.
    texts = dict.fromkeys(str(each[4][0]).partition("%")[0] for each in list(found))
    if not texts:
        raise NotFoundByName(f"{target.host} has no address; the name is unknown, or its name server is silent.")
    return [ipaddress.ip_address(text) for text in texts]
