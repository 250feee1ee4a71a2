"""An app on a simulated device: it has two files, buys access tokens, and acknowledges shutdowns (contracts: industrial
edge, A to C1)."""

from collections.abc import Callable
from typing import Any

from gateway.fleet.app_files import AppFiles
from gateway.fleet.conversation import Answer, Call, Conversation, Outcome, Until, Verdict
from gateway.fleet.ledger import Ledger
from gateway.fleet.power import Power

SHUTDOWN = "/device/edge/api/v2/shutdown"
PENDING = {"jobId", "state", "reason", "deadline", "secondsLeft", "acknowledged"}
ACKNOWLEDGED = {"jobId", "acknowledged", "acknowledgedAt", "waitingFor"}
RENEWED_AT = 0.75
# Seconds: what it waits while nothing is installed, and how often it asks whether its device is to go off.
LOOKS_EVERY, ASKS_EVERY = 0.5, 2.0
# Why an app may be turned away; only time or a person mends that.
TURNED_AWAY = {
    401: {"edge.auth.invalidToken", "edge.auth.expiredToken", "edge.auth.revokedToken", "edge.auth.disabledToken"},
    403: {"edge.auth.deviceRefused"},
}


class EdgeApp(Conversation):
    """One app. Its access token is in memory alone, and so is gone whenever its device was off.

    It asks for the next token when three quarters of the life of the last are over. `delays` says after how many
    seconds it acknowledges, None for one that never does.
    """

    def __init__(
        self,
        files: AppFiles,
        power: Power,
        ledger: Ledger,
        *,
        delays: Callable[[], float] | None,
        asks_every: float = ASKS_EVERY,
    ) -> None:
        super().__init__(until=Until.STOPPED, every=asks_every)
        self.files, self.power, self.ledger, self.delays = files, power, ledger, delays
        self._boots = 0
        self._token = ""
        self._renews_at = 0.0
        self._job, self._acknowledges_at = "", 0.0
        self._what = "permit"

    @property
    def is_let_in(self) -> bool:
        return True  # Its device was, before it was installed.

    @property
    def rests_for(self) -> float:
        return self.power.off_for or (0 if self.files.are_there else LOOKS_EVERY)

    def call(self) -> Call:
        if self._boots != self.power.boots:
            self._boots, self._token, self._job = self.power.boots, "", ""
        if not self._token or self.power.now() >= self._renews_at:
            self._what = "permit"
            # The file as it is.
            return self._call("POST", self.files.permit_path, self.files.token_file)
        own = {"Authorization": f"Bearer {self._token}"}
        if self._job and self.power.now() >= self._acknowledges_at:
            self._what = "ack"
            return self._call("POST", f"{SHUTDOWN}/{self._job}/ack", b"{}", own)
        self._what = "pending"
        return self._call("GET", f"{SHUTDOWN}/pending", b"", own)

    def hear(self, answer: Answer) -> Verdict:
        if answer.is_out_of_order:
            return self.lose("out of order")
        if answer.status == 429:
            return Verdict(Outcome.REFUSED, max(self.every, answer.retry_after or 0))
        if _code(answer) in TURNED_AWAY.get(answer.status, ()):
            again = 0.0 if self._token and self._what != "permit" else max(self.every, 5.0)
            self._token = ""
            return Verdict(Outcome.REFUSED, again)
        match self._what:
            case "permit":
                return self._hear_permit(answer)
            case "ack":
                return self._hear_ack(answer)
            case _:
                return self._hear_pending(answer)

    def _hear_permit(self, answer: Answer) -> Verdict:
        said = answer.members
        life = said.get("expires_in")
        if answer.status != 200 or set(said) != {"access_token", "expires_in", "token_type"} or type(life) is not int:
            return self._disallowed(answer)
        self._token, self._renews_at = str(said["access_token"]), self.power.now() + RENEWED_AT * life
        self.ledger.note_app("bought")
        return Verdict(Outcome.SERVED, 0)

    def _hear_pending(self, answer: Answer) -> Verdict:
        if answer.status == 204:
            self._job = ""
            return Verdict(Outcome.SERVED, self.every)
        said = answer.members
        if answer.status != 200 or set(said) != PENDING or said["state"] != "WAITING_FOR_ACK":
            return self._disallowed(answer)
        if said["acknowledged"] or self.delays is None:
            return Verdict(Outcome.SERVED, self.every)
        if said["jobId"] != self._job:
            self._job, self._acknowledges_at = str(said["jobId"]), self.power.now() + self.delays()
        return Verdict(Outcome.SERVED, max(0.0, self._acknowledges_at - self.power.now()))

    def _hear_ack(self, answer: Answer) -> Verdict:
        """Too late is no mistake of anybody's: its device did not wait any longer."""
        job, self._job, said = self._job, "", answer.members
        if answer.status == 409 and _code(answer) == "edge.shutdown.tooLate":
            return Verdict(Outcome.SERVED, self.every)
        if answer.status != 200 or set(said) != ACKNOWLEDGED or said["jobId"] != job:
            return self._disallowed(answer)
        self.ledger.note_app("acknowledged")
        return Verdict(Outcome.SERVED, self.every)

    def _disallowed(self, answer: Answer) -> Verdict:
        kind = f"{self._what} answered {answer.status} {_code(answer) or 'unusable'}"
        self.ledger.note_disallowed(kind)
        return Verdict(Outcome.ERROR, max(self.every, 5.0), kind)

    def _call(self, method: str, path: str, body: bytes, own: dict[str, str] | None = None) -> Call:
        kind = {"Content-Type": "application/json"} if body else {}
        return Call(method, path, body, {**kind, **(own or {})}, chunked=False)


def _code(answer: Answer) -> str:
    """The code of the first error in the envelope of these paths."""
    errors: Any = answer.members.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    return str(first.get("code", "")) if isinstance(first, dict) else ""
