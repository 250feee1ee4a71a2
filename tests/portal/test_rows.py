"""Questions that go past the ORM."""

import pytest
from django.db import OperationalError, connection, transaction

from portal import rows

NAMES = "SELECT name FROM portal_tenant WHERE name = %s"

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has no server that could be started anew"
)


def lose_the_connection() -> None:
    """As a server does that is started anew."""
    pid = connection.connection.info.backend_pid
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    other.close()


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_lost_meanwhile_is_made_anew() -> None:
    assert rows.read(NAMES, ["main"]) == [("main",)]
    lose_the_connection()
    assert rows.read(NAMES, ["main"]) == [("main",)]


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_in_a_transaction_it_is_told_since_what_came_before_is_lost() -> None:
    def read_twice() -> None:
        with transaction.atomic():
            rows.read(NAMES, ["main"])
            lose_the_connection()
            rows.read(NAMES, ["main"])

    with pytest.raises(OperationalError):
        read_twice()
    assert rows.read(NAMES, ["main"]) == [("main",)]
