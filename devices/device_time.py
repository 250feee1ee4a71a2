"""When something happened by the clock of a device, which may be years off."""

from datetime import UTC, datetime

from portal import rfc3339


def read(sent: object) -> datetime | None:
    """The moment in UTC, to the microsecond; None if this is no RFC 3339. A clock that begins in 1970 is no fault."""
    moment = rfc3339.read(sent) if isinstance(sent, str) else None
    try:
        return moment.astimezone(UTC) if moment else None
    except OverflowError:  # Before all time once the offset is taken off.
        return None
