"""The addresses of this machine, by which its doors can be reached."""

import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_SIOCGIFADDR = 0x8915
_IPV6 = Path("/proc/net/if_inet6")


def of_door(bind: str) -> list[str]:
    """The addresses that a door bound to `bind` has: its own, or those of all interfaces; none of one link only."""
    if not ipaddress.ip_address(bind).is_unspecified:
        return [bind]
    found = [*_ipv4()] if bind == "0.0.0.0" else [*_ipv4(), *_ipv6()]  # noqa: S104  # It is compared, not bound to.
    return [address for address in found if not ipaddress.ip_address(address).is_link_local]


@cache
def loopbacks() -> tuple[str, ...]:
    """127.0.0.1, and ::1 where the host has it."""
    return ("127.0.0.1", "::1") if "::1" in _ipv6() else ("127.0.0.1",)


def _ipv4() -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue  # This interface has none.
            yield socket.inet_ntoa(answer[20:24])


def _ipv6() -> list[str]:
    if not _IPV6.exists():
        return []
    return [str(ipaddress.ip_address(bytes.fromhex(line.split()[0]))) for line in _IPV6.read_text().splitlines()]
