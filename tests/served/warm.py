"""A `manage.py` that is warm: Django is loaded once, and each command is a process of its own, forked from there.

A test module asks an installation for dozens of commands, and of each the start of Python and Django is nearly all.
The program's side is `python -m tests.served.warm`: each line of its input is an order as JSON.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LONGEST = 180.0
LOOK = 0.005


class Warm:
    """Commands in one environment, as many at once as are asked for. `close` it in the end."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self._writing = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="gh-warm-")
        self._count = 0
        self._program = subprocess.Popen(
            [sys.executable, "-m", "tests.served.warm"],
            cwd=ROOT, env=self.environment, stdin=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """What `manage.py` with these words printed, and its exit code."""
        assert self._program.stdin
        with self._writing:
            self._count += 1
            place = Path(self._folder.name) / str(self._count)
            self._program.stdin.write(json.dumps({"command": list(command), "place": str(place)}) + "\n")
            self._program.stdin.flush()
        ended, began = place.with_suffix(".ended"), time.monotonic()
        while not ended.exists():
            assert self._program.poll() is None, "the warm manage.py has ended"
            assert time.monotonic() - began < LONGEST, f"{command} takes over {LONGEST} s"
            time.sleep(LOOK)
        out, err = (place.with_suffix(ending).read_text() for ending in (".out", ".err"))
        return subprocess.CompletedProcess(list(command), int(ended.read_text()), out, err)

    def close(self) -> None:
        if self._program.stdin:
            self._program.stdin.close()
        self._program.wait(LONGEST)
        self._folder.cleanup()


def serve() -> None:
    """Until the input ends, carry out each order in a process of its own."""
    from django.core.management import execute_from_command_line

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Whoever watches a command is not waited for.
    for line in sys.stdin:
        order = json.loads(line)
        if os.fork():
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if (command := os.fork()) == 0:
            words, place = order["command"], Path(order["place"])
            for number, file in ((0, Path(os.devnull)), (1, place.with_suffix(".out")), (2, place.with_suffix(".err"))):
                os.dup2(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), number)
            execute_from_command_line(["manage.py", *words])
            return
        _, status = os.waitpid(command, 0)
        unfinished = Path(order["place"]).with_suffix(".unfinished")
        unfinished.write_text(str(os.waitstatus_to_exitcode(status)))
        unfinished.rename(unfinished.with_suffix(".ended"))
        os._exit(0)


if __name__ == "__main__":
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    django.setup()
    serve()
