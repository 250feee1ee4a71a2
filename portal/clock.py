"""The clock by which replicas agree: that of the database."""

from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone


def now() -> datetime:
    """The time of the database; SQLite has none but this machine's."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: Any = cursor.fetchone()
    moment: datetime = found[0]
    return moment
