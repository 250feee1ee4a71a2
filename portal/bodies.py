"""Bodies over REST: JSON in both directions, bounded before they are read."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from portal import strict_json
from portal.refusal import Invalid, Refusal

MAX_BODY = 1024 * 1024


class TooLarge(Refusal):
    status, code = 413, "too_large"


class LengthRequired(Refusal):
    status, code = 411, "length_required"


class NotJson(Refusal):
    status, code = 415, "unsupported_media_type"


class AlwaysJson(BaseContentNegotiation):
    """JSON for everybody, also for a browser that asks for HTML."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        return next(iter(parsers))

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


def body_of(request: Any, most: int = MAX_BODY) -> bytes:
    """The raw body; judged by its declared length before a byte is read."""
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length and request.META.get("HTTP_TRANSFER_ENCODING"):
        raise LengthRequired("Send the body with a Content-Length.")
    if length and not fits(length, most):
        raise TooLarge(f"The body is over {most} bytes; send less.")
    body: bytes = getattr(request, "_request", request).body
    if len(body) > most:
        raise TooLarge(f"The body is over {most} bytes; send less.")
    return body


def fits(length: str, most: int) -> bool:
    """Whether a declared length is a number, and no larger than this."""
    return length.isascii() and length.isdigit() and len(length) < 12 and int(length) <= most


def is_json(content_type: str) -> bool:
    """Whether this says JSON in UTF-8, in any case."""
    return _says("application/json", content_type)


def is_csv(content_type: str) -> bool:
    """Whether this says CSV in UTF-8, in any case."""
    return _says("text/csv", content_type)


def _says(wanted: str, content_type: str) -> bool:
    media, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [part.partition("=")[2].strip('" ') for part in parameters if part.startswith("charset")]
    return media == wanted and all(charset in ("utf-8", "utf8") for charset in charsets)


class StrictJsonParser(BaseParser):
    """Bodies of native endpoints: JSON, bounded, each member once."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        request = parser_context["request"]
        if not is_json(request.META.get("CONTENT_TYPE", "")):
            raise NotJson("Send the body as application/json in UTF-8.")
        try:
            return strict_json.loads(body_of(request))
        except strict_json.Unreadable as unreadable:
            raise Invalid("body", f"The body cannot be read: {unreadable}.") from unreadable


@dataclass(frozen=True)
class Csv:
    """A body that is a list, as it was sent."""

    raw: bytes


class JsonOrCsvParser(StrictJsonParser):
    """The same for an endpoint of which the operations in `takes_csv` take a list, too."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        request, view = parser_context["request"], parser_context["view"]
        if view.operation in view.takes_csv and is_csv(request.META.get("CONTENT_TYPE", "")):
            return Csv(body_of(request))
        return super().parse(stream, media_type, parser_context)
