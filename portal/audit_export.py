"""The audit trail as a file: CSV for a spreadsheet, JSON lines for a program; written row by row, however long."""

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any

from portal.models import AuditEvent

COLUMNS = (
    "number", "at", "actor_kind", "actor", "credential", "address", "verb", "subject_kind", "subject_id", "before",
    "after", "reason", "request_id", "mac",
)  # fmt: skip
# With one of these a spreadsheet takes a cell for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Line:
    """What the CSV writer writes into: it hands each line back."""

    def write(self, line: str) -> str:
        return line


def as_csv(events: Iterable[AuditEvent]) -> Iterator[str]:
    """A heading and a line for each row; `before` and `after` are JSON, and no cell is a formula."""
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for event in events:
        yield writer.writerow([_cell(value) for value in _facts(event).values()])


def as_json_lines(events: Iterable[AuditEvent]) -> Iterator[str]:
    """An object for each row, on a line of its own."""
    for event in events:
        yield json.dumps(_facts(event), ensure_ascii=False) + "\n"


def _facts(event: AuditEvent) -> dict[str, Any]:
    facts = {name: getattr(event, name) for name in COLUMNS}
    return {**facts, "at": event.at.isoformat(timespec="microseconds")}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    cell = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{cell}" if cell.startswith(FORMULA) else cell
