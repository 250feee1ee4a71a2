"""Enrolment rules are made, changed, switched and deleted here; `enrolment` goes by them."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.db import IntegrityError, transaction

from devices import conditions, enrolment
from devices.models import EnrolmentRule, Verdict
from portal import audit, outbox, text
from portal.actor import Actor
from portal.parameters import EARLIEST, LATEST
from portal.refusal import Invalid, NotFound, Refusal, Stale
from portal.topics import Topic

MOST_RULES = 200
MOST_DEVICES = 1_000_000
CONDITIONS: Final = ("ca", "attribute", "pattern", "range_of", "first", "last")
# What somebody may write of a rule; for a text that may be empty, how long it may be.
FACTS: Final = ("name", "verdict", "is_enabled", *CONDITIONS, "starts_at", "ends_at", "most")
LONGEST: Final = {"attribute": 64, "pattern": 256, "range_of": 64, "first": 128, "last": 128}

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class NameTaken(Refusal):
    code = "name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is an enrolment rule named {name} already; choose another name.")


class TooManyRules(Refusal):
    """Each device that waits asks every rule, again and again."""

    code = "too_many_rules"

    def __init__(self) -> None:
        super().__init__(f"There are {MOST_RULES} enrolment rules already; delete those that no device needs any more.")


class Changed(Stale):
    """The rule is another than was seen."""

    code = "rule_changed"

    def __init__(self, name: str) -> None:
        super().__init__(f"The rule {name} has changed since you looked; look again, then decide.")


class Unknown(NotFound):
    code = "rule_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such enrolment rule; the list shows all there are.")


def find(number: int) -> EnrolmentRule:
    """The rule with this number."""
    rule = EnrolmentRule.objects.filter(pk=number).first()
    if rule is None:
        raise Unknown
    return rule


def make(*, by: Actor, fits_every_device: bool = False, reason: str = "", **facts: Any) -> EnrolmentRule:
    """Add a rule. One that asks nothing of a device is refused unless `fits_every_device` says that this is meant."""
    rule = EnrolmentRule(**facts, created_by=str(by))
    check(rule)
    text.check("reason", reason, most=500)
    if conditions.fits_every_device(rule) and not fits_every_device:
        raise _unconfirmed()
    if EnrolmentRule.objects.count() >= MOST_RULES:
        raise TooManyRules
    try:
        with transaction.atomic():
            rule.save(force_insert=True)
            enrolment.changed()
            _tell(by, "made", rule.name, None, _facts(rule), reason)
    except IntegrityError as taken:
        raise NameTaken(rule.name) from taken
    return rule


def change(
    rule: EnrolmentRule,
    *,
    by: Actor,
    seen: int | None = None,
    fits_every_device: bool = False,
    reason: str = "",
    **facts: Any,
) -> None:
    """Change what `facts` names. `seen` is the revision that the person looked at; a rule changed since stays."""
    text.check("reason", reason, most=500)
    _refuse_unseen(rule, seen)
    before, wanted = _facts(rule), EnrolmentRule(**{**_facts(rule), **facts})
    check(wanted)
    changed = {name: value for name, value in _facts(wanted).items() if value != before[name]}
    if not changed:
        return
    asked_something = not conditions.fits_every_device(rule)
    if asked_something and conditions.fits_every_device(wanted) and not fits_every_device:
        raise _unconfirmed()
    verb = "changed"
    if list(changed) == ["is_enabled"]:
        verb = "enabled" if wanted.is_enabled else "disabled"
    try:
        with transaction.atomic():
            same = EnrolmentRule.objects.filter(pk=rule.pk, revision=rule.revision)
            if not same.update(**changed, revision=rule.revision + 1):
                raise Changed(rule.name) if EnrolmentRule.objects.filter(pk=rule.pk).exists() else Unknown
            enrolment.changed()
            _tell(by, verb, rule.name, {name: before[name] for name in changed}, changed, reason)
    except IntegrityError as taken:
        raise NameTaken(wanted.name) from taken
    rule.refresh_from_db()


def enable(rule: EnrolmentRule, *, by: Actor, seen: int | None = None, reason: str = "") -> None:
    """Let the rule decide again."""
    change(rule, by=by, seen=seen, reason=reason, is_enabled=True)


def disable(rule: EnrolmentRule, *, by: Actor, seen: int | None = None, reason: str = "") -> None:
    """Let the rule decide no more; what it has decided stays."""
    change(rule, by=by, seen=seen, reason=reason, is_enabled=False)


@transaction.atomic
def delete(rule: EnrolmentRule, *, by: Actor, seen: int | None = None, reason: str = "") -> None:
    """Remove the rule; what it has decided stays."""
    text.check("reason", reason, most=500)
    _refuse_unseen(rule, seen)
    deleted, _ = EnrolmentRule.objects.filter(pk=rule.pk, revision=rule.revision).delete()
    if not deleted:
        raise Changed(rule.name) if EnrolmentRule.objects.filter(pk=rule.pk).exists() else Unknown
    enrolment.changed()
    _tell(by, "deleted", rule.name, _facts(rule), None, reason)


def check(rule: EnrolmentRule) -> None:
    """Refuse a rule that says nothing sensible, naming the field."""
    text.check("name", rule.name, least=1, most=64)
    if rule.verdict not in Verdict.values:
        raise Invalid("verdict", "A rule accepts or rejects; choose one.")
    check_conditions(rule)
    for field in ("starts_at", "ends_at"):
        moment: datetime | None = getattr(rule, field)
        if moment is not None and not EARLIEST <= moment < LATEST:
            raise Invalid(field, f"Choose a time in the years {EARLIEST.year} to {LATEST.year - 1}.")
    if rule.starts_at and rule.ends_at and rule.ends_at <= rule.starts_at:
        raise Invalid("ends_at", "It ends before it starts; choose a later end.")
    if rule.most is not None and not 1 <= rule.most <= MOST_DEVICES:
        raise Invalid("most", f"Write a number from 1 to {MOST_DEVICES:,}, or nothing for no limit.")


def check_conditions(rule: EnrolmentRule) -> None:
    """Refuse conditions that are half said, or say nothing sensible."""
    if rule.ca and not _FINGERPRINT.fullmatch(rule.ca):
        raise Invalid("ca", "A CA is named by the SHA-256 of its certificate, 64 hex digits in lower case.")
    for field, most in LONGEST.items():
        text.check(field, getattr(rule, field), most=most)
    if rule.attribute and not rule.pattern:
        raise Invalid("pattern", "Write which values of the member fit; * stands for any text.")
    if rule.pattern and not rule.attribute:
        raise Invalid("attribute", "Write which member of the identity must fit the pattern.")
    if rule.first or rule.last or rule.range_of:
        for field in ("first", "last"):
            if not getattr(rule, field):
                raise Invalid(field, "A range needs both ends, such as SN0001 and SN0999.")
        try:
            conditions.span(rule.first, rule.last)
        except conditions.NoRange as wrong:
            raise Invalid(wrong.end, str(wrong)) from wrong


def _unconfirmed() -> Invalid:
    return Invalid(
        "fits_every_device", "This rule has no condition, so it fits every device; confirm that, or add one."
    )


def _refuse_unseen(rule: EnrolmentRule, seen: int | None) -> None:
    if seen is not None and seen != rule.revision:
        raise Changed(rule.name)


def _facts(rule: EnrolmentRule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in FACTS}


def _tell(
    by: Actor, word: str, name: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, reason: str
) -> None:
    verb = Topic(f"enrolment_rule.{word}")
    audit.record(by, verb, ("enrolment_rule", name), before=_said(before), after=_said(after), reason=reason)
    outbox.put(verb, {"rule": name, "by": str(by)})


def _said(facts: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The facts without those that say nothing."""
    return None if facts is None else {name: value for name, value in facts.items() if value not in ("", None)}
