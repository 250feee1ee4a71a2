"""How often something happens in fixed windows of time, counted in the database, so that all replicas agree."""

from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from portal import rows
from portal.models import WindowCount

KEPT_FOR = timedelta(days=1)
# What a process remembers of the windows that are full.
MOST_REMEMBERED = 10_000

COUNT = """
    INSERT INTO portal_windowcount (key, "window", number, at) VALUES (%s, %s, 1, %s)
    ON CONFLICT (key) DO UPDATE SET at = excluded.at, "window" = excluded."window",
        number = CASE WHEN portal_windowcount."window" = excluded."window" THEN portal_windowcount.number + 1 ELSE 1 END
    RETURNING number
"""

_full: dict[str, tuple[int, int]] = {}


def number(key: str, seconds: int, now: datetime, *, most: int) -> int:
    """Count one more in the present window of so many seconds, and say which one it is.

    Past `most` a process counts no further and writes nothing, so that a flood costs no more than it must. The count is
    not waited for: a power cut may undo it.
    """
    if is_full(key, seconds, now):
        return most + 1
    window = int(now.timestamp()) // seconds
    counted: int = rows.note(COUNT, [key, window, connection.ops.adapt_datetimefield_value(now)])[0]
    if counted > most:
        if len(_full) >= MOST_REMEMBERED:
            _full.clear()
        _full[key] = (seconds, window)
    return counted


def is_full(key: str, seconds: int, now: datetime) -> bool:
    """Whether this process has counted past the most of the present window."""
    return _full.get(key) == (seconds, int(now.timestamp()) // seconds)


def left(seconds: int, now: datetime) -> float:
    """How long the present window goes on."""
    return seconds - now.timestamp() % seconds


def forget() -> None:
    """Remove what no longer counts."""
    WindowCount.objects.filter(at__lt=timezone.now() - KEPT_FOR).delete()


def forget_full() -> None:
    """Ask the database again about every window, as a test must whose database is another."""
    _full.clear()
