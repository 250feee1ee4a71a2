"""The list of devices as the lines of a table, for a spreadsheet."""

from collections.abc import Iterable, Iterator

from devices.models import Device

COLUMNS = (
    "id", "status", "identity", "fingerprint", "request_time", "last_seen", "decided_at", "decided_by", "denied_at",
    "denied_by", "denied_reason",
)  # fmt: skip


def rows(devices: Iterable[Device]) -> Iterator[list[object]]:
    """A heading and a line for each device; denied outweighs the status, times are RFC 3339 in UTC."""
    yield list(COLUMNS)
    for device in devices:
        introduction = getattr(device, "introduction", None)
        yield [
            device.pk, device.standing, introduction.text if introduction else "", device.fingerprint,
            device.request_time, device.last_seen, device.decided_at, device.decided_by, device.denied_at,
            device.denied_by, device.denied_reason,
        ]  # fmt: skip
