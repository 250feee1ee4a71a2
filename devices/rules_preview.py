"""What a rule would have matched among the devices there are, before anybody goes by it."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devices import conditions, counts, rules
from devices.conditions import Candidate
from devices.models import Device, EnrolmentRule, Status

LOOKED_AT = 10_000
AT_ONCE = 500
LONGEST = 1.0  # Seconds.
EXAMPLES = 50
SHOWN = 3


@dataclass(frozen=True)
class Example:
    """A device that fits, its status, or `denied`, and the members of its identity."""

    id: str
    status: str
    identity: Mapping[str, Any]

    def shown(self) -> list[tuple[str, str]]:
        """The first members that are texts, so that people know it."""
        return [(name, value) for name, value in self.identity.items() if isinstance(value, str)][:SHOWN]


@dataclass(frozen=True)
class Preview:
    """Of the newest `looked_at` devices, how many fit, how many of these wait for a decision, and the newest 50."""

    looked_at: int
    matched: int
    waiting: int
    examples: list[Example]


def preview(rule: EnrolmentRule) -> Preview:
    """Look for devices that meet the conditions of the rule among the newest 10,000, whatever was decided about them,
    for a second at most.

    Time window, count and other rules are left out of account.
    """
    rules.check_conditions(rule)
    facts = ("pk", "status", "denied_at", "introduction__members", "introduction__ca")
    newest = Device.objects.order_by("-request_time", "-pk").values_list(*facts)[:LOOKED_AT]
    # To read identities takes of the second, too, and they are read as far as it goes.
    found, looked_at, end = [], 0, time.monotonic() + LONGEST
    for pk, status, denied_at, members, ca in newest.iterator(chunk_size=AT_ONCE):
        candidate = Candidate(pk, members if isinstance(members, dict) else {}, ca or "")
        if conditions.fits(rule, candidate):
            found.append(Example(pk, counts.DENIED if denied_at else status, candidate.members))
        looked_at += 1
        if time.monotonic() > end:
            break  # Strangers choose how long the values are that a pattern is held against.
    by_status = Counter(example.status for example in found)
    return Preview(looked_at, len(found), by_status[Status.PENDING], found[:EXAMPLES])
