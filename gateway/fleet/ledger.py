"""What the devices of a fleet did with their shutdowns, counted on their side."""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.fleet.power import Clock

Key = tuple[str, str]


class Stage(StrEnum):
    """How far a device has come with a shutdown. `crashed` is after its claim, so that it knows nothing of it."""

    SEEN = "seen"
    REFUSED = "refused"
    CLAIMED = "claimed"
    CRASHED = "crashed"
    EXECUTING = "executing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


DONE = (Stage.SUCCEEDED, Stage.FAILED)


@dataclass
class Entry:
    """One shutdown of one device; `took` is in seconds, from when it was seen until its end was reported."""

    stage: Stage
    seen_at: float
    executions: int = 0
    took: float | None = None


class Ledger:
    """Counts for many threads."""

    def __init__(self, now: Clock = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._now = now
        self._entries: dict[Key, Entry] = {}
        self._refusals: Counter[str] = Counter()
        self._apps: Counter[str] = Counter()
        self._disallowed: Counter[str] = Counter()

    def note(self, device: str, job: str, stage: Stage) -> None:
        """The device has come so far. That it is offered a shutdown again undoes nothing."""
        with self._lock:
            entry = self._entries.setdefault((device, job), Entry(stage, self._now()))
            if stage == Stage.SEEN:
                return
            entry.stage = stage
            entry.executions += stage == Stage.EXECUTING
            if stage in DONE:
                entry.took = self._now() - entry.seen_at

    def refuse(self, device: str, job: str, code: str) -> None:
        """Its claim was refused, so that it does nothing."""
        self.note(device, job, Stage.REFUSED)
        with self._lock:
            self._refusals[code] += 1

    def note_app(self, what: str) -> None:
        """Something that an app did: `acknowledged`, or `bought` an access token."""
        with self._lock:
            self._apps[what] += 1

    def note_disallowed(self, what: str) -> None:
        """A door answered what it may not."""
        with self._lock:
            self._disallowed[what] += 1

    @property
    def disallowed(self) -> int:
        return self._disallowed.total()

    def as_dict(self) -> dict[str, Any]:
        with self._lock:
            entries = list(self._entries.values())
            stages = Counter(entry.stage for entry in entries)
            return {
                "seen": len(entries),
                "states": {str(stage): stages[stage] for stage in Stage},
                "executed": sum(entry.executions > 0 for entry in entries),
                "doubled": sum(entry.executions > 1 for entry in entries),
                "longest_s": round(max((entry.took or 0.0 for entry in entries), default=0.0), 2),
                "refused_claims": dict(self._refusals),
                "acknowledged": self._apps["acknowledged"],
                "access_tokens": self._apps["bought"],
                "disallowed": dict(self._disallowed),
            }

    def __str__(self) -> str:
        told = self.as_dict()
        states = ", ".join(f"{count} {stage}" for stage, count in told["states"].items() if count) or "none"
        disallowed = ", ".join(f"{count} {kind}" for kind, count in told["disallowed"].items()) or "none"
        return (
            f"{told['seen']} shutdowns seen: {states}; {told['executed']} executed, {told['doubled']} more than once; "
            f"longest from seen to done {told['longest_s']} s; {told['acknowledged']} acknowledgements of apps; "
            f"answers that are not allowed: {disallowed}"
        )
