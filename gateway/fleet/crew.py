"""Threads that lend their connections to the devices: each device always speaks over the same one."""

import heapq
import threading
import time
from collections.abc import Sequence

from gateway.fleet.conversation import Conversation, Outcome
from gateway.fleet.door import Door, Line, Lost
from gateway.fleet.tally import Tally


class Crew:
    """So many connections to one door, and the conversations that are held over them."""

    def __init__(self, door: Door, conversations: Sequence[Conversation], *, connections: int) -> None:
        self.tally = Tally()
        self._stop = threading.Event()
        shares = [conversations[at::connections] for at in range(connections)]
        self._threads = [
            threading.Thread(target=self._work, args=(door.line(), share), daemon=True) for share in shares if share
        ]

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

    def _work(self, line: Line, conversations: Sequence[Conversation]) -> None:
        due = [(0.0, at) for at in range(len(conversations))]
        while due and not self._stop.is_set():
            when, at = heapq.heappop(due)
            if self._stop.wait(max(0.0, when - time.monotonic())):
                break
            again = self._speak(line, conversations[at])
            if again is not None:
                heapq.heappush(due, (time.monotonic() + again if again else 0.0, at))
        line.close()

    def _speak(self, line: Line, conversation: Conversation) -> float | None:
        """One call of one device; in how many seconds it speaks again."""
        asked = not conversation.token
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
        return verdict.again
