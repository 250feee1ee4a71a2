"""The first path segments that the portal serves, read from its URLconfs and from where its static files are."""

from collections.abc import Iterator
from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

SLASH_OR_END = r"(?:/|\Z)"
_SPECIAL = frozenset("\\^$.|?*+()[]{}")


@cache
def segments(urlconf: str) -> tuple[str, ...]:
    """Sorted, without slashes. Everything else is for gateway routes, or for nobody."""
    found = set(_below(get_resolver(urlconf).url_patterns, "", urlconf))
    if urlconf == settings.ROOT_URLCONF:
        found.add(settings.STATIC_URL.strip("/").partition("/")[0])
    return tuple(sorted(found - {""}))


def _below(patterns: list[URLPattern | URLResolver], before: str, place: str) -> Iterator[str]:
    for pattern in patterns:
        literal, whole = _beginning(pattern)
        path = before + literal
        segment, slash, _ = path.lstrip("/").partition("/")
        if slash or (isinstance(pattern, URLPattern) and whole):
            yield segment
        elif not whole:
            raise ImproperlyConfigured(
                f"{place} has the address {path}… whose first segment is not fixed, so the door cannot know it."
            )
        elif isinstance(pattern, URLResolver):
            yield from _below(pattern.url_patterns, path, place)


def _beginning(pattern: URLPattern | URLResolver) -> tuple[str, bool]:
    """The literal text that a pattern begins with, and whether that is all of it."""
    if isinstance(pattern.pattern, RoutePattern):
        literal, variable, _ = str(pattern.pattern).partition("<")
        return literal, not variable
    regex = str(pattern.pattern).removeprefix("^")
    if regex.endswith(SLASH_OR_END):
        # The segment before it is whole, whether anything is below it or not.
        regex = regex.removesuffix(SLASH_OR_END) + "/"
    for end in (r"\Z", "$"):
        regex = regex.removesuffix(end)
    literal, escaped = "", False
    for char in regex:
        if escaped or char not in _SPECIAL:
            # `\.` is a dot, `\w` is no literal.
            if escaped and char.isalnum():
                return literal, False
            literal, escaped = literal + char, False
        elif char == "\\":
            escaped = True
        elif char in "?*{|":
            # What may be missing or repeated, or is one of several, was no literal.
            return literal[:-1] if char != "|" else "", False
        else:
            return literal, False
    return literal, True
