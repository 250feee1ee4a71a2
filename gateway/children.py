"""One child process of `serve`: started, started again after it died, stopped."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gateway import lifeline

# Seconds until the next start, by how often it died soon after its last start.
PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)
SOON = 10.0


@dataclass
class Child:
    """A program by its command line. `socket` is left behind by one that was killed, and is in the way of the next."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    socket: Path | None = None
    piped: bool = False
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    started_at: float = 0.0
    due_at: float = field(default=0.0)

    def start(self) -> None:
        """Start it in a process group of its own, so that a Ctrl-C in the terminal reaches `serve` alone."""
        if self.socket:
            self.socket.unlink(missing_ok=True)
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=2,
            stderr=subprocess.PIPE if self.piped else None,
            process_group=0,
            preexec_fn=partial(lifeline.end_with_parent, os.getpid()),  # There are no threads here.
        )
        if self.process.stderr:
            os.set_blocking(self.process.stderr.fileno(), False)

    def died(self) -> int | None:
        """The exit code of one that has just ended; its next start is planned."""
        if self.process is None or (code := self.process.poll()) is None:
            return None
        now = time.monotonic()
        self.deaths = 1 if now - self.started_at > SOON else self.deaths + 1
        self.due_at = now + PAUSES[min(self.deaths, len(PAUSES)) - 1]
        self.process = None
        return code

    def ask_to_stop(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGTERM)

    def wait(self, until: float) -> None:
        """Wait for its end until that moment; then kill it and what it started."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
