"""What a comparison of a SCIM filter means: as a condition of a query, and for a value that is at hand.

Moments are shown, and so compared, without what is less than a millisecond.
"""

import operator
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet

from gateway.dialects.scim_text import Folded, Hyphenated, folded, lowered, pattern
from gateway.dialects.scim_tree import Comparison, Kind, Tree, judged
from portal.models import User

EVERYBODY, NOBODY = Q(pk__isnull=False), Q(pk__in=[])
MILLISECOND = timedelta(milliseconds=1)
# The columns that hold text, and how they are called once A to Z in them are a to z.
TEXTS = {"id_text": "id_text", "username": "name_folded", "email": "email_folded", "first_name": "given_folded",
         "last_name": "family_folded"}  # fmt: skip
# More than any number that is kept.
MOST = 2**31

_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le,
}  # fmt: skip


def searchable(people: QuerySet[User]) -> QuerySet[User]:
    """People with the texts that conditions and orders ask for; what is not asked for costs nothing."""
    with_ids = people.alias(id_text=Hyphenated("pk"))
    return with_ids.alias(**{alias: Folded(F(column)) for column, alias in TEXTS.items() if alias != column})


def condition(tree: Tree, alone: Callable[[str], Q]) -> Q:
    """The filter for `searchable` people; `alone` gives the condition of an attribute that is compared alone."""

    def leaf(found: Comparison) -> Q:
        if found.attribute.kind is Kind.ALONE:
            return alone(found.value)
        if not found.attribute.source:
            return EVERYBODY if holds(found, found.attribute.constant) else NOBODY
        return _CONDITIONS[found.attribute.kind](found)

    return judged(tree, leaf, Q.__invert__)


def fits(tree: Tree, facts: Mapping[str, Any]) -> bool:
    """Whether the filter holds for these facts."""

    def leaf(found: Comparison) -> bool:
        return holds(found, facts[found.attribute.source])

    return judged(tree, leaf, operator.not_)


def holds(found: Comparison, actual: Any) -> bool:
    """Whether a comparison holds for a value of its attribute."""
    if found.operator == "pr":
        return found.attribute.kind is not Kind.TEXT or actual != ""
    if found.attribute.kind is Kind.TEXT:
        return _text_holds(found, actual)
    if found.attribute.kind is Kind.MOMENT:
        actual = whole(actual)
    return _ORDERS[found.operator](actual, found.value)


def whole(moment: datetime) -> datetime:
    """A moment without what is less than a millisecond."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _text_holds(found: Comparison, actual: str) -> bool:
    value, asked = folded(found.value), folded(actual)
    if found.operator in ("co", "sw"):
        return value in asked if found.operator == "co" else asked.startswith(value)
    if asked == value or found.operator in ("eq", "ne"):
        return (asked == value) is (found.operator in ("eq", "ge", "le"))
    return _ORDERS[found.operator](lowered(actual), lowered(found.value))


def _text(found: Comparison) -> Q:
    column, asked, value = found.attribute.source, found.operator, found.value
    if asked == "pr":
        return ~Q((column, ""))
    if asked in ("co", "sw"):
        begins = r"\A" if asked == "sw" else ""
        return Q((f"{column}__regex", begins + pattern(value))) if value else EVERYBODY
    same = Q((f"{column}__regex", rf"\A{pattern(value)}\Z"))
    if asked in ("eq", "ne"):
        return same if asked == "eq" else ~same
    beyond = Q((f"{TEXTS[column]}__{'gt' if asked in ('gt', 'ge') else 'lt'}", lowered(value)))
    return beyond | same if asked in ("ge", "le") else beyond & ~same


def _flag(found: Comparison) -> Q:
    if found.operator == "pr":
        return EVERYBODY
    return Q((found.attribute.source, found.value is (found.operator == "eq")))


def _number(found: Comparison) -> Q:
    if found.operator == "pr":
        return EVERYBODY
    value = max(-MOST, min(found.value, MOST))
    if found.operator == "ne":
        return ~Q((found.attribute.source, value))
    lookup = {"eq": "exact", "ge": "gte", "le": "lte"}.get(found.operator, found.operator)
    return Q((f"{found.attribute.source}__{lookup}", value))


def _moment(found: Comparison) -> Q:
    if found.operator == "pr":
        return EVERYBODY
    column, value = found.attribute.source, found.value
    begins, ends = whole(value), whole(value) + MILLISECOND
    same = Q((f"{column}__gte", begins), (f"{column}__lt", ends)) if value == begins else NOBODY
    at_least = Q((f"{column}__gte", begins if value == begins else ends))
    return {
        "eq": same,
        "ne": ~same,
        "gt": Q((f"{column}__gte", ends)),
        "ge": at_least,
        "lt": ~at_least,
        "le": Q((f"{column}__lt", ends)),
    }[found.operator]


_CONDITIONS: Mapping[Kind, Callable[[Comparison], Q]] = {
    Kind.TEXT: _text, Kind.FLAG: _flag, Kind.NUMBER: _number, Kind.MOMENT: _moment,
}  # fmt: skip
