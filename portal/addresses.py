"""Addresses: which are public, private or nobody's to send to, which are ours, and what a name stands for."""

import ipaddress
import socket
import threading
from collections.abc import Iterable
from typing import Any

from portal.refusal import Refusal

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


PRIVATE = _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
LOOPBACK = _networks("127.0.0.0/8", "::1/128")
# This host, link-local and so the metadata services of clouds, many hosts at once.
NEVER = _networks(
    "0.0.0.0/8", "169.254.0.0/16", "100.100.100.200/32", "224.0.0.0/4", "255.255.255.255/32",
    "::/128", "fe80::/10", "fd00:ec2::254/128", "ff00::/8",
)  # fmt: skip
# IPv4 in other clothes: the first two are judged as IPv4, the others reach nobody whom we could judge.
IPV4_INSIDE = _networks("::ffff:0:0/96", "64:ff9b::/96")
TUNNELS = _networks("::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")
# All else of IPv6 is local, reserved or not given out (RFC 4291, 2.4).
UNICAST = _networks("2000::/3")


class NotFoundByName(Refusal):
    """A name has no address, at least not now."""

    status, code = 409, "target_not_found"


def plain(address: Address) -> Address:
    """IPv4 inside IPv6 as the IPv4 that it is."""
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if within(address, IPV4_INSIDE) else address


def within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def is_public(address: Address) -> bool:
    is_given_out = address.version == 4 or within(address, UNICAST)
    return address.is_global and is_given_out and not within(address, TUNNELS)


def is_ours(address: Address) -> bool:
    """Whether this machine has the address: only then can a socket be bound to it."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def is_address(host: str) -> bool:
    """Whether a host is named by its address, and not by a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def of(name: str, port: int, *, seconds: float) -> list[Address]:
    """What the name stands for; a resolver that hangs is left to itself after so many seconds."""
    found: list[Any] = []

    def look_up() -> None:
        try:
            found.extend(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            return

    looking = threading.Thread(target=look_up, daemon=True, name="look up")
    looking.start()
    looking.join(seconds)
    # A zone comes only with link-local addresses, which are judged without it.
    texts = dict.fromkeys(str(each[4][0]).partition("%")[0] for each in list(found))
    if not texts:
        raise NotFoundByName(f"{name} has no address; the name is unknown, or its name server is silent.")
    return [ipaddress.ip_address(text) for text in texts]
