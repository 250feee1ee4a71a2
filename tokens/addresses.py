"""The networks that a token is bound to: whoever shows it must come from one of them; none means from anywhere."""

import ipaddress
from collections.abc import Collection

from portal.refusal import Invalid

MOST = 50

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def read(addresses: Collection[str]) -> list[str]:
    """Addresses and networks as they are kept, such as `10.0.0.0/8`; what is neither is refused."""
    if len(addresses) > MOST:
        raise Invalid("addresses", f"A token may name at most {MOST} addresses.")
    try:
        return sorted({str(ipaddress.ip_network(address.strip())) for address in addresses})
    except ValueError as wrong:
        raise Invalid("addresses", "Write addresses or networks such as 10.1.2.3 or 10.0.0.0/8.") from wrong


def may_come_from(addresses: Collection[str], address: str) -> bool:
    """Whether a token that is bound to these networks may be used from this address."""
    if not addresses:
        return True
    try:
        came_from = ipaddress.ip_address(address)
        return any(came_from in ipaddress.ip_network(network) for network in addresses)
    except ValueError:
        return False


def lie_within(addresses: Collection[str], bounds: Collection[str]) -> bool:
    """Whether a token with these networks opens from nowhere that one with those bounds does not."""
    if not bounds:
        return True
    try:
        around = [ipaddress.ip_network(bound) for bound in bounds]
        inner = [ipaddress.ip_network(address) for address in addresses]
    except ValueError:
        return False
    return bool(inner) and all(any(_is_part(network, bound) for bound in around) for network in inner)


def _is_part(network: Network, bound: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(bound, ipaddress.IPv4Network) and network.subnet_of(bound)
    return isinstance(bound, ipaddress.IPv6Network) and network.subnet_of(bound)
