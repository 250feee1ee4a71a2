"""Texts compared without case, on every database alike: none is asked what it takes for upper and lower case.

Whether two texts are the same, or one holds the other, is judged by Unicode's simple case folding: the database is
given a pattern that names both cases of each letter. Which of two comes first is judged by code points, A to Z as a to
z, so that it does not hang on the language of the database.
"""

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any

from django.db.models import Func, TextField

_SPECIAL = frozenset("\\.[]{}()*+?^$|")
_A_TO_Z = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
# No letter beyond has two cases.
_LAST = 0x1F000


class Folded(Func):
    """A text with A to Z as a to z, ordered by code points."""

    function = "LOWER"
    arity = 1
    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template='%(function)s(%(expressions)s COLLATE "C")', **context)


class Hyphenated(Func):
    """A UUID as people and programs read it, ordered by code points."""

    arity = 1
    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        parts = ("1, 8", "9, 4", "13, 4", "17, 4", "21, 12")
        template = " || '-' || ".join(f"SUBSTR(%(expressions)s, {part})" for part in parts)
        return self.as_sql(compiler, connection, template=f"({template})", **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template='(%(expressions)s::text COLLATE "C")', **context)


def lowered(text: str) -> str:
    """What `Folded` makes of a text."""
    return text.translate(_A_TO_Z)


def folded(text: str) -> str:
    """A text with each letter in the case that all of its cases fold to."""
    return "".join(map(_folded, text))


def pattern(text: str) -> str:
    """A regular expression, the same for Python and PostgreSQL, for this text in any case."""
    return "".join(map(_any_case, text))


def _folded(char: str) -> str:
    return next((case for case in (char.casefold(), char.lower()) if len(case) == 1), char)


def _any_case(char: str) -> str:
    cases = _cases().get(_folded(char))
    if cases:
        return f"[{cases}]"
    return f"\\{char}" if char in _SPECIAL else char


@cache
def _cases() -> Mapping[str, str]:
    """All cases of each letter that has several, by what they fold to."""
    cases: dict[str, str] = defaultdict(str)
    for char in map(chr, range(_LAST)):
        if (case := _folded(char)) != char:
            cases[case] = (cases[case] or case) + char
    return dict(cases)
