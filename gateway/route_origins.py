"""The origins whose pages may call a route from a browser."""

import re
from collections.abc import Iterable
from typing import Final

from portal.refusal import Invalid

FIELD: Final = "cors_origins"
MOST: Final = 20
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ORIGIN = re.compile(
    rf"(?=.{{1,262}}\Z)(https?)://({_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]{{2,45}}\])(?::([1-9][0-9]{{0,4}}))?", re.ASCII
)
_USUAL = {"http": "80", "https": "443"}


def origins(wanted: Iterable[str]) -> list[str]:
    """Each once, as browsers write it: in lower case, without the usual port, and without a slash at its end."""
    found = list(dict.fromkeys(map(_origin, wanted)))
    if len(found) > MOST:
        raise Invalid(FIELD, f"A route lists at most {MOST} origins.")
    return found


def _origin(text: str) -> str:
    read = _ORIGIN.fullmatch(text.lower().removesuffix("/"))
    if read is None or int(read[3] or 0) > 65535:
        raise Invalid(
            FIELD, f"{text[:80]!r} is no origin; write scheme, host and port alone, such as https://app.example."
        )
    return f"{read[1]}://{read[2]}" + (f":{read[3]}" if read[3] and read[3] != _USUAL[read[1]] else "")
