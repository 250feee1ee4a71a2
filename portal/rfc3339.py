"""Moments as JSON carries them: texts after RFC 3339."""

import re
from datetime import UTC, datetime
from typing import overload

# With as many digits of a second as anybody writes; what lies below a microsecond is left out.
_FORM = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def read(text: str) -> datetime | None:
    """The moment with its offset; None if this is none, or on a day that there is not."""
    try:
        return datetime.fromisoformat(text.upper()) if _FORM.fullmatch(text) else None
    except ValueError:
        return None


@overload
def written(moment: datetime, timespec: str = "auto") -> str: ...
@overload
def written(moment: None, timespec: str = "auto") -> None: ...
@overload
def written(moment: datetime | None, timespec: str = "auto") -> str | None: ...
def written(moment: datetime | None, timespec: str = "auto") -> str | None:
    """A moment as every answer of ours writes it, in UTC; `timespec` is that of `datetime.isoformat`."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z") if moment else None
