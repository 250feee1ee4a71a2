"""Pages of the Satellite lists: their query, their order, and the links to other pages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F
from rest_framework.request import Request

from portal.parameters import once, one_of
from portal.refusal import Invalid

MOST_SKIPPED = 2**31 - 1

# Devices have no name apart from the id; ties by id. One that was never seen was seen before all others.
ORDERS: Mapping[str, tuple[Any, ...]] = {
    "uuid-asc": ("pk",),
    "uuid-desc": ("-pk",),
    "last-seen-asc": (F("last_seen").asc(nulls_first=True), "pk"),
    "last-seen-desc": (F("last_seen").desc(nulls_last=True), "pk"),
    "created-at-asc": ("request_time", "pk"),
    "created-at-desc": ("-request_time", "pk"),
    "name-asc": ("pk",),
    "name-desc": ("-pk",),
}
USUAL_ORDER = "name-asc"


@dataclass(frozen=True)
class Page:
    """What was asked for: how many to skip, how many to show at most, and what else stands in the links."""

    path: str
    offset: int
    limit: int
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def slice(self) -> slice:
        """The rows of the page and one more, which says whether another page follows."""
        return slice(self.offset, self.offset + self.limit + 1)

    def links(self, *, total: int, more: bool) -> str:
        """The header `Link`; the path is the one that was called."""
        links = [("first", 0)]
        links += [("prev", max(0, self.offset - self.limit))] if self.offset else []
        links += [("next", self.offset + self.limit)] if more else []
        links += [("last", max(0, total - 1) // self.limit * self.limit)]
        return ", ".join(f'<{self._reference(offset)}>; rel="{name}"' for name, offset in links)

    def _reference(self, offset: int) -> str:
        others = "".join(f"&{name}={value}" for name, value in self.others.items())
        return f"{self.path}?offset={offset}&limit={self.limit}{others}"


def read(request: Request, *, most: int, ordered: bool) -> Page:
    """Judge the query; unknown parameters are ignored."""
    others = {}
    if ordered:
        order = one_of(request.query_params, "order-by", list(ORDERS))
        others["order-by"] = USUAL_ORDER if order is None else order
    limit = _number(request, "limit", otherwise=most, least=1, most=most)
    offset = _number(request, "offset", otherwise=0, least=0, most=MOST_SKIPPED)
    return Page(request.path, offset, limit, others)


def _number(request: Request, name: str, *, otherwise: int, least: int, most: int) -> int:
    sent = once(request.query_params, name)
    if sent is None:
        return otherwise
    if not (sent.isascii() and sent.isdigit() and len(sent) <= 10 and least <= int(sent) <= most):
        raise Invalid(name, f"'{name}' is a whole number from {least} to {most}.")
    return int(sent)
