"""Threads that lend their connections to the devices, so that no more are open at once than there are threads."""

import heapq
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from gateway.fleet.conversation import Conversation, Outcome, Verdict
from gateway.fleet.door import Doorway, Line, Lost
from gateway.fleet.tally import Tally


@dataclass(frozen=True)
class Speaker:
    """A conversation and the door it is held at; what is `shown` there is a certificate with its key, as PEM.

    Those who show nothing share connections. One who shows a certificate speaks over a connection of its own.
    """

    conversation: Conversation
    door: Doorway
    shown: str = field(default="", repr=False)


class Crew:
    """So many connections, and the conversations that are held over them."""

    def __init__(self, speakers: Sequence[Speaker], *, connections: int) -> None:
        self.tally = Tally()
        self._stop = threading.Event()
        together = sorted(speakers, key=lambda speaker: (speaker.door.url, bool(speaker.shown)))
        bounds = [len(together) * at // connections for at in range(connections + 1)]
        shares = [together[first:end] for first, end in pairwise(bounds)]
        self._threads = [threading.Thread(target=self._work, args=(share,), daemon=True) for share in shares if share]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait until all conversations have ended, at most so many seconds; say whether they have."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Let each connection finish the call it is at, then end."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, speakers: Sequence[Speaker]) -> None:
        due = [(0.0, at) for at in range(len(speakers))]
        line, held = None, None
        while due and not self._stop.is_set():
            when, at = heapq.heappop(due)
            if self._stop.wait(max(0.0, when - time.monotonic())):
                break
            speaker = speakers[at]
            if rests_for := speaker.conversation.rests_for:
                if line is not None and (speaker.door, speaker.shown) == held:
                    line.close()
                if rests_for < math.inf:
                    heapq.heappush(due, (time.monotonic() + rests_for, at))
                continue
            if line is None or (speaker.door, speaker.shown) != held:
                if line is not None:
                    line.close()
                line, held = speaker.door.line(speaker.shown), (speaker.door, speaker.shown)
            verdict = self._speak(line, speaker.conversation)
            if verdict.hangs_up:
                line.close()
            if (again := verdict.again) is not None:
                heapq.heappush(due, (time.monotonic() + again if again else 0.0, at))
        if line is not None:
            line.close()

    def _speak(self, line: Line, conversation: Conversation) -> Verdict:
        """One call of one device, and what came of it."""
        asked = not conversation.is_let_in
        call = conversation.call()
        began = time.monotonic()
        try:
            answer = line.say(call)
        except Lost as lost:
            verdict = conversation.lose(str(lost))
        else:
            verdict = conversation.hear(answer)
        self.tally.note(verdict, time.monotonic() - began, asked=asked)
        if verdict.outcome == Outcome.ERROR and verdict.again is not None:
            self._stop.wait(min(verdict.again, 1.0))  # A door that is down is not hammered at.
        return verdict
