"""The audit trail as a file: CSV for a spreadsheet, JSON lines for a program; written row by row, however long."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from portal.models import AuditEvent

COLUMNS = (
    "number", "at", "actor_kind", "actor", "credential", "address", "verb", "subject_kind", "subject_id", "before",
    "after", "reason", "request_id", "mac",
)  # fmt: skip


def rows(events: Iterable[AuditEvent]) -> Iterator[Iterable[object]]:
    """A heading and a line for each row; `before` and `after` are JSON."""
    yield COLUMNS
    for event in events:
        yield _facts(event).values()


def as_json_lines(events: Iterable[AuditEvent]) -> Iterator[str]:
    """An object for each row, on a line of its own."""
    for event in events:
        yield json.dumps(_facts(event), ensure_ascii=False) + "\n"


def _facts(event: AuditEvent) -> dict[str, Any]:
    facts = {name: getattr(event, name) for name in COLUMNS}
    return {**facts, "at": event.at.isoformat(timespec="microseconds")}
