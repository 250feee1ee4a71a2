"""The device CAs that a rule may name, told by who keeps them: they stand at the doors, which the fleet knows not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class KnownCA:
    """The name of a device CA and the SHA-256 of its certificate in hex."""

    fingerprint: str
    name: str


Teller = Callable[[], Sequence[KnownCA]]

_tellers: list[Teller] = []


def tells(teller: Teller) -> Teller:
    """Register a function that says which device CAs there are."""
    _tellers.append(teller)
    return teller


def known() -> list[KnownCA]:
    """All device CAs by name."""
    return sorted((ca for teller in _tellers for ca in teller()), key=lambda ca: ca.name)


def names() -> dict[str, str]:
    """The name of each device CA by its fingerprint."""
    return {ca.fingerprint: ca.name for ca in known()}
