"""New rows through the cursor: what every change writes while others wait, where the ORM would be most of the wait."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import models, router, transaction

Columns = Sequence["models.Field[Any, Any]"]


def insert(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model, in the surrounding transaction and in their order.

    A key that the database gives is not read back, and no signal is sent.
    """
    columns, statement = _insertion(type(rows[0]))
    connection = transaction.get_connection(router.db_for_write(type(rows[0])))
    values = [
        [column.get_db_prep_save(getattr(row, column.attname), connection) for column in columns] for row in rows
    ]  # fmt: skip
    with connection.cursor() as cursor:
        if len(values) == 1:
            cursor.execute(statement, values[0])
        else:
            cursor.executemany(statement, values)


@cache
def _insertion(model: type[models.Model]) -> tuple[Columns, str]:
    columns = [field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)]
    names = ", ".join(str(column.column) for column in columns)
    places = ", ".join(["%s"] * len(columns))
    return columns, f"INSERT INTO {model._meta.db_table} ({names}) VALUES ({places})"  # noqa: S608  # Names of ours.
