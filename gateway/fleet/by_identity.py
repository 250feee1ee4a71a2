"""What a device that runs a Mender client says next, and what it makes of the answer (contracts: Mender, B)."""

import json

from gateway.fleet.conversation import Answer, Call, Conversation, Outcome, Until, Verdict
from gateway.fleet.devices import SimulatedDevice

AUTHENTICATION = "/api/devices/v1/authentication/auth_requests"
INVENTORY = "/api/devices/v1/inventory/device/attributes"
DEPLOYMENT = "/api/devices/v2/deployments/device/deployments/next"


class ByIdentity(Conversation):
    """One device that asks to be let in, then reports its inventory, then asks for updates every so many seconds."""

    def __init__(self, device: SimulatedDevice, *, until: Until = Until.SERVED, every: float = 10) -> None:
        super().__init__(until=until, every=every)
        self.device = device
        body, headers = device.auth_request()  # The client repeats the same bytes until it is let in.
        self._introduction = Call("POST", AUTHENTICATION, body, headers, chunked=False)
        self.token = ""
        self.has_reported = False

    @property
    def is_let_in(self) -> bool:
        return bool(self.token)

    def call(self) -> Call:
        if not self.token:
            return self._introduction
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if not self.has_reported:
            return Call("PUT", INVENTORY, json.dumps(self.device.inventory()).encode(), headers)
        return Call("POST", DEPLOYMENT, json.dumps(self.device.provides()).encode(), headers)

    def hear(self, answer: Answer) -> Verdict:
        if not self.token:
            return self._let_in(answer)
        if answer.status == 401:  # The client asks with its key once more, and repeats the call.
            self.token = ""
            return Verdict(Outcome.REFUSED, 0 if self.until != Until.ASKED else None)
        if not self.has_reported and answer.status == 200 and not answer.body:
            self.has_reported = True
            return Verdict(Outcome.SERVED, 0)
        if self.has_reported and answer.status == 204:
            return Verdict(Outcome.SERVED, self.leisure)
        return self._puzzled(answer)

    def _let_in(self, answer: Answer) -> Verdict:
        if answer.status == 200 and answer.content_type == "application/jwt" and _is_token(answer.body):
            self.token = answer.body.decode()
            return Verdict(Outcome.ACCEPTED, 0)
        if answer.status == 401 and b'"dev auth: unauthorized"' in answer.body:
            return Verdict(Outcome.PENDING, self.patience)
        if answer.status == 429:
            return Verdict(Outcome.REFUSED, self.patience and max(self.patience, answer.retry_after or 0))
        return self._puzzled(answer)

    def _puzzled(self, answer: Answer) -> Verdict:
        asked = "auth request" if not self.token else "deployment" if self.has_reported else "inventory"
        unusable = " unusable" if answer.status in (200, 401) else ""
        return self.lose(f"{asked} answered {answer.status}{unusable}")


def _is_token(body: bytes) -> bool:
    """A JWT alone: with a newline after it the client could not use it."""
    return body.count(b".") == 2 and body.split() == [body]
