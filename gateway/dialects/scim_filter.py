"""Filters of SCIM 1.1: read into a tree of comparisons, whose names, operators and values have been judged.

    filter      = alternative *( "or" alternative )
    alternative = term *( "and" term )
    term        = [ "not" ] "(" filter ")" | attribute "pr" | attribute operator value

Names and operators are read in any case; values are JSON.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.dialects.scim_tree import Attribute, Attributes, Comparison, Joined, Kind, Negated, Tree
from portal import rfc3339

LONGEST, MOST_TERMS, DEEPEST = 1000, 20, 8

_ENDS = r"(?=[\s()]|\Z)"
_TOKEN = re.compile(
    rf'(?P<bracket>[()])|(?P<text>"(?:[^"\\]|\\.)*"){_ENDS}'
    rf"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?){_ENDS}|(?P<word>[A-Za-z][A-Za-z0-9_.]*){_ENDS}",
    re.ASCII | re.DOTALL,
)
_BLANKS = re.compile(r"\s*", re.ASCII)
_UNFIT = re.compile("[\0\ud800-\udfff]")


class Malformed(Exception):
    """This is no filter; the text says why."""


def parse(text: str, known: Attributes) -> Tree:
    """The tree of a filter over these attributes, which stand under their names in lower case."""
    if len(text) > LONGEST:
        raise Malformed(f"It has more than {LONGEST} characters.")
    return _Reader(text, known).whole()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int

    def says(self, word: str) -> bool:
        return self.kind in ("word", "bracket") and self.text.lower() == word


class _Reader:
    """Reads from left to right, one token ahead."""

    def __init__(self, text: str, known: Attributes) -> None:
        self.known, self.terms, self.alone = known, 0, False
        self.tokens = list(_tokens(text))

    def whole(self) -> Tree:
        tree = self.any_of(0)
        if self.next.kind != "end":
            raise Malformed(f"{self.found()} stands where 'and', 'or' or the end is due.")
        if self.alone and not isinstance(tree, Comparison):
            raise Malformed("groups.display is compared alone.")
        return tree

    @property
    def next(self) -> _Token:
        return self.tokens[0]

    def found(self) -> str:
        token = self.next
        return "The end" if token.kind == "end" else f"{token.text[:40]} at character {token.at}"

    def take(self) -> _Token:
        return self.tokens.pop(0)

    def any_of(self, depth: int) -> Tree:
        return self.joined("or", lambda: self.joined("and", lambda: self.term(depth)))

    def joined(self, word: str, part: Callable[[], Tree]) -> Tree:
        parts = [part()]
        while self.next.says(word):
            self.take()
            parts.append(part())
        return parts[0] if len(parts) == 1 else Joined(tuple(parts), any_holds=word == "or")

    def term(self, depth: int) -> Tree:
        if self.next.says("not") and self.tokens[1].says("("):
            self.take()
            return Negated(self.bracketed(depth))
        return self.bracketed(depth) if self.next.says("(") else self.comparison()

    def bracketed(self, depth: int) -> Tree:
        if depth == DEEPEST:
            raise Malformed(f"It has more than {DEEPEST} levels of parentheses.")
        self.take()
        inner = self.any_of(depth + 1)
        if not self.next.says(")"):
            raise Malformed(f"{self.found()} stands where 'and', 'or' or a closing parenthesis is due.")
        self.take()
        return inner

    def comparison(self) -> Comparison:
        if self.next.kind != "word":
            raise Malformed(f"{self.found()} stands where an attribute is due.")
        self.terms += 1
        if self.terms > MOST_TERMS:
            raise Malformed(f"It has more than {MOST_TERMS} terms.")
        name = self.take().text
        attribute = self.known.get(name.lower())
        if attribute is None:
            raise Malformed(f"There is no attribute {name[:40]} here.")
        self.alone |= attribute.kind is Kind.ALONE
        operator = self.operator(attribute)
        return Comparison(attribute, operator, None if operator == "pr" else self.value(attribute))

    def operator(self, attribute: Attribute) -> str:
        allowed = [*attribute.kind.operators, *(["pr"] if attribute.kind.may_be_present else [])]
        if self.next.kind != "word" or self.next.text.lower() not in allowed:
            raise Malformed(f"{self.found()} stands where one of {', '.join(allowed)} is due after {attribute.name}.")
        return self.take().text.lower()

    def value(self, attribute: Attribute) -> Any:
        value = _value(self.next, attribute.kind)
        if value is None:
            raise Malformed(f"{self.found()} is no value of {attribute.name}, which is {attribute.kind.words}.")
        self.take()
        return value


def _tokens(text: str) -> Iterator[_Token]:
    at = _after_blanks(text, 0)
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Malformed(f"What stands from character {at + 1} on cannot be read.")
        kind = str(match.lastgroup)
        yield _Token(kind, match[kind], at + 1)
        at = _after_blanks(text, match.end())
    yield _Token("end", "", len(text) + 1)


def _after_blanks(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    return match.end() if match else at


def _value(token: _Token, kind: Kind) -> Any:
    """The value that a token is; None if it is none of this kind."""
    if kind is Kind.FLAG:
        return {"true": True, "false": False}.get(token.text.lower()) if token.kind == "word" else None
    if kind is Kind.NUMBER:
        return int(token.text) if token.kind == "number" and re.fullmatch(r"-?\d+", token.text, re.ASCII) else None
    text = _text(token)
    return _moment(text) if kind is Kind.MOMENT and text is not None else text


def _text(token: _Token) -> str | None:
    """A JSON string; one that no database keeps is none."""
    if token.kind != "text":
        return None
    try:
        text: str = json.loads(token.text)
    except ValueError:
        return None
    return None if _UNFIT.search(text) else text


def _moment(text: str) -> datetime | None:
    """In UTC unless it says otherwise; its years are those that can be reckoned with."""
    moment = rfc3339.read(text) or rfc3339.read(f"{text}Z")
    try:
        moment = moment.astimezone(UTC) if moment else None
    except OverflowError:
        return None
    return moment if moment and 1 < moment.year < 9999 else None
