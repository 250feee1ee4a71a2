"""Writers ask for the write lock every millisecond, so that none sleeps through its turn.

SQLite's own way to wait is to sleep longer and longer before it tries again, up to 100 ms, while late comers overtake:
under 64 connections a few wait for seconds. So a file lock is taken before `BEGIN IMMEDIATE`. It is only a courtesy
among ourselves: SQLite's lock still guards the data, and the kernel takes back what a killed process held.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.backends.sqlite3 import base
from django.db.utils import OperationalError

LONGEST_WAIT = 20.0
EVERY = 0.001
READING = ("SELECT", "PRAGMA", "EXPLAI")


class Cursor(base.SQLiteCursorWrapper):
    """Django's cursor; a statement that writes outside of a transaction is one by itself, so it waits for its turn."""

    database: "DatabaseWrapper"

    def execute(self, query: str, params: Any = None) -> Any:
        with self.database.turn(query):
            return super().execute(query, params)

    def executemany(self, query: str, param_list: Any) -> Any:
        with self.database.turn(query):
            return super().executemany(query, param_list)


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's SQLite, whose transactions hold the turn from their beginning to their end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turn: int | None = None
        self._held = False

    def create_cursor(self, name: str | None = None) -> Cursor:
        cursor: Cursor = self.connection.cursor(factory=Cursor)
        cursor.database = self
        return cursor

    @contextmanager
    def turn(self, statement: str) -> Iterator[None]:
        """Hold the turn for one statement, unless it only reads or stands in a transaction, which holds it already."""
        if self._held or statement.lstrip()[:6].upper() in READING:
            yield
            return
        self._take_turn()
        try:
            yield
        finally:
            self._pass_on()

    def _start_transaction_under_autocommit(self) -> None:
        self._take_turn()
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._pass_on()
            raise

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self._pass_on()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._pass_on()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._pass_on()
            if self._turn is not None:
                os.close(self._turn)
                self._turn = None

    def _take_turn(self) -> None:
        name = str(self.settings_dict["NAME"])
        if self._held or ":memory:" in name or "mode=memory" in name:
            return
        if self._turn is None:
            try:
                self._turn = os.open(f"{name}-turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as denied:
                raise OperationalError(f"unable to open {name}-turn") from denied
        began = time.monotonic()
        while True:
            try:
                fcntl.flock(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() - began > LONGEST_WAIT:
                    raise OperationalError("database is locked") from None
                time.sleep(EVERY)
        self._held = True

    def _pass_on(self) -> None:
        if self._held and self._turn is not None:
            self._held = False
            fcntl.flock(self._turn, fcntl.LOCK_UN)
