"""Read JSON from strangers: bounded in depth, without NaN, NUL, lone surrogates or repeated members."""

import json
import math
import re
from typing import Any

MAX_DEPTH = 32

# Possessive, and a text that is not closed goes on to the end: no character is looked at twice.
_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|([\[{])|([\]}])', re.DOTALL)


class Unreadable(ValueError):
    """This is not JSON that we take; the text says why."""


def loads(raw: bytes, *, repeated_members: bool = False) -> Any:
    """Decode UTF-8 JSON. Of a member named twice the last counts if `repeated_members`, else it is a refusal."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as not_utf8:
        raise Unreadable("the text is not UTF-8") from not_utf8
    return loads_text(text, repeated_members=repeated_members)


def loads_text(text: str, *, repeated_members: bool = False) -> Any:
    """The same for text that is decoded already."""
    if text.startswith("\ufeff"):
        raise Unreadable("the text begins with a byte order mark")
    try:
        raw = text.encode()
    except UnicodeEncodeError as half:
        raise Unreadable("it holds half of a surrogate pair") from half
    if _depth(raw) > MAX_DEPTH:
        raise Unreadable(f"it is nested deeper than {MAX_DEPTH} levels")
    try:
        value = json.loads(
            text,
            parse_constant=_constant,
            parse_float=_finite,
            object_pairs_hook=None if repeated_members else _once,
        )
    except RecursionError as deep:
        raise Unreadable(f"it is nested deeper than {MAX_DEPTH} levels") from deep
    except Unreadable:
        raise
    except ValueError as wrong:  # Also integers of more digits than Python converts.
        position = f" at character {wrong.pos + 1}" if isinstance(wrong, json.JSONDecodeError) else ""
        raise Unreadable(f"it is not JSON{position}") from wrong
    if "\\u" in text:
        _check(value)
    return value


def _depth(raw: bytes) -> int:
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return 0  # Not worth a look: so few cannot be nested deeper.
    depth = deepest = 0
    for opened, closed in _BRACKETS.findall(raw):
        depth += bool(opened) - bool(closed)
        deepest = max(deepest, depth)
    return deepest


def _constant(name: str) -> Any:
    raise Unreadable(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    if math.isinf(value := float(digits)):
        raise Unreadable("it holds a number that is too large")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise Unreadable("it names a member twice")
    return members


def _check(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise Unreadable("it holds the character U+0000")
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise Unreadable("it holds half of a surrogate pair")
    elif isinstance(value, dict):
        for name, member in value.items():
            _check(name)
            _check(member)
    elif isinstance(value, list):
        for item in value:
            _check(item)
