"""Lists come in pages with a cap; a page follows another by a cursor, and costs the same wherever it stands.

A cursor holds a position that goes into a query, so it bears a seal: one that was changed, or taken from another list,
is refused before the database sees it.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any
from urllib.parse import urlsplit

from django.utils.crypto import constant_time_compare
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from portal import sealing
from portal.keyset import Order, Place
from portal.parameters import Parameter, Whole

CURSOR = Parameter(
    name="cursor", description="Where the page begins; stands in `next` and `previous` of another page of this list."
)
LIMIT = Whole(name="limit", description="How many results a page holds.", least=1, most=500, usual=50)
PAGE = (CURSOR, LIMIT)

_LINK = {"type": ["string", "null"], "format": "uri"}


class Paging(BasePagination):
    """`{"results": […], "next": "<URL or null>", "previous": …}`; the view is an Endpoint that pages this operation."""

    ordering = "pk"

    def order(self, view: Any) -> str:
        """The order of the list: a field, with `-` before it for the other direction."""
        return self.ordering

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.url = request.build_absolute_uri()
        self.spelled = self.order(view)
        order, size = Order.spelled(self.spelled), view.wanted.get("limit", LIMIT.usual)
        backward, place = self._read(view.wanted["cursor"]) if "cursor" in view.wanted else (False, None)
        rows = (order.backward() if backward else order).rows(queryset, place, size + 1)
        more, page = len(rows) > size, rows[:size]
        if backward:
            page.reverse()
        self.next = self.previous = None
        if page and (backward or more):
            self.next = self._link(False, order.place(page[-1]))
        if page and (more if backward else place):
            self.previous = self._link(True, order.place(page[0]))
        return page

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.next, "previous": self.previous})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        links = {
            "next": {**_LINK, "description": "The page after this one.", "example": None},
            "previous": {**_LINK, "description": "The page before this one.", "example": None},
        }
        members = {"results": schema, **links}
        return {"type": "object", "required": list(members), "properties": members}

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return []  # PAGE is documented with the other parameters of the endpoint.

    def _link(self, backward: bool, place: Place) -> str:
        made = urlsafe_b64encode(json.dumps([backward, place.value, place.pk]).encode()).decode()
        return replace_query_param(self.url, CURSOR.name, f"{made}.{self._seal(made)}")

    def _read(self, sent: str) -> tuple[bool, Place]:
        made, _, seal = sent.rpartition(".")
        if not constant_time_compare(self._seal(made), seal):
            raise CURSOR.refuse("This cursor is none of this list and order; take it from 'next' or 'previous'.")
        backward, value, pk = json.loads(urlsafe_b64decode(made))
        return backward, Place(value, pk)

    def _seal(self, made: str) -> str:
        place = f"{urlsplit(self.url).path}\n{self.spelled}\n{made}"
        return sealing.mac("cursor", place.encode("utf-8", "surrogatepass"))[:24]


class LatestFirst(Paging):
    """The other way round, for rows whose keys grow."""

    ordering = "-pk"


class CountedPaging(Paging):
    """A page that also says how many there are in all; the view knows, without counting."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        page = super().paginate_queryset(queryset, request, view)
        self.total: int | None = view.total()
        return page

    def get_paginated_response(self, data: Any) -> Response:
        response = super().get_paginated_response(data)
        response.data["total"] = self.total
        return response

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        shape = super().get_paginated_response_schema(schema)
        total = {
            "type": ["integer", "null"],
            "description": "How many there are on all pages; null under a filter that nobody keeps a count for.",
            "example": 1,
        }
        members = {**shape["properties"], "total": total}
        return {**shape, "required": list(members), "properties": members}
