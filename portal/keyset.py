"""Walk a list from any place in it: as ranges of an index, so that its end costs what its beginning costs.

The order is that of one field, and of the primary key where rows have the same value, both in the same direction. A row
without a value comes before all others, and last in the other direction.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet


@dataclass(frozen=True)
class Place:
    """Where a row stands: its value of the field, as JSON knows it, and its primary key."""

    value: Any
    pk: Any


@dataclass(frozen=True)
class Order:
    field: str
    descending: bool = False

    @classmethod
    def spelled(cls, text: str) -> "Order":
        """`last_seen`, or `-last_seen` for the other direction."""
        return cls(text.removeprefix("-"), text.startswith("-"))

    def backward(self) -> "Order":
        return Order(self.field, not self.descending)

    def place(self, row: Any) -> Place:
        return Place(_plain(getattr(row, self.field)), _plain(row.pk))

    def rows(self, queryset: QuerySet[Any], place: Place | None, most: int) -> list[Any]:
        """The first rows after the place, or from the beginning."""
        sign = "-" if self.descending else ""
        by = ("pk",) if self._kind(queryset).primary_key else (self.field, "pk")
        ordered = queryset.order_by(*(f"{sign}{field}" for field in by))
        found: list[Any] = []
        for stretch in self._stretches(queryset, place):
            if len(found) < most:
                # First the keys alone: joined with others, PostgreSQL would read the list from its beginning.
                keys = ordered.filter(stretch).values("pk")[: most - len(found)]
                found += ordered.filter(pk__in=keys)
        return found

    def _stretches(self, queryset: QuerySet[Any], place: Place | None) -> list[Q]:
        """What follows the place, in order: a condition that spans two of these would be read as a whole and sorted."""
        field, beyond = self.field, "lt" if self.descending else "gt"
        kind = self._kind(queryset)
        if kind.primary_key:
            return [Q() if place is None else Q(**{f"pk__{beyond}": place.pk})]
        valued, empty = Q(**{f"{field}__isnull": False}), Q(**{f"{field}__isnull": True})
        both = [valued, empty] if self.descending else [empty, valued]
        if place is None:
            return both if kind.null else [Q()]
        if place.value is None:
            return [empty & Q(**{f"pk__{beyond}": place.pk}), *([] if self.descending else [valued])]
        value = kind.to_python(place.value)
        ties = Q(**{field: value, f"pk__{beyond}": place.pk})
        return [ties, Q(**{f"{field}__{beyond}": value}), *([empty] if self.descending and kind.null else [])]

    def _kind(self, queryset: QuerySet[Any]) -> Any:
        facts = queryset.model._meta
        return facts.pk if self.field == "pk" else facts.get_field(self.field)


def _plain(value: Any) -> Any:
    """A value as JSON knows it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
