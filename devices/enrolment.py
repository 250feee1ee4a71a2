"""Enrolment: what becomes of a device that proves its key before anybody has decided about it.

Of the enabled rules that fit, a rejecting one goes before an accepting one, then the oldest. Where none fits,
GATEHOUSE_ENROLMENT says whether the device waits for a person (`approve`) or is let in (`auto`).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from devices import conditions
from devices.conditions import Candidate
from devices.models import EnrolmentRule, Status, Verdict

__all__ = ["Candidate", "RuleChanged", "Ruling", "count", "forget", "ruling", "standing"]

HELD = 1.0  # Seconds that a process goes by the rules it has read, for each waiting device asks again and again.
VERDICTS = {Verdict.ACCEPT: Status.ACCEPTED, Verdict.REJECT: Status.REJECTED}

_held: tuple[float, Sequence[EnrolmentRule]] | None = None


class RuleChanged(Exception):
    """The rule was changed, or is used up, since it was read: what was about to follow from it is judged again."""


@dataclass(frozen=True)
class Ruling:
    """The status that the device gets, and by what: empty while it waits, `enrolment` or `rule NAME`."""

    status: Status
    by: str = ""
    rule: EnrolmentRule | None = None


def ruling(candidate: Candidate) -> Ruling:
    """What the rules say of a device that has proved its key: accepted, rejected, or that it waits."""
    now = timezone.now()
    for rule in _enabled():
        if standing(rule, now) == "live" and conditions.fits(rule, candidate):
            return Ruling(VERDICTS[Verdict(rule.verdict)], f"rule {rule.name}", rule)
    if settings.ENROLMENT == "auto":
        return Ruling(Status.ACCEPTED, "enrolment")
    return Ruling(Status.PENDING)


def count(made: Ruling) -> None:
    """Count the device in at the rule that decided on it, in the transaction that does what the rule says.

    Raises RuleChanged if the rule is not any more what it was, or used up; a ruling without a rule asks nothing.
    """
    if made.rule is None:
        return
    left = Q(most=None) | Q(used__lt=F("most"))
    same = EnrolmentRule.objects.filter(left, pk=made.rule.pk, revision=made.rule.revision, is_enabled=True)
    if not same.update(used=F("used") + 1):
        forget()
        raise RuleChanged


def forget() -> None:
    """Read the rules anew when the next device asks."""
    global _held
    _held = None


def changed() -> None:
    """The surrounding transaction changes a rule: this process goes by it at once, the others within a second."""
    forget()
    transaction.on_commit(forget)  # Again, as another thread may have read meanwhile what stood before.


def _enabled() -> Sequence[EnrolmentRule]:
    """The enabled rules, rejecting ones first, then by age."""
    global _held
    held, now = _held, time.monotonic()
    if held and now - held[0] < HELD:
        return held[1]
    rules = EnrolmentRule.objects.filter(is_enabled=True).order_by("created_at", "pk")
    read = sorted(rules, key=lambda rule: rule.verdict != Verdict.REJECT)
    _held = (now, read)
    return read


def standing(rule: EnrolmentRule, now: datetime) -> str:
    """Whether the rule decides now, in a word: `live`, or why it does not."""
    if not rule.is_enabled:
        return "disabled"
    if rule.most is not None and rule.used >= rule.most:
        return "used up"
    if rule.ends_at and rule.ends_at <= now:
        return "ended"
    return "not yet" if rule.starts_at and now < rule.starts_at else "live"
