"""How many devices there are by status: kept by the database, so that a page asks a few rows and not a million."""

from collections.abc import Mapping

from django.db import connection

from devices.models import DeviceCount, Status

DENIED, ALL = "denied", "all"


def in_tab(tab: str) -> int:
    """How many devices are in one tab; through the cursor, for every new device asks."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT number FROM devices_devicecount WHERE tab = %s", [tab])
        return next(iter(cursor.fetchall()), (0,))[0]


def by_tab() -> Mapping[str, int]:
    """Numbers under each status, under `denied`, and under `all`, which is everything that is not denied."""
    counts = dict.fromkeys((*Status.values, DENIED), 0) | dict(DeviceCount.objects.values_list("tab", "number"))
    return counts | {ALL: sum(counts[status] for status in Status.values)}
