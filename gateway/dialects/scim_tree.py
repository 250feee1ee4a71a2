"""What a SCIM filter is once it has been read: a tree of comparisons of attributes with values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from operator import and_, or_
from typing import Any, TypeVar, Union

T = TypeVar("T")

ORDERED = ("eq", "ne", "gt", "ge", "lt", "le")


class Kind(Enum):
    """What the values of an attribute are, and with which operators they are compared."""

    TEXT = "a text in double quotes", (*ORDERED, "co", "sw")
    FLAG = "true or false", ("eq", "ne")
    NUMBER = "a whole number", ORDERED
    MOMENT = "a moment in double quotes, such as 2026-11-25T12:00:00Z", ORDERED
    ALONE = "a text in double quotes", ("eq",)

    def __init__(self, words: str, operators: tuple[str, ...]) -> None:
        self.words, self.operators = words, operators

    @property
    def may_be_present(self) -> bool:
        return self is not Kind.ALONE


@dataclass(frozen=True)
class Attribute:
    """What may be compared. `source` is where its values stand, in a column or among facts; without one, `constant`."""

    name: str
    kind: Kind
    source: str = ""
    constant: Any = ""


Attributes = Mapping[str, Attribute]


@dataclass(frozen=True)
class Comparison:
    """`value` is a text, a bool, an int or a moment in UTC, as its attribute demands; None for `pr`."""

    attribute: Attribute
    operator: str
    value: Any = None


@dataclass(frozen=True)
class Negated:
    inner: "Tree"


@dataclass(frozen=True)
class Joined:
    """Parts of which all hold, or of which one holds."""

    parts: tuple["Tree", ...]
    any_holds: bool


Tree = Union[Comparison, Negated, Joined]  # noqa: UP007  # It names itself.


def table(*attributes: Attribute, also: Mapping[str, str]) -> Attributes:
    """Attributes by their names in lower case; `also` says which of them have a second name."""
    by_name = {attribute.name.lower(): attribute for attribute in attributes}
    return by_name | {second.lower(): by_name[name.lower()] for second, name in also.items()}


def judged(tree: Tree, leaf: Callable[[Comparison], T], negate: Callable[[T], T]) -> T:
    """What the tree comes to, if `leaf` says what each comparison does."""
    if isinstance(tree, Comparison):
        return leaf(tree)
    if isinstance(tree, Negated):
        return negate(judged(tree.inner, leaf, negate))
    parts: list[Any] = [judged(part, leaf, negate) for part in tree.parts]
    whole: T = reduce(or_ if tree.any_holds else and_, parts)
    return whole
