"""Rows through the cursor: what every change writes while others wait, where the ORM would be most of the wait."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db import OperationalError, models, router, transaction
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


def read(statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a question that every call asks.

    PostgreSQL plans it once for each connection; planning it anew would be most of what it costs. To look first whether
    the connection still lives would double that: one that was lost since, as the server was started anew, is made anew.
    """
    connection = transaction.get_connection()
    # Who looks on, such as a test that counts questions or breaks them, sees what goes through Django's cursor alone.
    is_watched = bool(connection.execute_wrappers) or connection.queries_logged
    if connection.vendor != "postgresql" or is_watched:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())
    try:
        return _prepared(connection, statement, values)
    except OperationalError:
        if connection.in_atomic_block or connection.connection is None or connection.is_usable():
            raise
        connection.close()
        return _prepared(connection, statement, values)


def _prepared(connection: Any, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.Database.Cursor(connection.connection) as prepared:
        found: list[tuple[Any, ...]] = prepared.execute(statement, values, prepare=True).fetchall()
        return found


def note(statement: str, values: Sequence[Any]) -> Any:
    """Carry out one statement by itself that a power cut may undo, so that nobody waits for the disk.

    On SQLite the wait would be most of what it costs, and every other writer would share it. What the statement returns
    is the answer, if it returns a row.
    """
    connection = transaction.get_connection()
    with connection.cursor() as cursor:
        if connection.vendor != "sqlite" or connection.in_atomic_block:
            return _carried_out(cursor, statement, values)
        (level,) = cursor.execute("PRAGMA synchronous").fetchone()
        cursor.execute(f"PRAGMA synchronous = {min(level, SYNCED_IN_ORDER)}")
        try:
            return _carried_out(cursor, statement, values)
        finally:
            cursor.execute(f"PRAGMA synchronous = {level}")


def _carried_out(cursor: Any, statement: str, values: Sequence[Any]) -> Any:
    cursor.execute(statement, values)
    return cursor.fetchone() if cursor.description else None


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
