"""The id of a shutdown as it stands in an address."""

import re
from uuid import UUID

_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def read(written: str) -> UUID | None:
    """The id, if it is written as we write it; no shutdown has any other."""
    return UUID(written) if _ID.fullmatch(written) else None
