"""What an enrolment rule may ask of a device: the CA it comes from, a pattern of a member, a range of numbers."""

import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from devices.models import EnrolmentRule

_RUNS = re.compile(r"[0-9]+|[^0-9]+")


@dataclass(frozen=True)
class Candidate:
    """A device that has proved its key: its id, the members of its identity, the SHA-256 of the CA it comes from.

    A device that comes with a certificate alone has no members; one that comes without a certificate has no CA.
    """

    id: str
    members: Mapping[str, Any]
    ca: str = ""


class NoRange(ValueError):
    """The two ends span no range of numbers; `end` is the one that is wrong, `first` or `last`."""

    def __init__(self, end: str, sentence: str) -> None:
        super().__init__(sentence)
        self.end = end


@dataclass(frozen=True)
class Range:
    """The texts that have a number from `low` to `high` between `before` and `after`, with as many digits as these."""

    before: str
    after: str
    low: str
    high: str

    def holds(self, value: str) -> bool:
        """Whether the value is one of them."""
        digits = value[len(self.before) : len(value) - len(self.after)]
        return (
            value == f"{self.before}{digits}{self.after}"
            and len(self.low) <= len(digits) <= len(self.high)
            and digits.isascii()
            and digits.isdigit()
            and int(self.low) <= int(digits) <= int(self.high)
        )


def fits(rule: EnrolmentRule, candidate: Candidate) -> bool:
    """Whether the device meets every condition of the rule; its time window and its count are no conditions."""
    return (
        (not rule.ca or rule.ca == candidate.ca)
        and (not rule.attribute or any(matches(rule.pattern, each) for each in _values(candidate, rule.attribute)))
        and (not rule.first or any(span(rule.first, rule.last).holds(each) for each in _ranged(rule, candidate)))
    )


def fits_every_device(rule: EnrolmentRule) -> bool:
    """Whether it asks nothing of a device."""
    return not (rule.ca or rule.attribute or rule.first)


def matches(pattern: str, value: str) -> bool:
    """Whether the whole value is the pattern, where `*` is any text and `?` any one character; letters keep their case.

    A bit is a place in the pattern, and all places are followed at once: the time is that of one pass over the value.
    """
    length, letters, anything, stays = _places(pattern)
    places = 1
    for char in value:
        places = ((places & (letters.get(char, 0) | anything)) << 1) | (places & stays)
        if not places:
            return False
    return bool(places >> length & 1)


@lru_cache(maxsize=256)
def _places(pattern: str) -> tuple[int, Mapping[str, int], int, int]:
    """How many characters the pattern has without `*`, the places of each letter, those of `?`, and those of `*`."""
    letters: dict[str, int] = {}
    length = stays = 0
    for char in pattern:
        if char == "*":
            stays |= 1 << length
        else:
            letters[char] = letters.get(char, 0) | 1 << length
            length += 1
    anything = letters.pop("?", 0)
    return length, letters, anything, stays


@lru_cache(maxsize=256)
def span(first: str, last: str) -> Range:
    """The range between two texts that are the same but for one number, as SN0001 and SN0999 are."""
    runs, others = _RUNS.findall(first), _RUNS.findall(last)
    numbers = [place for place, run in enumerate(runs) if run[0] in string.digits]
    if not numbers:
        raise NoRange("first", "Write a text with a number, such as SN0001.")
    differ = [place for place, (one, other) in enumerate(zip(runs, others, strict=False)) if one != other]
    place = differ[0] if differ else numbers[-1]
    if len(runs) != len(others) or len(differ) > 1 or place not in numbers or others[place][0] not in string.digits:
        raise NoRange("last", "Both ends must be the same but for one number, as SN0001 and SN0999 are.")
    low, high = runs[place], others[place]
    if int(low) > int(high):
        raise NoRange("last", f"{last} comes before {first}; write the smaller number first.")
    if len(low) > len(high):
        raise NoRange("last", f"Its number needs at least the {len(low)} digits that the first one has.")
    return Range("".join(runs[:place]), "".join(runs[place + 1 :]), low, high)


def _ranged(rule: EnrolmentRule, candidate: Candidate) -> Iterator[str]:
    return _values(candidate, rule.range_of) if rule.range_of else iter([candidate.id])


def _values(candidate: Candidate, member: str) -> Iterator[str]:
    """The texts of a member: one, each of a list, or none."""
    value = candidate.members.get(member)
    yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str))
