"""The one way our rules say no."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar


class Refusal(Exception):
    """A rule said no. Its text is one whole sentence for the person or the program that asked.

    `retry_after` is in seconds and becomes a header of that name; `invalid` names fields with their mistakes; `details`
    are further members of the JSON body. `afterwards` is what a rule wants done about its own no once the transaction
    that it broke off is over; every face calls it.
    """

    status: ClassVar[int] = 409
    code: ClassVar[str] = "conflict"
    retry_after: int | None = None
    invalid: Mapping[str, Sequence[str]] | None = None
    details: Mapping[str, str | int] | None = None
    afterwards: Callable[[], None] | None = None

    def challenge(self) -> str | None:
        """What WWW-Authenticate says, where the answer to this refusal is to authenticate (RFC 6750)."""
        return None


class Invalid(Refusal):
    """The input is wrong; `invalid` says which field and why."""

    status, code = 400, "invalid"

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.invalid = {field: [sentence]}


class Stale(Refusal):
    """It is not what was looked at any more, which a rule found under its lock."""


class NotFound(Refusal):
    status, code = 404, "not_found"


class TooMany(Refusal):
    """Too many failures from where this came; it may try again after `retry_after` seconds."""

    status, code = 429, "rate_limited"

    def __init__(self, sentence: str, retry_after: int) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after
