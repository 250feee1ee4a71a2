"""How soon a device asks again whether there is work for it: the more devices there are, the later."""

import math
import secrets
import time

from devices import counts
from devices.models import Status

# Seconds; between them as many as let so many polls come in a second.
SOONEST, LATEST = 5, 60
POLLS_A_SECOND = 40
SPREAD = 0.2
HELD = 10.0  # Seconds that a process goes by the number it has read.

_held: tuple[float, int] | None = None


def seconds() -> int:
    """Until its next poll: up to a fifth less or more, so that devices that came together do not stay together."""
    usual = min(LATEST, max(SOONEST, _accepted() / POLLS_A_SECOND))
    least, most = math.ceil(usual * (1 - SPREAD)), min(LATEST, math.floor(usual * (1 + SPREAD)))
    return least + secrets.randbelow(most - least + 1)


def forget() -> None:
    """Count anew at the next poll of this process."""
    global _held
    _held = None


def _accepted() -> int:
    global _held  # One number a process.
    if _held is None or time.monotonic() >= _held[0]:
        _held = (time.monotonic() + HELD, counts.in_tab(Status.ACCEPTED))
    return _held[1]
