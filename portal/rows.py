"""Rows through the cursor: what every change writes while others wait, where the ORM would be most of the wait."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db import models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

Columns = Sequence["models.Field[Any, Any]"]

# SQLite's level NORMAL: what is written is never torn, and with the next commit that waits for the disk it is safe.
SYNCED_IN_ORDER = 1


def insert(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model, in the surrounding transaction and in their order.

    A key that the database gives is not read back, and no signal is sent.
    """
    if not rows:
        return
    connection = transaction.get_connection(router.db_for_write(type(rows[0])))
    columns = _columns(type(rows[0]))
    values = [
        [column.get_db_prep_save(getattr(row, column.attname), connection) for column in columns] for row in rows
    ]  # fmt: skip
    with connection.cursor() as cursor:
        if len(values) == 1:
            cursor.execute(_insertion(type(rows[0])), values[0])
        elif connection.vendor == "postgresql":
            # A column is an array, so the statement stays short: psycopg reads a long one anew each time.
            cursor.execute(_insertion_of_arrays(type(rows[0]), connection), list(map(list, zip(*values, strict=True))))
        else:
            cursor.executemany(_insertion(type(rows[0])), values)


def note(statement: str, values: Sequence[Any]) -> None:
    """Carry out one statement by itself that a power cut may undo, so that nobody waits for the disk.

    On SQLite the wait would be most of what it costs, and every other writer would share it.
    """
    connection = transaction.get_connection()
    with connection.cursor() as cursor:
        if connection.vendor != "sqlite" or connection.in_atomic_block:
            cursor.execute(statement, values)
            return
        (level,) = cursor.execute("PRAGMA synchronous").fetchone()
        cursor.execute(f"PRAGMA synchronous = {min(level, SYNCED_IN_ORDER)}")
        try:
            cursor.execute(statement, values)
        finally:
            cursor.execute(f"PRAGMA synchronous = {level}")


def aware(value: Any) -> Any:
    """A value as the cursor gives it; SQLite gives a moment without its time zone, which is UTC."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


@cache
def _columns(model: type[models.Model]) -> Columns:
    return [field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)]


@cache
def _into(model: type[models.Model]) -> str:
    names = ", ".join(str(column.column) for column in _columns(model))
    return f"INSERT INTO {model._meta.db_table} ({names})"


@cache
def _insertion(model: type[models.Model]) -> str:
    return f"{_into(model)} VALUES ({', '.join(['%s'] * len(_columns(model)))})"


def _insertion_of_arrays(model: type[models.Model], connection: BaseDatabaseWrapper) -> str:
    # Without the length, since a cast cuts off what is too long, where an insertion refuses it.
    types = [str(column.db_type(connection)).partition("(")[0] for column in _columns(model)]
    arrays = ", ".join(f"%s::{each}[]" for each in types)
    return f"{_into(model)} SELECT * FROM unnest({arrays})"  # noqa: S608  # Names of ours.
