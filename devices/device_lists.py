"""A list of devices as CSV (RFC 4180): what each line says, and what is no such list.

The first row names the columns: `key`, a PEM public key, and the members of the identity, or `id` alone.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from devices import expecting, identity, keys
from devices.expecting import Expected
from portal import text
from portal.csv_file import FORMULA
from portal.refusal import Invalid, Refusal

MAX_BYTES = 1024 * 1024
MOST_LINES = 10_000
MOST_COLUMNS = 64
KEY, ID = "key", "id"
SAID = 3


class UnfitLine(Refusal):
    """The line has not the form of the others, or stands there twice."""

    status, code = 400, "invalid"


@dataclass(frozen=True)
class Line:
    """A device as a line of the list says it, or why it says none; `number` is the line of the file it begins in.

    `said` are the first members of its identity, by which people know it.
    """

    number: int
    id: str
    expected: Expected | None = None
    refusal: Refusal | None = None
    said: tuple[tuple[str, str], ...] = ()


def decode(raw: bytes) -> str:
    """The text of a file in UTF-8, with or without a byte order mark."""
    if len(raw) > MAX_BYTES:
        raise Invalid("list", f"The list is over {MAX_BYTES} bytes; send it in parts.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as foreign:
        raise Invalid("list", "The list is not UTF-8; save it as CSV in UTF-8.") from foreign


def read(sent: str) -> list[Line]:
    """The lines of a list, each as far as it can be judged by itself; a list without a usable first row is refused."""
    rows = _rows(sent)
    _, first = next(rows, (0, []))
    columns = _columns(first)
    lines, seen = list[Line](), dict[str, int]()
    for number, cells in rows:
        line = _line(number, columns, cells)
        if line.expected and line.id in seen:
            line = replace(line, expected=None, refusal=UnfitLine(f"Line {seen[line.id]} is the same device already."))
        elif line.expected:
            seen[line.id] = number
        lines.append(line)
        if len(lines) > MOST_LINES:
            raise Invalid("list", f"The list has over {MOST_LINES:,} lines; send it in parts.")
    if not lines:
        raise Invalid("list", "The list has no line below its first row, which names the columns.")
    return lines


def _rows(sent: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that say something, each with the line of the file that it begins in (RFC 4180)."""
    # One kind of line end, also within a key, which programs and browsers change.
    plain = sent.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    reader = csv.reader(io.StringIO(plain, newline=""), strict=True)
    began = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield began, cells
            began = reader.line_num + 1
    except csv.Error as broken:
        raise Invalid("list", f"From line {began} on the list is no CSV; look at its quotation marks.") from broken


def _columns(names: list[str]) -> list[str]:
    """The names of the columns, `key` and members of the identity or `id`."""
    names = [name.strip() for name in names]
    if any(keys.is_private(name) for name in names):
        raise Invalid("list", "This is a private key and no list; make its device a new pair.")
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        raise Invalid("list", "The columns are not separated by commas; save it as CSV with commas.")
    if KEY not in names:
        raise Invalid("list", f"The first row names the columns, and one of them is '{KEY}'; here none is.")
    if len(names) > MOST_COLUMNS:
        raise Invalid("list", f"The list has over {MOST_COLUMNS} columns.")
    for place, name in enumerate(names, 1):
        if wrong := text.fault(name, least=1, most=64):
            raise Invalid("list", f"Column {place} has no fit name. {wrong}")
    if len(set(names)) < len(names):
        raise Invalid("list", "Two columns have the same name.")
    if len(names) < 2:
        raise Invalid(
            "list", f"Beside '{KEY}' a column must say who the device is: a member of its identity, or '{ID}'."
        )
    if ID in names and len(names) > 2:
        raise Invalid("list", f"A column '{ID}' stands alone beside '{KEY}': members of the identity make the id.")
    return names


def _line(number: int, columns: Sequence[str], cells: Sequence[str]) -> Line:
    if any(keys.is_private(cell) for cell in cells):
        return Line(number, "", refusal=UnfitLine("It holds a private key; make the device a new pair."))
    if len(cells) != len(columns):
        sentence = f"It has {len(cells)} cells where the first row has {len(columns)}."
        return Line(number, "", refusal=UnfitLine(sentence))
    members = dict(zip(columns, map(_unguarded, cells), strict=True))
    key, device_id = members.pop(KEY).strip(), members.pop(ID, "").strip()
    members = {name: cell for name, cell in members.items() if cell}
    said = first(members)
    try:
        if ID in columns:
            return Line(number, device_id, expecting.expect_id(device_id, key))
        claimed = identity.read(json.dumps(members, ensure_ascii=False))
        device_id = claimed.digest
        return Line(number, device_id, expecting.expect(claimed, key), said=said)
    except identity.Malformed as malformed:
        return Line(number, "", refusal=UnfitLine(f"It is no identity: {malformed}."), said=said)
    except Refusal as refusal:
        return Line(number, device_id[:128], refusal=refusal, said=said)


def first(members: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The first members of an identity."""
    return tuple(members.items())[:SAID]


def _unguarded(cell: str) -> str:
    """The cell without the mark by which our own files, and spreadsheets, say that it is no formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell
