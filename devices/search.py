"""Finding devices by the beginning of an id or a key fingerprint, or by 3 or more characters of the identity.

A text that few identities hold is looked up in the trigram index. One that many hold is met soon on the way through the
list in its own order, so there the list is walked: both are quick, and a page is never cut short.
"""

from django.db import connection
from django.db.models import Q

from devices.models import Device, DeviceQuerySet

FEW = 1000
SHORTEST_PART = 3
LAST = "\U0010ffff"

_IN_IDENTITIES = {
    "sqlite": """
        SELECT device_id FROM devices_introduction
        WHERE id IN (SELECT rowid FROM devices_search WHERE devices_search MATCH %s LIMIT %s)
    """,
    "postgresql": "SELECT device_id FROM devices_introduction WHERE text ILIKE %s LIMIT %s",
}


def find(devices: DeviceQuerySet, wanted: str) -> DeviceQuerySet:
    """Narrow `devices` to those that the text may mean; an empty text means all of them."""
    if not wanted:
        return devices
    by_id, by_key = _begins("pk", wanted), _begins("fingerprint", wanted.replace(":", "").lower())
    found = [_first(by_id), _first(by_key)]
    if len(wanted) >= SHORTEST_PART:
        found.append(_in_identities(wanted))
    if all(len(ids) <= FEW for ids in found):
        # As ids and not as conditions: over an OR of three indexes the database would rather read everything.
        return devices.filter(pk__in={device_id for ids in found for device_id in ids})
    walked = by_id | by_key
    if len(wanted) >= SHORTEST_PART:
        walked |= Q(introduction__text__icontains=wanted)
    return devices.filter(walked)


def _first(condition: Q) -> list[str]:
    return list(Device.objects.filter(condition).values_list("pk", flat=True)[: FEW + 1])


def _begins(field: str, text: str) -> Q:
    """A range of the index, where LIKE would read all of it."""
    return Q(**{f"{field}__gte": text, f"{field}__lt": text + LAST})


def _in_identities(part: str) -> list[str]:
    """The ids of devices whose identity holds the text, one more than few at most."""
    if connection.vendor == "sqlite":
        pattern = '"' + part.replace('"', '""') + '"'
    else:
        pattern = "%" + part.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
    with connection.cursor() as cursor:
        cursor.execute(_IN_IDENTITIES[connection.vendor], [pattern, FEW + 1])
        return [row[0] for row in cursor.fetchall()]
