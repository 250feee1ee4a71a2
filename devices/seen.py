"""When a device was last there, noted at most once a minute.

Of devices that wait thousands ask every minute, so what is noted of them is gathered for a second and written together.
"""

import threading
import time
from datetime import datetime
from typing import Any

from django.db import Error, connection, transaction

from devices.models import SEEN_NOTED_EVERY, Device
from portal import rows

GATHERED = 1.0

# As text: the ORM took longer to write the statement than SQLite to carry it out.
_NOTE = (
    "UPDATE devices_device SET last_seen = %s "
    "WHERE id = %s AND denied_at IS NULL AND (last_seen IS NULL OR last_seen < %s OR last_seen > %s)"
)


def note(device: Device, now: datetime) -> None:
    """Remember that the device is there."""
    if not device.was_seen_lately(now):
        rows.note(_NOTE, _values(device.pk, now))
        device.last_seen = now


class Gathering:
    """The waiting devices that a process has seen and not written yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unwritten: dict[str, datetime] = {}
        self._due = 0.0

    def note(self, device: Device, now: datetime) -> None:
        """Remember that a waiting device is there: at once, or with the others of this second when the next one asks.

        What is lost with the process, or with a database that does not answer, is noted when the device asks again.
        """
        if device.was_seen_lately(now):
            return
        with self._lock:
            self._unwritten[device.pk] = now
            if time.monotonic() < self._due:
                return
            self._due = time.monotonic() + GATHERED
            taken, self._unwritten = self._unwritten, {}
        _write(taken)

    def forget(self) -> None:
        with self._lock:
            self._unwritten, self._due = {}, 0.0


waiting = Gathering()


def _write(seen: dict[str, datetime]) -> None:
    # In one order, so that two who write the same devices never wait for each other.
    values = [_values(device_id, moment) for device_id, moment in sorted(seen.items())]
    try:
        if len(values) == 1:
            rows.note(_NOTE, values[0])
            return
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(_NOTE, values)
    except Error:
        pass  # A device is not turned away because others could not be noted.


def _values(device_id: str, moment: datetime) -> list[Any]:
    before, at = map(connection.ops.adapt_datetimefield_value, (moment - SEEN_NOTED_EVERY, moment))
    return [at, device_id, before, at]
