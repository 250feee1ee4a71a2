"""Of several hosts that start at once over one PostgreSQL, one prepares the database at a time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

# Any number that nothing else here locks.
NUMBER = 0x6761746568
TURN = 0.2
# A lock that a pooler has kept from a start that was killed keeps nobody from starting for longer.
PATIENCE = 120.0


@contextmanager
def alone() -> Iterator[None]:
    """On SQLite one host has the file alone anyway."""
    if connection.vendor != "postgresql":
        yield
        return
    until = time.monotonic() + PATIENCE
    while not _asked("pg_try_advisory_lock") and time.monotonic() < until:
        time.sleep(TURN)
    try:
        yield
    finally:
        _asked("pg_advisory_unlock")


def _asked(function: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [NUMBER])
        (answer,) = cursor.fetchone() or (False,)
        return bool(answer)
