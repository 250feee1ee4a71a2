"""What every simulated device has to do with a door: calls, answers, and what it makes of them."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How one call went. Over Mender a device is not told whether it waits, was rejected or is denied: all pending."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    SERVED = "served"
    REFUSED = "refused"
    ERROR = "error"


class Until(StrEnum):
    """How long a device goes on: it asks once, until it has been served once, or without end."""

    ASKED = "asked"
    SERVED = "served"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Call:
    """One request. `chunked` sends it with Transfer-Encoding and no Content-Length, as Mender's client does."""

    method: str
    path: str
    body: bytes
    headers: Mapping[str, str]
    chunked: bool = True


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str = ""
    body: bytes = b""
    retry_after: float | None = None
    etag: str = ""

    @property
    def is_out_of_order(self) -> bool:
        """Whether the portal itself cannot work now, which it may say, with when to come again."""
        return self.status == 503 and self.retry_after is not None

    @property
    def members(self) -> dict[str, Any]:
        """The members of a JSON object; none if the body is anything else."""
        try:
            said = json.loads(self.body)
        except ValueError:
            return {}
        return said if isinstance(said, dict) else {}


@dataclass(frozen=True)
class Verdict:
    """What an answer meant: the outcome, and its kind if it is an error.

    `again` is in how many seconds the device speaks again, None when it has nothing more to say. It closes its
    connection meanwhile if it `hangs_up`.
    """

    outcome: Outcome
    again: float | None
    kind: str = ""
    hangs_up: bool = False


class Conversation(ABC):
    """One device that asks to be let in, then does what it is there for, and asks again every so many seconds."""

    def __init__(self, *, until: Until = Until.SERVED, every: float = 10) -> None:
        self.until, self.every = until, every

    @property
    @abstractmethod
    def is_let_in(self) -> bool:
        """Whether the door has let it in, as far as the device knows."""

    @property
    def rests_for(self) -> float:
        """For how many seconds it has nothing to say as things stand, whatever it said before; infinite if never."""
        return 0

    @abstractmethod
    def call(self) -> Call:
        """What the device says now."""

    @abstractmethod
    def hear(self, answer: Answer) -> Verdict:
        """Take the answer to the call that was made."""

    def lose(self, kind: str) -> Verdict:
        """Take it that no answer came; `kind` says why."""
        return Verdict(Outcome.ERROR, self.patience, kind)

    @property
    def patience(self) -> float | None:
        """In how many seconds the device asks again after it was not served; None if it asks once."""
        return None if self.until == Until.ASKED else self.every

    @property
    def leisure(self) -> float | None:
        """In how many seconds the device asks again after all went well; None if that was all."""
        return self.every if self.until == Until.STOPPED else None
