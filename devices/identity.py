"""The identity of a device: its canonical form, its digest, and what is no identity."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from portal import strict_json, text

MAX_BYTES = 8192

Members = Mapping[str, str | list[str]]

# The escapes beside JSON's own that the canonical form demands.
_ESCAPES = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})


class Malformed(ValueError):
    """The text is no identity; the message says why."""


class Empty(Malformed):
    """The text is an identity that says nothing."""


class TooLong(Malformed):
    """The text is over 8,192 bytes."""


@dataclass(frozen=True)
class Identity:
    """An identity as it was sent, decoded, and its digest in lower-case hex."""

    text: str
    members: Members
    digest: str


def read(sent: str, *, lists: bool = False) -> Identity:
    """Decode an identity: a JSON object of texts (or, with `lists`, of lists of texts), each member once."""
    try:
        members = strict_json.loads_text(sent)
    except strict_json.Unreadable as unreadable:
        raise Malformed(str(unreadable)) from unreadable
    if members is None or members == {}:
        raise Empty("it has no members")
    if not isinstance(members, dict):
        raise Malformed("it is not a JSON object")
    for name, value in members.items():
        _judge(name, value, lists=lists)
    if len(sent.encode()) > MAX_BYTES:
        raise TooLong(f"it is over {MAX_BYTES} bytes")
    return Identity(sent, members, digest(members))


def canonical(members: Members) -> str:
    """Members sorted by code point, no blanks, and `<` `>` `&` U+2028 U+2029 escaped."""
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).translate(_ESCAPES)


def digest(members: Members) -> str:
    """SHA-256 of the canonical form in UTF-8, 64 lower-case hex digits."""
    return hashlib.sha256(canonical(members).encode()).hexdigest()


def _judge(name: str, value: object, *, lists: bool) -> None:
    texts = value if lists and isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in texts):
        raise Malformed(f"the value of {name!r} is not text")
    for item in (name, *texts):
        if char := text.hidden_character(str(item)):
            raise Malformed(f"it holds the invisible character {char}")
