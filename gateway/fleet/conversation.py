"""What a device that runs a Mender client says next, and what it makes of the answer (contracts: Mender, B)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.fleet.devices import SimulatedDevice

AUTHENTICATION = "/api/devices/v1/authentication/auth_requests"
INVENTORY = "/api/devices/v1/inventory/device/attributes"
DEPLOYMENT = "/api/devices/v2/deployments/device/deployments/next"


class Outcome(StrEnum):
    """How one call went. A device is not told whether it waits, was rejected or is denied: all of it is pending."""

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
    """One request. `chunked` sends it with Transfer-Encoding and no Content-Length, as the client does."""

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


@dataclass(frozen=True)
class Verdict:
    """What an answer meant: the outcome, and its kind if it is an error.

    `again` is in how many seconds the device speaks again, None when it has nothing more to say.
    """

    outcome: Outcome
    again: float | None
    kind: str = ""


class Conversation:
    """One device that asks to be let in, then reports its inventory, then asks for updates every so many seconds."""

    def __init__(self, device: SimulatedDevice, *, until: Until = Until.SERVED, every: float = 10) -> None:
        self.device, self.until, self.every = device, until, every
        body, headers = device.auth_request()  # The client repeats the same bytes until it is let in.
        self._introduction = Call("POST", AUTHENTICATION, body, headers, chunked=False)
        self.token = ""
        self.has_reported = False

    def call(self) -> Call:
        """What the device says now."""
        if not self.token:
            return self._introduction
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if not self.has_reported:
            return Call("PUT", INVENTORY, json.dumps(self.device.inventory()).encode(), headers)
        return Call("POST", DEPLOYMENT, json.dumps(self.device.provides()).encode(), headers)

    def hear(self, answer: Answer) -> Verdict:
        """Take the answer to the call that was made."""
        if not self.token:
            return self._let_in(answer)
        if answer.status == 401:  # The client asks with its key once more, and repeats the call.
            self.token = ""
            return Verdict(Outcome.REFUSED, 0 if self.until != Until.ASKED else None)
        if not self.has_reported and answer.status == 200 and not answer.body:
            self.has_reported = True
            return Verdict(Outcome.SERVED, 0)
        if self.has_reported and answer.status == 204:
            return Verdict(Outcome.SERVED, self.every if self.until == Until.STOPPED else None)
        return self._puzzled(answer)

    def lose(self, kind: str) -> Verdict:
        """Take it that no answer came; `kind` says why."""
        return Verdict(Outcome.ERROR, None if self.until == Until.ASKED else self.every, kind)

    def _let_in(self, answer: Answer) -> Verdict:
        patience = None if self.until == Until.ASKED else self.every
        if answer.status == 200 and answer.content_type == "application/jwt" and _is_token(answer.body):
            self.token = answer.body.decode()
            return Verdict(Outcome.ACCEPTED, 0)
        if answer.status == 401 and b'"dev auth: unauthorized"' in answer.body:
            return Verdict(Outcome.PENDING, patience)
        if answer.status == 429:
            return Verdict(Outcome.REFUSED, patience and max(patience, answer.retry_after or 0))
        return self._puzzled(answer)

    def _puzzled(self, answer: Answer) -> Verdict:
        asked = "auth request" if not self.token else "deployment" if self.has_reported else "inventory"
        unusable = " unusable" if answer.status in (200, 401) else ""
        return self.lose(f"{asked} answered {answer.status}{unusable}")


def _is_token(body: bytes) -> bool:
    """A JWT alone: with a newline after it the client could not use it."""
    return body.count(b".") == 2 and body.split() == [body]
