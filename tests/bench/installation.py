"""A whole installation of its own for a benchmark: fresh data, free ports, `manage.py serve`."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from tests.bench.figures import CannotRun

ROOT = Path(__file__).resolve().parent.parent.parent
SERVE = (sys.executable, "manage.py", "serve")
PASSWORD = "correct horse battery staple"


class Installation:
    """As a context it is ready when entered and stopped when left; its data may be used again by another."""

    def __init__(
        self, data: Path, command: Iterable[str] = SERVE, *, folder: Path = ROOT, patience: float = 60
    ) -> None:
        self.data, self.command, self.folder, self.patience = data, tuple(command), folder, patience
        self.http_port, self.tls_port, self.device_port = free_ports(3)
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(("GATEHOUSE_", "DJANGO_"))}
        self.environment = inherited | {
            "GATEHOUSE_DATA_DIR": str(data),
            "GATEHOUSE_BIND": "127.0.0.1",
            "GATEHOUSE_HTTP_PORT": str(self.http_port),
            "GATEHOUSE_TLS_PORT": str(self.tls_port),
            "GATEHOUSE_DEVICE_PORT": str(self.device_port),
            "GATEHOUSE_ADMIN_PASSWORD": PASSWORD,
        }
        self.ready_after = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def log(self) -> Path:
        return self.data.with_suffix(".log")

    def __enter__(self) -> "Installation":
        began = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        while not answers(f"{self.url}/readyz"):
            if self.process.poll() is not None or time.monotonic() - began > self.patience:
                self.stop()
                raise CannotRun(f"the installation did not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.05)
        self.ready_after = time.monotonic() - began
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop it as an operator would; what does not heed that is killed."""
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def manage(self, *command: str) -> str:
        """What a management command prints."""
        done = subprocess.run(
            [sys.executable, "manage.py", *command], cwd=ROOT, env=self.environment, capture_output=True, text=True
        )
        if done.returncode and not done.stdout:
            raise CannotRun(f"manage.py {command[0]} failed: {done.stderr.strip()[-1000:]}")
        return done.stdout

    def processes(self) -> list[int]:
        """The process that was started and all that descend from it."""
        children: dict[int, list[int]] = {}
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(status.parent.name))
        family, found = [self.process.pid], []
        while family:
            found.append(family.pop())
            family += children.get(found[-1], [])
        return found


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="gatehouse-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def installation() -> Iterator[Installation]:
    """A new installation that is ready."""
    with scratch() as folder, Installation(folder / "data") as ready:
        yield ready


def free_ports(count: int) -> list[int]:
    holders = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [holder.getsockname()[1] for holder in holders]
    for holder in holders:
        holder.close()
    return ports


def answers(url: str, headers: dict[str, str] | None = None) -> bool:
    """Whether this is answered with 200 now."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
