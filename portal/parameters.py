"""Query parameters of native endpoints: said once, and from there judged, read and documented.

An endpoint names what it reads. What it does not name is a mistake of the sender, who would take an answer that nobody
narrowed for a narrow one; so it is refused, like a parameter that is given twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.http import QueryDict
from rest_framework.request import Request

from portal import rfc3339, text
from portal.refusal import Invalid

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter that is text as it was sent; `lookup` is the condition of a query that it becomes by itself."""

    name: str
    description: str
    lookup: str = ""

    def read(self, sent: str) -> Any:
        """The value, None if it says nothing; what is no value is refused."""
        return sent

    def shape(self) -> dict[str, Any]:
        """Its JSON schema."""
        return {"type": "string"}

    def refuse(self, sentence: str) -> Invalid:
        return Invalid(self.name, sentence)


@dataclass(frozen=True, kw_only=True)
class Line(Parameter):
    """One line of readable text; an empty one says nothing."""

    most: int = 200

    def read(self, sent: str) -> str | None:
        text.check(self.name, sent, most=self.most)
        return sent or None

    def shape(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": self.most}


@dataclass(frozen=True, kw_only=True)
class Word(Parameter):
    """One word of a list; `usual` is what counts when none is sent."""

    words: Sequence[str]
    usual: str = ""

    def read(self, sent: str) -> str:
        return _one_of(self.name, sent, self.words)

    def shape(self) -> dict[str, Any]:
        usual = {"default": self.usual} if self.usual else {}
        return {"type": "string", "enum": list(self.words), **usual}


@dataclass(frozen=True, kw_only=True)
class Whole(Parameter):
    """A whole number."""

    least: int
    most: int
    usual: int

    def read(self, sent: str) -> int:
        digits = sent.isascii() and sent.isdigit() and len(sent) <= len(str(self.most))
        if not (digits and self.least <= int(sent) <= self.most):
            raise self.refuse(f"'{self.name}' is a whole number from {self.least} to {self.most}.")
        return int(sent)

    def shape(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most, "default": self.usual}


@dataclass(frozen=True, kw_only=True)
class Moment(Parameter):
    """A moment of this century with its offset from UTC (RFC 3339); `hint` says what may go wrong where it is sent."""

    hint: str = "; in a URL, + is written %2B"

    def read(self, sent: str) -> datetime:
        moment = rfc3339.read(sent)
        if moment is None:
            raise self.refuse(f"'{self.name}' is a moment with its offset, such as 2026-11-25T12:00:00Z{self.hint}.")
        if not EARLIEST <= moment < LATEST:
            raise self.refuse(f"'{self.name}' lies in the years {EARLIEST.year} to {LATEST.year - 1}.")
        return moment

    def shape(self) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


def read(request: Request, known: Sequence[Parameter]) -> dict[str, Any]:
    """The values of the parameters that were sent and say something, by name."""
    by_name = {parameter.name: parameter for parameter in known}
    for name in request.query_params:
        if name not in by_name:
            there = f"it reads {', '.join(sorted(by_name))}" if by_name else "it reads none"
            raise Invalid(name[:40] or "query", f"This endpoint reads no parameter '{name[:40]}'; {there}.")
    sent = {name: once(request.query_params, name) or "" for name in request.query_params}
    return {name: value for name, said in sent.items() if (value := by_name[name].read(said)) is not None}


def conditions(known: Sequence[Parameter], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What was sent, as conditions of a query."""
    return {each.lookup: wanted[each.name] for each in known if each.lookup and each.name in wanted}


def once(query: QueryDict, name: str) -> str | None:
    """A query parameter as sent; given twice it is refused."""
    sent = query.getlist(name)
    if len(sent) > 1:
        raise Invalid(name, f"'{name}' is given twice; give it once.")
    return sent[0] if sent else None


def one_of(query: QueryDict, name: str, allowed: Sequence[str]) -> str | None:
    """A query parameter that takes one word of a list; another word is refused."""
    sent = once(query, name)
    return None if sent is None else _one_of(name, sent, allowed)


def _one_of(name: str, sent: str, allowed: Sequence[str]) -> str:
    if sent not in allowed:
        raise Invalid(name, f"'{name}' is one of {', '.join(allowed)}.")
    return sent
