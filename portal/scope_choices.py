"""The scopes that a person may give, as forms offer them: those that are declared, then those of the gateway's routes.

Which routes there are, the app tells that knows them.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from portal.actor import Actor
from portal.scopes import Scope, beyond

ROUTES = "routes"
# Scopes, each with what it allows in words.
Named = Callable[[], Mapping[str, str]]

_of_routes: list[Named] = []


@dataclass(frozen=True)
class Choice:
    """A scope with what it allows in words, and what it is about."""

    scope: str
    label: str
    about: str

    def __str__(self) -> str:
        return self.scope


def of_routes(named: Named) -> Named:
    """Register a function that names the scopes of routes."""
    _of_routes.append(named)
    return named


def offered(actor: Actor, *without: Scope) -> list[Choice]:
    """What the actor holds and may so give, but for these."""
    declared = [
        Choice(scope.value, str(scope.label), scope.partition(":")[0])
        for scope in Scope
        if scope not in without and actor.may(scope)
    ]
    named = {scope: words for each in _of_routes for scope, words in each().items()}
    missing = beyond(named, actor.scopes)
    return [*declared, *(Choice(scope, words, ROUTES) for scope, words in named.items() if scope not in missing)]


def grouped(choices: Sequence[Choice], checked: Collection[str]) -> Iterator[tuple[str, list[tuple[Choice, bool]]]]:
    """By what they are about, each with whether its box is checked."""
    for about, same in groupby(choices, key=lambda choice: choice.about):
        yield about, [(choice, choice.scope in checked) for choice in same]
