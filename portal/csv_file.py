"""A table as a CSV file that is written line by line, however long, and in which no cell is a formula."""

import csv
import json
from collections.abc import Iterable, Iterator
from datetime import datetime

from django.http import StreamingHttpResponse

from portal.downloads import download

# With one of these a spreadsheet takes a cell for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Line:
    """What the CSV writer writes into: it hands each line back."""

    def write(self, line: str) -> str:
        return line


def csv_lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """A line for each row: texts as they are, times in RFC 3339, nothing for None, anything else as JSON."""
    writer = csv.writer(_Line())
    for row in rows:
        yield writer.writerow([_cell(value) for value in row])


def csv_file(rows: Iterable[Iterable[object]], name: str) -> StreamingHttpResponse:
    """An answer that a browser saves under this name."""
    return download(csv_lines(rows), name, "text/csv; charset=utf-8")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    cell = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{cell}" if cell.startswith(FORMULA) else cell
