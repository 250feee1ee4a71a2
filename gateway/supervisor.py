"""Run portal, worker and Envoy until told to stop: `python -m gateway.supervisor ORDERS.json`.

It imports nothing but the standard library, so it takes a few megabytes: `serve` prepares everything with Django and
then becomes this by exec, under the same process id.
"""

import contextlib
import json
import os
import re
import selectors
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType
from typing import IO, Any

from gateway import narration, plain_http
from gateway.children import Child

STOPPED_WITHIN = 9.0
DRAINED_WITHIN = 2.0
GIVEN_UP_AFTER = 5
TURN = 0.2
# What Envoy writes when it does not take something it was offered.
OBJECTION = re.compile(rb"/v3/discovery:([a-z_]+) rejected: (.*)")
ACTIVE = "/stats?filter=downstream_rq_active"


class Supervisor:
    """Starts Envoy once the portal answers, says so once the door does, and starts again whatever dies."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self.narrator = narration.Narrator(json_lines=orders["json_logs"])
        self.ready_at: str = orders["ready_at"]
        self.announcement: str = orders["announcement"]
        self.portal_socket, self.admin_socket = Path(orders["portal_socket"]), Path(orders["admin_socket"])
        self.objections: str = orders["objections"]
        inherited = {name: text for name, text in os.environ.items() if name != "GATEHOUSE_ADMIN_PASSWORD"}
        self.portal = Child("portal", orders["portal"], inherited, socket=self.portal_socket)
        self.worker = Child("worker", orders["worker"], inherited)
        # Envoy needs none of our environment, so it gets none of our secrets.
        self.envoy = Child("envoy", orders["envoy"], {"TZ": "UTC"}, socket=self.admin_socket, piped=True)
        self.children = [self.portal, self.worker, self.envoy]
        self.announced = False
        self.stopping = False
        self.selector = selectors.DefaultSelector()
        self.envoy_said = b""

    def run(self) -> int:
        self._heed_signals()
        self.portal.start()
        self.worker.start()
        while not self.stopping:
            if not self.announced:
                self._bring_up()
            self._wait(TURN if self.announced else 0.05)
            self._look_after()
            if not self.announced and any(child.deaths >= GIVEN_UP_AFTER for child in self.children):
                failed = next(child.name for child in self.children if child.deaths >= GIVEN_UP_AFTER)
                self.narrator.error(f"The {failed} does not start; what it wrote above says why.")
                self.stop()
                return 1
        self.stop()
        return 0

    def stop(self) -> None:
        """New connections are refused, requests under way may end, then everything is stopped; all within 10 s."""
        began = time.monotonic()
        if self.envoy.process and plain_http.post(self.admin_socket, "/drain_listeners") is not None:
            while time.monotonic() - began < DRAINED_WITHIN and self._under_way():
                time.sleep(0.05)
        for child in (self.envoy, self.worker, self.portal):
            child.ask_to_stop()
        for child in self.children:
            child.wait(began + STOPPED_WITHIN)
        for path in (self.portal_socket, self.admin_socket):
            path.unlink(missing_ok=True)

    def _heed_signals(self) -> None:
        """Signals wake the loop by a byte in a socket, so that none is noticed late."""
        reading, writing = socket.socketpair()
        for end in (reading, writing):
            end.setblocking(False)
        signal.set_wakeup_fd(writing.fileno())
        self._wakes = (reading, writing)
        self.selector.register(reading, selectors.EVENT_READ)

        def stop(number: int, frame: FrameType | None) -> None:
            self.stopping = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def _bring_up(self) -> None:
        """Envoy starts when the portal can answer it: its first question then is answered at once."""
        if not self.envoy.started_at:
            if plain_http.get(self.portal_socket, "/readyz") == 200:
                self._start(self.envoy)
        elif plain_http.get(self.ready_at, "/readyz") == 200:
            self.announced = True
            with contextlib.suppress(OSError):  # Whoever does not read it is served all the same.
                os.write(1, f"{self.announcement}\n".encode())

    def _start(self, child: Child) -> None:
        child.start()
        if child.process and child.process.stderr:
            self.selector.register(child.process.stderr, selectors.EVENT_READ)

    def _wait(self, seconds: float) -> None:
        for key, _ in self.selector.select(seconds):
            if key.fileobj is self._wakes[0]:
                self._wakes[0].recv(4096)
            else:
                self._hear(key.fd)

    def _hear(self, fd: int) -> None:
        """Pass Envoy's words on, and note what it says against what it was offered."""
        heard = os.read(fd, 65536)
        if not heard:
            self.selector.unregister(fd)
            return
        with contextlib.suppress(OSError):
            os.write(2, heard)
        *lines, self.envoy_said = (self.envoy_said + heard).split(b"\n")
        self.envoy_said = self.envoy_said[-65536:]
        for line in lines:
            if objection := OBJECTION.search(line):
                Path(self.objections + objection[1].decode()).write_bytes(objection[2][:4096])

    def _stop_hearing(self, pipe: IO[bytes]) -> None:
        """What an Envoy wrote last, if that has not been heard yet."""
        with contextlib.suppress(BlockingIOError):
            while pipe.fileno() in self.selector.get_map():
                self._hear(pipe.fileno())
        if pipe.fileno() in self.selector.get_map():
            self.selector.unregister(pipe)
        pipe.close()

    def _look_after(self) -> None:
        for child in self.children:
            piped = child.process.stderr if child.process else None
            if (code := child.died()) is not None:
                if piped:
                    self._stop_hearing(piped)
                self.narrator.warn(f"The {child.name} ended with {code} and is started again.")
            elif child.process is None and child.started_at and time.monotonic() >= child.due_at:
                self._start(child)

    def _under_way(self) -> bool:
        """Whether Envoy still works on a request that came through a door."""
        said = plain_http.body(self.admin_socket, ACTIVE) or b""
        return any(line.rpartition(b":")[2].strip() not in (b"0", b"") for line in said.splitlines())


def main(path: str) -> int:
    return Supervisor(json.loads(Path(path).read_text())).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
