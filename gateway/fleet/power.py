"""Whether a simulated device is on, which its apps share with it."""

import time
from collections.abc import Callable

Clock = Callable[[], float]


class Power:
    """On until it is switched off for a number of seconds. Times are those of a clock that nobody sets."""

    def __init__(self, now: Clock = time.monotonic) -> None:
        self.now = now
        self.boots = 1
        self._on_from = 0.0

    @property
    def off_for(self) -> float:
        """Seconds until it is on again; 0 if it is."""
        return max(0.0, self._on_from - self.now())

    def cut(self, seconds: float) -> None:
        """Off for so many seconds; what was only in memory is gone afterwards."""
        self._on_from = self.now() + seconds
        self.boots += 1
