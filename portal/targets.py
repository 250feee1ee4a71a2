"""Where what is sent from here may go: which names and addresses are open, and which never are.

One reader of URLs stands behind this, a strict one, and what it read is what is connected to: a name is looked up once,
each address that it has is judged, and the connection goes to one of these.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from portal import addresses
from portal.addresses import Address, Network
from portal.refusal import Refusal

PRIVATE, LOOPBACK, PUBLIC = WORDS = ("private", "loopback", "public")
OPENED_BY = {PRIVATE: addresses.PRIVATE, LOOPBACK: addresses.LOOPBACK}
LONGEST = 500

NEVER_NAMES = frozenset({"metadata.google.internal"})
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
    """What an operator has opened, and how that which is judged by it is called, where it stands and how it looks."""

    words: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    names: frozenset[str] = frozenset()
    endings: tuple[str, ...] = ()
    what: str = "a route target"
    field: str = field(default="target")
    example: str = "http://10.0.0.5:8080"

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
        if any(addresses.within(address, [network]) for network in self.networks):
            return True
        for word, networks in OPENED_BY.items():
            if addresses.within(address, networks):
                return word in self.words
        return PUBLIC in self.words and addresses.is_public(address)

    def refuse(self, sentence: str) -> TargetNotAllowed:
        return TargetNotAllowed(self.field, sentence)


def read(url: str, allowed: Allowed) -> Target:
    """Read an http or https URL without user, fragment or odd spelling; anything else is refused."""
    parts = _URL.fullmatch(url) if len(url) <= LONGEST else None
    if parts is None or "#" in url or "\\" in url:
        raise allowed.refuse(
            f"Write a URL such as {allowed.example}, of at most {LONGEST} characters, without user, fragment or blanks."
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


def addresses_of(target: Target, allowed: Allowed, *, seconds: float) -> list[str]:
    """The addresses to connect to. Every one that the name has is allowed, else none of them is given."""
    if target.address:
        _judge_address(target.address, target.port, target.host, allowed)
        return [str(target.address)]
    _refuse_never_name(target, allowed)
    found = addresses.of(target.host, target.port, seconds=seconds)
    for address in found:
        _judge_address(address, target.port, f"{target.host} is at {address}, which", allowed, target.host)
    return [str(address) for address in found]


def _judge_address(address: Address, port: int, said: str, allowed: Allowed, name: str = "") -> None:
    address = addresses.plain(address)
    if addresses.within(address, addresses.NEVER) or (port in _own_ports() and addresses.is_ours(address)):
        raise allowed.refuse(f"{said} is never {allowed.what}.")
    named = bool(name) and allowed.names_it(name) and not addresses.within(address, OPENED_BY[LOOPBACK])
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
            return addresses.plain(ipaddress.IPv6Address(host[1:-1]))
        if _PLAIN.fullmatch(host):
            return ipaddress.IPv4Address(host)
    except ValueError:
        raise allowed.refuse(f"{host} is no address.") from None
    if _NUMERIC.fullmatch(host):
        raise allowed.refuse("Write an IPv4 address as four plain decimals, such as 10.0.0.5.")
    if not _NAME.fullmatch(host):
        raise allowed.refuse(f"{host[:80]} is no host name.")
    return None


def _is_this_host(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def _own_ports() -> tuple[int, ...]:
    return settings.HTTP_PORT, settings.TLS_PORT, settings.DEVICE_PORT
