"""Finding devices by the beginning of an id or a key fingerprint, or by 3 or more characters of identity or attributes.

What few devices hold is looked up in the indexes and told apart by id. What some thousand hold, the database fetches
and sorts. What many hold is met soon on the way through the list in its own order, so there the list is walked. All
three are quick, and a page is never cut short.
"""

import json
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Left
from django.db.models.lookups import Exact

from devices.models import DeviceQuerySet

FEW = 1000
SOME = 8000  # About where fetching all of them costs what walking past 51 of a million devices' finds does.
SHORTEST_PART = 3
LAST = "\U0010ffff"

_BEGINS = "SELECT id FROM devices_device WHERE {field} >= %s AND {field} < %s"
_HOLDS = {
    "sqlite": "SELECT device_id FROM {table} WHERE id IN ({rows})",
    "postgresql": "SELECT device_id FROM {table} WHERE text ILIKE %s",
}
_ROWS = "SELECT rowid FROM {index} WHERE {index} MATCH %s"
_TEXTS = {"devices_introduction": "devices_search", "devices_inventory": "devices_inventory_search"}


class Lookup(NamedTuple):
    """A query of ids; `counted` is one of as many rows, which SQLite counts without reading another table."""

    sql: str
    params: list[str]
    counted: str


def find(devices: DeviceQuerySet, wanted: str) -> DeviceQuerySet:
    """Narrow `devices` to those that the text may mean; an empty text means all of them."""
    if not wanted:
        return devices
    key = wanted.replace(":", "").lower()
    lookups = [_begins("id", wanted), _begins("fingerprint", key)]
    if len(wanted) >= SHORTEST_PART:
        lookups += [_holds(table, wanted) for table in _TEXTS]
    if (found := sum(map(_number, lookups))) <= SOME:
        # One condition: over an OR of several indexes the database would rather read everything.
        any_of = " UNION ".join(lookup.sql for lookup in lookups)
        values = [value for lookup in lookups for value in lookup.params]
        # Less than that are told by their ids, so that what reads the list in two steps does not search twice.
        ids = _ids(any_of, values) if found <= FEW else []
        return devices.filter(pk__in=ids if found <= FEW >= len(ids) else RawSQL(any_of, values))  # noqa: S611
    walked = _starts("pk", wanted) | _starts("fingerprint", key)
    if len(wanted) >= SHORTEST_PART:
        walked |= Q(introduction__text__icontains=wanted) | Q(inventory__text__icontains=wanted)
    return devices.filter(walked)


def _begins(field: str, text: str) -> Lookup:
    """A range of the index, where LIKE would read all of it."""
    sql = _BEGINS.format(field=field)
    return Lookup(sql, [text, text + LAST], sql)


def _starts(field: str, text: str) -> Q:
    """Not as a range: the database would fetch all of it from the index, where the list is to be walked."""
    return Q(Exact(Left(field, len(text)), text))


def _holds(table: str, part: str) -> Lookup:
    if connection.vendor == "sqlite":
        pattern = '"' + part.replace('"', '""') + '"'
    else:
        pattern = "%" + part.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
    rows = _ROWS.format(index=_TEXTS[table])
    return Lookup(_HOLDS[connection.vendor].format(table=table, rows=rows), [pattern], rows)


def _number(lookup: Lookup) -> int:
    """About how many it finds; on SQLite counted, and no further than matters."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"SELECT count(*) FROM ({lookup.counted} LIMIT {SOME + 1})", lookup.params)  # noqa: S608
            return int(cursor.fetchone()[0])
        # A search of trigrams cannot stop half way there: to count would be to find all. The planner's guess is near.
        cursor.execute(f"EXPLAIN (FORMAT JSON) {lookup.sql}", lookup.params)
        plan: Any = cursor.fetchone()[0]
        return int((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]["Plan Rows"])


def _ids(sql: str, params: list[str]) -> list[str]:
    """What it finds, one more than few at most."""
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} LIMIT {FEW + 1}", params)
        return [row[0] for row in cursor.fetchall()]
