"""Lists: cursor paging with a cap, and query parameters that are judged and never ignored.

A cursor holds a position that goes into a query, so it bears a seal: one that was changed, or taken from another list,
is refused before the database sees it.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.utils.crypto import constant_time_compare
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from portal import sealing
from portal.refusal import Invalid


class Paging(CursorPagination):
    """`{"results": […], "next": "<URL or null>", "previous": …}`; `limit` from 1 to 500, 50 unless told."""

    page_size = 50
    max_page_size = 500
    page_size_query_param = "limit"
    cursor_query_description = "Where the page begins, taken from `next` or `previous` of another page."
    page_size_query_description = "How many results a page holds, from 1 to 500; 50 unless told."
    ordering: Any = "pk"
    invalid_cursor_message = "This cursor is not one of ours; take it from 'next' or 'previous'."

    def get_page_size(self, request: Request) -> int | None:
        sent = once(request, "limit")
        if sent is None:
            return self.page_size
        if not (sent.isascii() and sent.isdigit() and len(sent) <= 3 and 1 <= int(sent) <= self.max_page_size):
            raise Invalid("limit", f"'limit' is a whole number from 1 to {self.max_page_size}.")
        return int(sent)

    def encode_cursor(self, cursor: Cursor) -> str:
        url = self.base_url or ""
        made = urlsafe_b64encode(json.dumps([cursor.offset, cursor.reverse, cursor.position]).encode()).decode()
        return replace_query_param(url, self.cursor_query_param, f"{made}.{self._seal(urlsplit(url).path, made)}")

    def decode_cursor(self, request: Request) -> Cursor | None:
        sent = once(request, self.cursor_query_param)
        if sent is None:
            return None
        made, _, seal = sent.rpartition(".")
        if not constant_time_compare(self._seal(urlsplit(request.build_absolute_uri()).path, made), seal):
            raise Invalid("cursor", self.invalid_cursor_message)
        return Cursor(*json.loads(urlsafe_b64decode(made)))

    def _seal(self, path: str, made: str) -> str:
        place = f"{path}\n{self.ordering}\n{made}"
        return sealing.mac("cursor", place.encode("utf-8", "surrogatepass"))[:24]


def once(request: Request, name: str) -> str | None:
    """A query parameter as sent; given twice it is refused."""
    sent = request.query_params.getlist(name)
    if len(sent) > 1:
        raise Invalid(name, f"'{name}' is given twice; give it once.")
    return sent[0] if sent else None


def one_of(request: Request, name: str, allowed: Sequence[str]) -> str | None:
    """A query parameter that takes one word of a list; another word is refused."""
    sent = once(request, name)
    if sent is not None and sent not in allowed:
        raise Invalid(name, f"'{name}' is one of {', '.join(allowed)}.")
    return sent
