"""When something happened by the clock of a device, which may be years off."""

import re
from datetime import UTC, datetime

# RFC 3339, with as many digits of a second as devices write.
_FORM = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def read(sent: object) -> datetime | None:
    """The moment in UTC, to the microsecond; None if this is no RFC 3339. A clock that begins in 1970 is no fault."""
    if not isinstance(sent, str) or not _FORM.fullmatch(sent):
        return None
    try:
        return datetime.fromisoformat(sent.upper()).astimezone(UTC)
    except (ValueError, OverflowError):  # No such day, or before all time once the offset is taken off.
        return None
