"""One request at a time under one `Idempotency-Key`: while the first still runs, another is told so and does not wait.

A turn is held by the process and not written down, so one that was killed holds none. Beside SQLite it is a lock on one
byte of a file, which is free again when the file is closed; PostgreSQL, which several hosts may share, has its own.
"""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import OperationalError, connection

from portal.refusal import Refusal

FILE = "idempotency.lock"
# A lock of an open file keeps off the other threads of a process, too. Where there is none, the second one waits.
TAKE = getattr(fcntl, "F_OFD_SETLK", None)


class InProgress(Refusal):
    """The first request under the key is not answered yet."""

    status, code = 409, "idempotency_in_progress"
    retry_after = 1

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key is still being done; send it again to get its answer.")


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Go on if no other process of this host does so under this name, which is hexadecimal; else refuse.

    A data folder that cannot be written is no more use than the database that lies in it, and told of alike.
    """
    if connection.vendor != "sqlite" or TAKE is None:
        yield
        return
    path = settings.DATA_DIR / FILE
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as denied:
        raise OperationalError(f"unable to open {path}") from denied
    try:
        fcntl.fcntl(file, TAKE, struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, _number(name), 1, 0))
    except (BlockingIOError, PermissionError) as taken:
        os.close(file)
        raise InProgress from taken
    try:
        yield
    finally:
        os.close(file)


def take_in_transaction(name: str) -> None:
    """The same among all hosts, until this transaction is over."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_number(name)])
        (is_ours,) = cursor.fetchone()
    if not is_ours:
        raise InProgress


def _number(name: str) -> int:
    """60 bits of the name; of two that share them one is told to come again."""
    return int(name[:15], 16)
