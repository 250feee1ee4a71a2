"""A page of the audit trail: which rows a query asks for, the newest first, and what each of them changed."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet
from django.http import QueryDict

from portal import text
from portal.models import AuditEvent
from portal.parameters import once
from portal.refusal import Invalid

PAGE = 50
BATCH = 500
# What a filter is called in the URL, the condition that it becomes, and the longest that a row could hold.
FILTERS: Final = {
    "actor": ("actor", 200),
    "verb": ("verb__startswith", 64),
    "subject": ("subject_id", 128),
    "request": ("request_id", 128),
}
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)


@dataclass(frozen=True)
class Change:
    """One fact that a row changed; a side that says nothing of it is empty."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Listing:
    """At most 50 rows with their changes. `older` is the number below which the next page begins, 0 at the end."""

    wanted: Mapping[str, str]
    rows: list[tuple[AuditEvent, list[Change]]]
    is_first: bool
    older: int


def read(query: QueryDict) -> Listing:
    """The page that a query asks for: `actor`, `verb`, `subject`, `request` and `before`."""
    wanted, before = wanted_in(query), once(query, "before") or ""
    events = find(wanted)
    if before:
        if not _NUMBER.fullmatch(before):
            raise Invalid("before", "This is no place in the audit trail; begin at its top.")
        events = events.filter(number__lt=int(before))
    found = list(events[: PAGE + 1])
    older = found[PAGE - 1].number if len(found) > PAGE else 0
    return Listing(wanted, [(event, changes(event)) for event in found[:PAGE]], not before, older)


def wanted_in(query: QueryDict) -> dict[str, str]:
    """The filters that a query holds, without empty ones; what no row could hold is refused."""
    wanted = {name: (once(query, name) or "").strip() for name in FILTERS}
    for name, value in wanted.items():
        text.check(name, value, most=FILTERS[name][1])
    return {name: value for name, value in wanted.items() if value}


def find(wanted: Mapping[str, str]) -> QuerySet[AuditEvent]:
    """The rows that fit every filter, the newest first; a verb fits by its beginning, all else exactly."""
    conditions = {FILTERS[name][0]: value for name, value in wanted.items()}
    return AuditEvent.objects.filter(**conditions).order_by("-number")


def walk(wanted: Mapping[str, str]) -> Iterator[AuditEvent]:
    """All rows that fit, in short reads: a slow receiver holds no transaction open."""
    events = find(wanted)
    batch = list(events[:BATCH])
    while batch:
        yield from batch
        batch = list(events.filter(number__lt=batch[-1].number)[:BATCH])


def changes(event: AuditEvent) -> list[Change]:
    """What the row says of before and after, side by side, in the order in which it was recorded."""
    before, after = named(event.before), named(event.after)
    return [
        Change(name, _readable(before[name]) if name in before else "", _readable(after[name]) if name in after else "")
        for name in dict.fromkeys([*before, *after])
    ]


def named(facts: Any) -> Mapping[str, Any]:
    """The facts by name; what no rule of ours has written may hold something else, which is shown all the same."""
    if isinstance(facts, dict):
        return facts
    return {} if facts is None else {"fact": facts}


def _readable(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value) or "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
