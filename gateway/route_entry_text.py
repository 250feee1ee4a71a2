"""A list of routes as one text, `prefix.URL, prefix.URL`: read entry by entry, with what is wrong in its form."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

LONGEST_SHOWN = 200

NO_PREFIX: Final = "has no prefix; write prefix.http://host:port."
NO_TARGET: Final = "has no http:// or https:// target."
TWO_TARGETS: Final = "holds two targets; separate entries with a comma."
BAD_PORT: Final = "has a port that is not a number from 1 to 65535."
MORE_THAN_A_PLACE: Final = "must not hold a user, a query or a fragment."

_SEPARATORS = re.compile(r"[,\s]+")
_TARGET = re.compile(r"\.(https?://)", re.IGNORECASE)
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:\[[^\]]*\]|[^:]*)(?::(.*))?", re.DOTALL)


@dataclass(frozen=True)
class Entry:
    """What was written, in two parts if it has them. `shown` is safe to repeat; `wrong` says what its form lacks."""

    position: int
    shown: str
    prefix: str = field(default="", repr=False)
    target: str = field(default="", repr=False)
    wrong: str = ""
    text: str = field(default="", repr=False)

    def may_mean(self, prefix: str) -> bool:
        """Whether this is, or was before a slip of the pen, the entry of a prefix."""
        text = self.text.removeprefix("/").lower()
        return text.startswith(f"{prefix.lower()}.") or text == prefix.lower()


def read(text: str) -> list[Entry]:
    """The entries in their order, counted from 1; commas and white space stand between them."""
    words = [word for word in _SEPARATORS.split(text) if word]
    torn = _torn(words)
    return [one(position, word, is_torn=torn[position - 1]) for position, word in enumerate(words, 1)]


def one(position: int, word: str, *, is_torn: bool = False) -> Entry:
    """An entry, read; with `is_torn` it ends within a password."""
    shown, found = _shown(word, is_torn=is_torn), _TARGET.search(word)
    if _SCHEME.match(word) or (found and not word[: found.start()].strip("/")):
        return Entry(position, shown, wrong=NO_PREFIX, text=word)
    if found is None:
        return Entry(position, shown, wrong=NO_TARGET, text=word)
    prefix, target = word[: found.start()], word[found.start(1) :]
    wrong = MORE_THAN_A_PLACE if is_torn else _wrong(target[len(found[1]) :])
    return Entry(position, shown, prefix, target, wrong, word)


def _wrong(place: str) -> str:
    """What is wrong with what stands behind `http://`; what the fields of a route judge is left to them."""
    if "@" in place:
        return MORE_THAN_A_PLACE
    if "://" in place:
        return TWO_TARGETS
    if "?" in place or "#" in place:
        return MORE_THAN_A_PLACE
    parts = _AUTHORITY.fullmatch(place.partition("/")[0])
    port = parts[1] if parts else ""
    if port is None:
        return ""
    is_port = port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535
    return "" if is_port else BAD_PORT


def _torn(words: Sequence[str]) -> list[bool]:
    """Whether the comma or blank behind each word belongs to a password, whose rest and `@` come in later words."""
    torn, ahead = [], False
    for word in reversed(words):
        torn.append(ahead)
        ahead = not _TARGET.search(word) and ("@" in word or ahead)
    return torn[::-1]


def _shown(word: str, *, is_torn: bool) -> str:
    """The entry for a log: nothing of what may be a user and a password, and no query, where keys stand too."""
    found = _TARGET.search(word)
    end = found.end() if found else 0
    known, rest = word[:end], word[end:]
    if "@" in known:
        known = ""
    if is_torn:
        rest = "…"
    elif "@" in word:
        rest = f"…@{word.rpartition('@')[2]}"
    shown = known + re.sub(r"([?#]).+", r"\1…", rest, flags=re.DOTALL)
    plain = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in shown)
    return plain if len(plain) <= LONGEST_SHOWN else f"{plain[:LONGEST_SHOWN]}…"
