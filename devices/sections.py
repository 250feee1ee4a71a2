"""Parts of the page of a device that others tell, such as the certificates that the doors keep count of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from devices.models import Device
from portal.actor import Actor
from portal.scopes import Scope

Facts = Callable[[Device], dict[str, Any] | None]


@dataclass(frozen=True)
class Section:
    """A part of the page; `facts` gives what `template` shows of a device, None where it shows nothing."""

    template: str
    scope: Scope
    facts: Facts


_sections: list[Section] = []


def section(template: str, scope: Scope) -> Callable[[Facts], Facts]:
    """Register a function whose facts everybody with the scope sees on the page of a device."""

    def register(facts: Facts) -> Facts:
        _sections.append(Section(template, scope, facts))
        return facts

    return register


def of(device: Device, *, by: Actor) -> list[tuple[str, dict[str, Any]]]:
    """The templates that say something about the device to whoever asks, each with its facts."""
    told = ((each.template, each.facts(device)) for each in _sections if by.may(each.scope))
    return [(template, facts) for template, facts in told if facts is not None]
