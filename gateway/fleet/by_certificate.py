"""What a device that has a certificate says next, and what it makes of the answer (contracts: satellite, B)."""

import json
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime

from gateway.fleet import reports
from gateway.fleet.conversation import Answer, Call, Conversation, Outcome, Until, Verdict
from gateway.fleet.devices import SimulatedDevice

SELF, CONFIG = "/device", "/config"
HARDWARE, NETWORK, UPDATER = "/system_info", "/system_info/network", "/system_info/config"
APPS_STATES, EVENTS = "/apps-states", "/events"

WAITING = ("device_pending", "key_change_pending")
# What no waiting mends: the certificate itself is missing or wrong.
FINAL = ("no_certificate", "certificate_not_accepted")


class ByCertificate(Conversation):
    """One device that asks who it is until it is served, reports all it knows, and then looks for a new configuration.

    It is told to wait for a minute or an hour; it waits no longer than `every`, so that a decision shows at once.
    """

    def __init__(self, device: SimulatedDevice, *, until: Until = Until.SERVED, every: float = 10) -> None:
        super().__init__(until=until, every=every)
        self.device = device
        self._said = reports.check_in(device)
        self._etag = ""
        self._to_say: deque[Call] = deque()

    @property
    def is_let_in(self) -> bool:
        return bool(self._to_say)

    def call(self) -> Call:
        call = self._to_say[0] if self._to_say else self._get(SELF)
        if call.path == CONFIG and self._etag:
            return self._get(CONFIG, {"If-None-Match": self._etag})
        return call

    def hear(self, answer: Answer) -> Verdict:
        if answer.status in (403, 429):
            return self._turned_away(answer)
        call = self.call()
        if not self._is_usable(answer, call):
            unusable = " unusable" if answer.status in (200, 304) else ""
            return self.lose(f"{call.path} answered {answer.status}{unusable}")
        if not self._to_say:
            self._to_say.extend(self._first())
            return Verdict(Outcome.ACCEPTED, 0)
        if call.path == CONFIG and answer.status != 304:
            self._etag = answer.etag
        self._to_say.popleft()
        if self._to_say:
            return Verdict(Outcome.SERVED, 0)
        self._to_say.extend((self._get(SELF), self._get(CONFIG)))
        return Verdict(Outcome.SERVED, self.leisure)

    def _turned_away(self, answer: Answer) -> Verdict:
        """Not served, or no longer; it begins anew, for what it reported may be gone."""
        code = answer.members.get("code")
        self._to_say.clear()
        self._etag = ""
        if answer.status == 429:
            return Verdict(Outcome.REFUSED, self.patience and max(self.patience, answer.retry_after or 0))
        again = None if code in FINAL else self.patience and min(self.patience, answer.retry_after or self.patience)
        return Verdict(Outcome.PENDING if code in WAITING else Outcome.REFUSED, again)

    def _is_usable(self, answer: Answer, call: Call) -> bool:
        if call.path == SELF:
            return answer.status == 200 and answer.members.get("uuid") == self.device.name
        if call.path != CONFIG:
            return answer.status == 200 and not answer.body
        if answer.status == 200:
            return bool(answer.etag and answer.members)
        return answer.status == 204 or (answer.status == 304 and "If-None-Match" in call.headers)

    def _first(self) -> Iterator[Call]:
        """What it says once it is let in. An update is reported step by step, under one correlation id."""
        now = datetime.now(UTC)
        yield self._send("PUT", HARDWARE, reports.hardware(self.device))
        yield self._send("PUT", NETWORK, reports.network(self.device))
        updater = reports.updater_config(self.device).encode()
        yield Call("PUT", UPDATER, updater, {**self._said, "Content-Type": "application/toml"}, chunked=False)
        yield self._send("POST", APPS_STATES, reports.apps_states(self.device, now))
        for steps in reports.update(self.device, now):
            yield self._send("POST", EVENTS, steps)
        yield self._get(CONFIG)

    def _get(self, path: str, headers: dict[str, str] | None = None) -> Call:
        return Call("GET", path, b"", {**self._said, **(headers or {})}, chunked=False)

    def _send(self, method: str, path: str, report: object) -> Call:
        body = json.dumps(report, ensure_ascii=False).encode()
        return Call(method, path, body, {**self._said, "Content-Type": "application/json"}, chunked=False)
