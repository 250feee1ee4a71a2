"""What a run of simulated devices comes to: how often which outcome, and how long they waited for answers."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from gateway.fleet.conversation import Outcome, Verdict


@dataclass(frozen=True)
class Summary:
    """`asked` counts requests to be let in, `served` calls that were answered after one; `seconds` are of the clock."""

    devices: int
    requests: int
    asked: int
    pending: int
    accepted: int
    served: int
    refused: int
    errors: dict[str, int]
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    worst_ms: float

    def __str__(self) -> str:
        errors = ", ".join(f"{count} {kind}" for kind, count in self.errors.items()) or "no"
        return (
            f"{self.devices} devices asked {self.asked} times: {self.pending} pending, {self.accepted} accepted; "
            f"{self.served} calls served, {self.refused} refused; {errors} errors; {self.requests} requests in "
            f"{self.seconds} s, {self.per_second}/s; wait p50 {self.p50_ms} ms, p99 {self.p99_ms} ms, "
            f"worst {self.worst_ms} ms"
        )

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


class Tally:
    """Counts for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = 0
        self._outcomes: Counter[Outcome] = Counter()
        self._errors: Counter[str] = Counter()
        self._waits: list[float] = []

    def note(self, verdict: Verdict, seconds: float, *, asked: bool) -> None:
        """Count a call that took so many seconds; `asked` if it was one to be let in."""
        with self._lock:
            self._asked += asked
            self._outcomes[verdict.outcome] += 1
            if verdict.outcome == Outcome.ERROR:
                self._errors[verdict.kind] += 1
            self._waits.append(seconds)

    def summary(self, *, devices: int, seconds: float) -> Summary:
        """The counts so far, after so many seconds."""
        with self._lock:
            waits, outcomes, errors, asked = sorted(self._waits), self._outcomes.copy(), dict(self._errors), self._asked
        return Summary(
            devices=devices,
            requests=len(waits),
            asked=asked,
            pending=outcomes[Outcome.PENDING],
            accepted=outcomes[Outcome.ACCEPTED],
            served=outcomes[Outcome.SERVED],
            refused=outcomes[Outcome.REFUSED],
            errors=errors,
            seconds=round(seconds, 2),
            per_second=round(len(waits) / seconds, 1) if seconds else 0.0,
            p50_ms=_milliseconds(waits, 0.50),
            p99_ms=_milliseconds(waits, 0.99),
            worst_ms=_milliseconds(waits, 1.0),
        )


def _milliseconds(waits: Sequence[float], share: float) -> float:
    """The wait that so large a share of all did not exceed; `waits` ascends."""
    if not waits:
        return 0.0
    return round(waits[min(len(waits) - 1, int(len(waits) * share))] * 1000, 1)
