"""What a device does with its shutdowns: it polls, claims, waits for its apps, reports, and is off for a while
(contracts: industrial edge, C3).

It acts on nothing but a 200 to its claim; from there on it keeps to its own count of seconds, even if the portal is
gone. The nonce and the order are in memory alone; only that it has powered off for one survives that.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from gateway.fleet.conversation import Answer, Call, Outcome, Verdict
from gateway.fleet.ledger import Ledger, Stage
from gateway.fleet.power import Power

NEXT = "/jobs/next"
OFFERED = {"id", "kind", "execute_now", "max_ack_seconds", "expires_in", "reason", "requested_by"}
CLAIMED = {"id", "state", "ack_seconds", "apps"}
# Seconds: how often it asks how far its apps are, how soon it says again what was lost, and how soon it polls again
# where it was not told when.
FOLLOWED_EVERY, REPEATED_AFTER, POLLED_AFTER = 1.0, 1.0, 5.0
REFUSALS_OF_CLAIM = {(409, "already_claimed"), (410, "job_expired"), (410, "job_cancelled")}


class Kind(Enum):
    """How a device behaves."""

    GOOD = auto()
    MUTE = auto()  # Its apps acknowledge nothing.
    FAILING = auto()  # It cannot shut down, and says so.
    CRASHING = auto()  # It dies between claim and report.
    OFFLINE = auto()  # Once it has been let in it is never heard again.


@dataclass(frozen=True)
class Manner:
    """`off_for` in seconds; `poll` is the share of what it is told to wait that it does wait."""

    off_for: float = 60
    poll: float = 1


class Step(Enum):
    IDLE = auto()
    CLAIMING = auto()
    FOLLOWING = auto()
    LEAVING = auto()
    UNABLE = auto()
    BACK = auto()


REPORTS: Mapping[Step, dict[str, str]] = {
    Step.LEAVING: {"state": "executing"},
    Step.UNABLE: {"state": "failed", "code": "not_supported", "detail": "This board cannot switch itself off."},
    Step.BACK: {"state": "succeeded"},
}


def new_nonce() -> str:
    return secrets.token_urlsafe(16)


@dataclass
class Jobs:
    """The shutdowns of one device, one after the other."""

    device: str
    kind: Kind
    power: Power
    ledger: Ledger
    manner: Manner = field(default_factory=Manner)
    headers: Mapping[str, str] = field(default_factory=dict)
    nonces: Callable[[], str] = new_nonce
    step: Step = Step.IDLE
    job: str = ""
    _nonce: str = field(default="", repr=False)
    _until: float = 0.0

    def call(self) -> Call:
        """What it says now."""
        if self.step == Step.FOLLOWING and self.power.now() >= self._until:
            self.step = Step.LEAVING
        match self.step:
            case Step.IDLE:
                return self._call("GET", NEXT)
            case Step.CLAIMING:
                return self._call("POST", f"/jobs/{self.job}/claim", {"claim": self._nonce})
            case Step.FOLLOWING:
                return self._call("GET", f"/jobs/{self.job}")
            case _:
                said = {**REPORTS[self.step], "device_time": f"{self.power.now():.3f}"}
                return self._call("POST", f"/jobs/{self.job}/report", said)

    def hear(self, answer: Answer) -> Verdict:
        """Take the answer to that."""
        if answer.status in (403, 429):
            lost = self._lost()
            # One that is denied is told to wait for an hour; a decision is to show sooner.
            told = 0.0 if answer.status == 403 else self._in_time(answer.retry_after or 0)
            return Verdict(Outcome.REFUSED, max(lost.again or 0, told), hangs_up=lost.hangs_up)
        match self.step:
            case Step.IDLE:
                return self._hear_next(answer)
            case Step.CLAIMING:
                return self._hear_claim(answer)
            case Step.FOLLOWING:
                return self._hear_progress(answer)
            case _:
                return self._hear_report(answer)

    def lose(self, kind: str) -> Verdict:
        """Take it that no answer came."""
        lost = self._lost()
        return Verdict(Outcome.ERROR, lost.again, kind, lost.hangs_up)

    def _lost(self) -> Verdict:
        """It powers off without an answer, and says anything else again; a claim with the same nonce, while it may."""
        if self.step == Step.LEAVING:
            return self._power_off()
        if self.step == Step.CLAIMING and self.power.now() >= self._until:
            return self._forget()
        return Verdict(Outcome.SERVED, POLLED_AFTER if self.step == Step.IDLE else self._in_time(REPEATED_AFTER))

    def _hear_next(self, answer: Answer) -> Verdict:
        again, said = answer.retry_after, answer.members
        is_offer = answer.status == 200 and set(said) == OFFERED and type(said["expires_in"]) is int
        if again is None or not (answer.status == 204 or is_offer):
            return self._disallowed(answer)
        if answer.status == 204:
            return Verdict(Outcome.SERVED, again * self.manner.poll)
        self.job, self._nonce, self.step = str(said["id"]), self.nonces(), Step.CLAIMING
        self._until = self.power.now() + said["expires_in"]
        self.ledger.note(self.device, self.job, Stage.SEEN)
        return Verdict(Outcome.SERVED, 0)

    def _hear_claim(self, answer: Answer) -> Verdict:
        said = answer.members
        if (refusal := (answer.status, said.get("code"))) in REFUSALS_OF_CLAIM:
            self.ledger.refuse(self.device, self.job, str(refusal[1]))
            return self._forget()
        is_ours = answer.status == 200 and set(said) == CLAIMED and said["id"] == self.job
        if not is_ours or type(said["ack_seconds"]) is not int:
            wrong = self._disallowed(answer)
            self._forget()
            return wrong
        self.ledger.note(self.device, self.job, Stage.CLAIMED)
        self._until = self.power.now() + said["ack_seconds"]
        if self.kind == Kind.CRASHING:
            self.ledger.note(self.device, self.job, Stage.CRASHED)
            self._forget()
            self.power.cut(self.manner.off_for)
            return Verdict(Outcome.SERVED, self.manner.off_for, hangs_up=True)
        self.step = Step.UNABLE if self.kind == Kind.FAILING else Step.FOLLOWING
        return Verdict(Outcome.SERVED, 0)

    def _hear_progress(self, answer: Answer) -> Verdict:
        said = answer.members
        if answer.status != 200 or set(said) != {*CLAIMED, "proceed"} or said["id"] != self.job:
            return self._disallowed(answer)
        if said["proceed"]:
            self.step = Step.LEAVING
            return Verdict(Outcome.SERVED, 0)
        return Verdict(Outcome.SERVED, self._in_time(FOLLOWED_EVERY))

    def _hear_report(self, answer: Answer) -> Verdict:
        """What stands already is no mistake: the portal may have made up its mind meanwhile."""
        said = answer.members
        stands = answer.status == 409 and said.get("code") == "already_reported"
        is_taken = answer.status == 200 and set(said) == {"id", "state"} and said["id"] == self.job
        wrong = None if stands or is_taken else self._disallowed(answer)
        if self.step == Step.LEAVING:
            return self._power_off()
        if wrong:
            return wrong
        self.ledger.note(self.device, self.job, Stage.FAILED if self.step == Step.UNABLE else Stage.SUCCEEDED)
        return self._forget()

    def _power_off(self) -> Verdict:
        """Here it does what it was told; from now on it knows no more than that it has to report so."""
        self.ledger.note(self.device, self.job, Stage.EXECUTING)
        self.step, self._nonce = Step.BACK, ""
        self.power.cut(self.manner.off_for)
        return Verdict(Outcome.SERVED, self.manner.off_for, hangs_up=True)

    def _forget(self) -> Verdict:
        self.step, self.job, self._nonce = Step.IDLE, "", ""
        return Verdict(Outcome.SERVED, REPEATED_AFTER)

    def _disallowed(self, answer: Answer) -> Verdict:
        what = {Step.IDLE: NEXT, Step.CLAIMING: "claim", Step.FOLLOWING: "progress"}.get(self.step, "report")
        code = answer.members.get("code")
        kind = f"{what} answered {answer.status} {code if isinstance(code, str) else 'unusable'}"
        self.ledger.note_disallowed(kind)
        return Verdict(Outcome.ERROR, self._in_time(POLLED_AFTER), kind)

    def _in_time(self, seconds: float) -> float:
        """So many seconds, but not beyond the deadline that it counts itself."""
        if self.step != Step.FOLLOWING:
            return seconds
        return max(0.0, min(seconds, self._until - self.power.now()))

    def _call(self, method: str, path: str, said: Mapping[str, Any] | None = None) -> Call:
        body = b"" if said is None else json.dumps(said).encode()
        kind = {} if said is None else {"Content-Type": "application/json"}
        return Call(method, path, body, {**self.headers, **kind}, chunked=False)
