"""A device that keeps up its check-ins and does what it is told to, which is to shut down."""

import math

from gateway.fleet.by_certificate import ByCertificate
from gateway.fleet.conversation import Answer, Call, Conversation, Outcome, Until, Verdict
from gateway.fleet.devices import SimulatedDevice
from gateway.fleet.ledger import Ledger
from gateway.fleet.power import Power
from gateway.fleet.shutdown_jobs import Jobs, Kind, Step


class Agent(Conversation):
    """One device: until it has been let in and has reported all it knows it asks for nothing else; then it does both
    in turn, each when it is due. While it is off it says nothing."""

    def __init__(self, device: SimulatedDevice, jobs: Jobs, *, ledger: Ledger, every: float = 10) -> None:
        super().__init__(until=Until.STOPPED, every=every)
        self.device, self.jobs, self.ledger = device, jobs, ledger
        self.power: Power = jobs.power
        self.is_settled = False
        self._talk = ByCertificate(device, until=Until.STOPPED, every=every)
        self._talks_at, self._works_at = 0.0, 0.0
        self._at_work = False

    @property
    def is_let_in(self) -> bool:
        return self._talk.is_let_in

    @property
    def rests_for(self) -> float:
        return self.power.off_for

    def call(self) -> Call:
        # What is due first; but a job that it has begun is not waited with, for its seconds are counted.
        is_pressing = self.jobs.step != Step.IDLE and self._works_at <= self.power.now()
        self._at_work = self.is_settled and (is_pressing or self._works_at <= self._talks_at)
        return self.jobs.call() if self._at_work else self._talk.call()

    def hear(self, answer: Answer) -> Verdict:
        if answer.is_out_of_order:
            return self.lose("out of order")
        if self._at_work:
            return self._worked(self.jobs.hear(answer))
        verdict = self._talk.hear(answer)
        if verdict.outcome == Outcome.ERROR:
            self.ledger.note_disallowed(verdict.kind)
        return self._talked(verdict)

    def lose(self, kind: str) -> Verdict:
        return self._worked(self.jobs.lose(kind)) if self._at_work else self._talked(self._talk.lose(kind))

    def _talked(self, verdict: Verdict) -> Verdict:
        if verdict.again is None:
            return verdict
        self._talks_at = self.power.now() + verdict.again
        if not self.is_settled and verdict.outcome == Outcome.SERVED and verdict.again:
            self.is_settled, self._works_at = True, self.power.now()
            if self.jobs.kind == Kind.OFFLINE:
                self.power.cut(math.inf)
                return Verdict(verdict.outcome, None, hangs_up=True)
        return self._due(verdict)

    def _worked(self, verdict: Verdict) -> Verdict:
        self._works_at = self.power.now() + (verdict.again or 0)
        return self._due(verdict)

    def _due(self, verdict: Verdict) -> Verdict:
        first = min(self._talks_at, self._works_at) if self.is_settled else self._talks_at
        again = max(0.0, first - self.power.now(), self.power.off_for)
        return Verdict(verdict.outcome, again, verdict.kind, verdict.hangs_up)
