"""The query of a SCIM list: which part of it, in which order, under which filter, and with which members."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from drf_spectacular.utils import OpenApiParameter

from gateway.dialects import scim_filter
from gateway.dialects.insights_hub import InvalidParameter
from gateway.dialects.scim_filter import Malformed
from gateway.dialects.scim_tree import Attributes, Tree

SCHEMA = "urn:scim:schemas:core:1.0"
USUAL, MOST = 100, 500
ALWAYS = ("schemas", "id")
ORDERS = ("ascending", "descending")

Sorts = Mapping[str, str]

_NUMBER = re.compile(r"[+-]?\d+", re.ASCII)
# No list is longer, and no database counts further.
_FARTHEST = 10**9


@dataclass(frozen=True)
class Wanted:
    """`sort` is the first column of the order; `members` those that were asked for, None if all are shown."""

    start: int
    count: int
    sort: str
    descending: bool
    filter: Tree | None
    members: frozenset[str] | None
    of_subtenant: bool

    @property
    def slice(self) -> slice:
        return slice(self.start - 1, self.start - 1 + self.count)

    def shows(self, member: str) -> bool:
        return self.members is None or member.lower() in self.members

    def shown(self, members: Mapping[str, Any]) -> dict[str, Any]:
        """Of the members those that were asked for, and those that always come."""
        return {name: value for name, value in members.items() if name in ALWAYS or self.shows(name)}

    def page(self, resources: Sequence[Any], total: int) -> dict[str, Any]:
        return {
            "schemas": [SCHEMA],
            "resources": resources,
            "startIndex": self.start,
            "itemsPerPage": self.count,
            "totalResults": total,
        }


def read(query: QueryDict, sorts: Sorts, known: Attributes) -> Wanted:
    """What the query asks for; `sorts` gives the column of each name to sort by, the usual one first."""
    members = _once(query, "attributes")
    sort = _one_of(query, "sortBy", list(sorts))
    return Wanted(
        start=max(1, _number(query, "startIndex", 1)),
        count=max(0, min(_number(query, "count", USUAL), MOST)),
        sort=sorts[sort],
        descending=_one_of(query, "sortOrder", ORDERS) == "descending",
        filter=_filter(query, known),
        members=frozenset(name.strip().lower() for name in members.split(",")) if members else None,
        of_subtenant=bool(_once(query, "subtenant")),
    )


def documented(sorts: Sorts, filtered: str) -> list[OpenApiParameter]:
    """The parameters for the OpenAPI; `filtered` says what a filter may name."""
    return [
        OpenApiParameter("startIndex", int, description="Where the page begins; 1 unless told."),
        OpenApiParameter("count", int, description=f"How many at most; {USUAL} unless told, {MOST} where it is more."),
        OpenApiParameter("sortBy", enum=list(sorts), description=f"The order; `{next(iter(sorts))}` unless told."),
        OpenApiParameter("sortOrder", enum=ORDERS, description="`ascending` unless told."),
        OpenApiParameter("filter", str, description=f"SCIM 1.1, such as `{filtered}`; at most 1,000 characters."),
        OpenApiParameter("attributes", str, description="The members to show, with commas between; all unless told."),
        OpenApiParameter("subtenant", str, description="There are none, so the page of one is empty."),
    ]


def _once(query: QueryDict, name: str) -> str | None:
    sent = query.getlist(name)
    if len(sent) > 1:
        raise InvalidParameter(f"The parameter {name} is given twice; give it once.")
    return sent[0] if sent else None


def _number(query: QueryDict, name: str, usual: int) -> int:
    sent = _once(query, name)
    if sent is None:
        return usual
    if not _NUMBER.fullmatch(sent):
        raise InvalidParameter(f"The parameter {name} is a whole number.")
    # A number that is longer than any is not reckoned with.
    digits = sent.lstrip("+-").lstrip("0") or "0"
    value = int(digits) if len(digits) < len(str(_FARTHEST)) else _FARTHEST
    return -value if sent.startswith("-") else value


def _one_of(query: QueryDict, name: str, words: Sequence[str]) -> str:
    """One of these words in any case; the first of them if none is sent."""
    sent = _once(query, name)
    if sent is None:
        return words[0]
    found = next((word for word in words if word.lower() == sent.lower()), None)
    if found is None:
        raise InvalidParameter(f"The parameter {name} is one of {', '.join(words)}.")
    return found


def _filter(query: QueryDict, known: Attributes) -> Tree | None:
    sent = _once(query, "filter")
    if sent is None:
        return None
    try:
        return scim_filter.parse(sent, known)
    except Malformed as malformed:
        raise InvalidParameter(f"Invalid filter expression: [{sent[: scim_filter.LONGEST]}] {malformed}") from malformed
