"""A `manage.py` that is warm: Django is loaded once, and each command is a process of its own, forked from there.

A test module asks an installation for dozens of commands, and of each the start of Python and Django is nearly all.
The program's side is `python -m tests.served.warm`: each line of its input is an order as JSON.
"""

import json
import os
import runpy
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
CLOSED = "closed"


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

    def run(self, command: Sequence[str], **streams: str) -> subprocess.CompletedProcess[str]:
        """What `manage.py` with these words printed, and its exit code; `stdout` or `stderr` is a path, or `closed`."""
        assert self._program.stdin
        with self._writing:
            self._count += 1
            place = Path(self._folder.name) / str(self._count)
            self._program.stdin.write(json.dumps({"command": list(command), "place": str(place), **streams}) + "\n")
            self._program.stdin.flush()
        ended, began = place.with_suffix(".ended"), time.monotonic()
        while not ended.exists():
            assert self._program.poll() is None, "the warm manage.py has ended"
            assert time.monotonic() - began < LONGEST, f"{command} takes over {LONGEST} s"
            time.sleep(LOOK)
        said = (place.with_suffix(ending) for ending in (".out", ".err"))
        out, err = (path.read_text() if path.exists() else "" for path in said)
        return subprocess.CompletedProcess(list(command), int(ended.read_text()), out, err)

    def close(self) -> None:
        if self._program.stdin:
            self._program.stdin.close()
        self._program.wait(LONGEST)
        self._folder.cleanup()


def serve() -> None:
    """Until the input ends, carry out each order in a process of its own."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Whoever watches a command is not waited for.
    for line in sys.stdin:
        order = json.loads(line)
        if os.fork():
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if (command := os.fork()) == 0:
            become(order["command"], Path(order["place"]), order)
            return
        _, status = os.waitpid(command, 0)
        unfinished = Path(order["place"]).with_suffix(".unfinished")
        unfinished.write_text(str(os.waitstatus_to_exitcode(status)))
        unfinished.rename(unfinished.with_suffix(".ended"))
        os._exit(0)


def become(words: Sequence[str], place: Path, streams: Mapping[str, str]) -> None:
    usual = {"stdin": os.devnull, "stdout": f"{place}.out", "stderr": f"{place}.err"}
    wanted = {name: streams.get(name, path) for name, path in usual.items()}
    for number, path in enumerate(wanted.values()):
        if path != CLOSED:
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
    for number, (name, path) in enumerate(wanted.items()):
        if path == CLOSED:
            os.close(number)
            setattr(sys, name, None)  # As Python has it then.
    sys.argv = ["manage.py", *words]
    runpy.run_path(str(ROOT / "manage.py"), run_name="__main__")


if __name__ == "__main__":
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    django.setup()
    serve()
