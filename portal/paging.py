"""Lists: cursor paging with a cap, and query parameters that are judged and never ignored."""

from collections.abc import Sequence
from typing import Any

from rest_framework import exceptions
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

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
        sent = request.query_params.get("limit")
        if sent is None:
            return self.page_size
        if not (sent.isascii() and sent.isdigit() and 1 <= int(sent[:9]) <= self.max_page_size):
            raise Invalid("limit", f"'limit' is a whole number from 1 to {self.max_page_size}.")
        return int(sent)

    def decode_cursor(self, request: Request) -> Any:
        try:
            return super().decode_cursor(request)
        except exceptions.NotFound as foreign:
            raise Invalid("cursor", self.invalid_cursor_message) from foreign


def one_of(request: Request, name: str, allowed: Sequence[str]) -> str | None:
    """A query parameter that takes one word of a list; repeated or another word is refused."""
    sent = request.query_params.getlist(name)
    if len(sent) > 1:
        raise Invalid(name, f"'{name}' is given twice; give it once.")
    if sent and sent[0] not in allowed:
        raise Invalid(name, f"'{name}' is one of {', '.join(allowed)}.")
    return sent[0] if sent else None
