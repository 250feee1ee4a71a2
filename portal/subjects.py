"""What audit rows are about, as people know it: its name, and its page while it is there."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse

from portal.actor import Actor
from portal.models import AuditEvent
from portal.scopes import Scope


@dataclass(frozen=True)
class Subject:
    """`name` is what people call it; `page` is where it is shown, empty where it is not, or not any more."""

    name: str
    page: str = ""


# By the number of the row; a row that is left out is about what its id says, without a page.
Subjects = Mapping[int, Subject]
Find = Callable[[Sequence[AuditEvent]], Subjects]

_kinds: dict[str, tuple[Scope, Find]] = {}


def kind(name: str, scope: Scope) -> Callable[[Find], Find]:
    """Register a function that tells whoever holds the scope what rows of this kind are about."""

    def register(find: Find) -> Find:
        _kinds[name] = (scope, find)
        return find

    return register


def page(view: str, key: object) -> str:
    """The address of its page; empty where it has a key that no address can hold, which only a spoiled row has."""
    try:
        return reverse(view, args=[key])
    except NoReverseMatch:
        return ""


def of(events: Sequence[AuditEvent], *, by: Actor) -> list[Subject]:
    """What each of these rows is about; each kind is asked once."""
    kinds: dict[str, list[AuditEvent]] = defaultdict(list)
    for event in events:
        kinds[event.subject_kind].append(event)
    found: dict[int, Subject] = {}
    for name, rows in kinds.items():
        scope, find = _kinds.get(name, (None, None))
        if scope and find and by.may(scope):
            found |= find(rows)
    return [found.get(event.number) or Subject(event.subject_id) for event in events]
