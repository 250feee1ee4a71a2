"""A whole installation for tests: `manage.py serve` on free ports over a folder of its own, with a real Envoy."""

import http.client
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from tests import canary
from tests.served.warm import LONGEST, Warm

ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "correct horse battery staple"
DATABASE = "gatehouse.sqlite3"
# A machine that is slow and busy takes as long as it takes; only what will never come is waited for in vain so long.
PATIENCE = 180.0
ANSWERED_WITHIN = 60.0
STOPPED_WITHIN = 60.0
SETTLED = 12


class Served:
    """The installation. `start` it, `wait_ready`, and `stop` it; its folder stays until the fixture ends."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self.http_port, self.tls_port, self.device_port = free_ports(3)
        self.http_url, self.tls_url = f"http://127.0.0.1:{self.http_port}", f"https://localhost:{self.tls_port}"
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(("GATEHOUSE_", "DJANGO_"))}
        self.env = inherited | {
            "GATEHOUSE_DATA_DIR": str(data_dir),
            "GATEHOUSE_BIND": "127.0.0.1",
            "GATEHOUSE_HTTP_PORT": str(self.http_port),
            "GATEHOUSE_TLS_PORT": str(self.tls_port),
            "GATEHOUSE_DEVICE_PORT": str(self.device_port),
            "GATEHOUSE_ADMIN_PASSWORD": PASSWORD,
            **settings,
        }
        self.shown = {PASSWORD.encode()}
        self.process: subprocess.Popen[str]
        self._warm: Warm | None = None

    @property
    def log(self) -> str:
        """What it wrote on stdout and stderr until now."""
        return "".join(path.read_text() for path in (self._out, self._err) if path.exists())

    @property
    def said(self) -> str:
        """What it wrote on stdout."""
        return self._out.read_text()

    def start(self) -> None:
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        with self._out.open("w") as out, self._err.open("a") as err:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve"], cwd=ROOT, env=self.env, stdout=out, stderr=err, text=True
            )

    def wait_ready(self, seconds: float = PATIENCE) -> None:
        """Wait until the door answers that the portal is ready; what it wrote is told if it never is."""
        wait_for(lambda: self.process.poll() is not None or self.is_ready(), seconds, lambda: self.log[-3000:])
        assert self.process.poll() is None, self.log[-3000:]

    def is_ready(self) -> bool:
        try:
            return self.ask("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, headers and body of one request through the clear-text door."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=ANSWERED_WITHIN)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            content = answer.read()
            self.shown |= canary.secrets_in(content)
            return answer.status, answer.msg, content
        finally:
            connection.close()

    def raw(self, sent: bytes, *, timeout: float = ANSWERED_WITHIN) -> bytes:
        """The answer of the clear-text door to these bytes, whatever they are."""
        with socket.create_connection(("127.0.0.1", self.http_port), timeout) as connection:
            connection.sendall(sent)
            return one_answer(connection)

    def trusted(self) -> ssl.SSLContext:
        """A TLS client that trusts the door's own certificate, and nothing else."""
        return ssl.create_default_context(cafile=str(self.data_dir / "run" / "door.pem"))

    def manage(self, *command: str) -> str:
        """What a management command prints; one that fails fails the test with what it said."""
        done = self.try_to_manage(*command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def try_to_manage(self, *command: str) -> subprocess.CompletedProcess[str]:
        """What comes of a management command, in a process of its own that has loaded Django already."""
        if self._warm and self._warm.environment != self.env:
            self.cool_down()
        self._warm = self._warm or Warm(self.env)
        return self._watched(self._warm.run(command))

    def start_command(self, *command: str) -> subprocess.CompletedProcess[str]:
        """What comes of a management command as an operator starts it, settings that are nonsense included."""
        words = [sys.executable, "manage.py", *command]
        return self._watched(
            subprocess.run(words, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=LONGEST)
        )

    def _watched(self, done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
        self.shown |= canary.secrets_in(done.stdout.encode())
        return done

    def children(self, word: str = "") -> list[int]:
        """The ids of all processes that descend from it, or of those with this word in their command line.

        Each stands behind the one that started it, whatever their numbers are.
        """
        return [pid for pid in descendants(self.process.pid) if word in command_line(pid)]

    def stop(self) -> int:
        """Stop it as an operator would, and give its exit code; what does not heed that is killed."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            for pid in [*self.children(), self.process.pid]:
                os.kill(pid, signal.SIGKILL)
            return self.process.wait()

    def cool_down(self) -> None:
        """End what waits for commands."""
        if self._warm:
            self._warm.close()
            self._warm = None

    def leaks(self) -> list[str]:
        """The files of its folder, and its logs, in which a secret stands, or one that it showed to anybody."""
        files = [path for path in (*self.data_dir.rglob("*"), self._out, self._err) if path.is_file()]
        kept = {str(path): path.read_bytes() for path in files}
        # Envoy reads its own token here, as it reads its keys; it stands nowhere else.
        own = canary.secrets_in(kept.pop(str(self.data_dir / "run" / "node-token.json"), b""))
        return canary.places(kept, self.shown | own)

    @property
    def _out(self) -> Path:
        return self.data_dir.with_suffix(".out")

    @property
    def _err(self) -> Path:
        return self.data_dir.with_suffix(".err")


@contextmanager
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a unix socket, which pytest's own need not be."""
    path = Path(tempfile.mkdtemp(prefix="gh-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def serving(**settings: str) -> Iterator[Served]:
    """A new installation that is ready, stopped afterwards."""
    with folder() as path:
        served = Served(path / "data", **settings)
        if "GATEHOUSE_DATABASE_URL" not in settings:
            served.data_dir.mkdir(mode=0o700)
            (served.data_dir / DATABASE).write_bytes(migrated())
        served.start()
        try:
            served.wait_ready()
            yield served
        finally:
            served.stop()
            served.cool_down()
        leaks = served.leaks()
        assert not leaks, leaks


@cache
def migrated() -> bytes:
    """An embedded database with its tables and nothing in them; to make one is a good part of a first start."""
    with folder() as path:
        Served(path / "data").start_command("migrate", "-v", "0")
        return (path / "data" / DATABASE).read_bytes()


def wait_for(holds: Callable[[], bool], seconds: float = PATIENCE, otherwise: Callable[[], str] = lambda: "") -> float:
    """Wait until it holds, and say how many seconds that took; fail the test if it never does."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, f"not so after {seconds} s: {otherwise()}"
        time.sleep(0.05)
    return time.monotonic() - began


def settled(holds: Callable[[], bool]) -> Callable[[], bool]:
    """Whether it holds whichever thread of Envoy is met: each hears of a change in its own moment.

    `holds` asks over a new connection each time, which any of the threads may take.
    """
    return lambda: all(holds() for _ in range(SETTLED))


def one_answer(connection: socket.socket) -> bytes:
    """What comes until the answer is whole by its Content-Length, or the door closes."""
    heard = b""
    try:
        while piece := connection.recv(65536):
            heard += piece
            head, end, body = heard.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            if end and length and len(body) >= int(length[1]):
                break
    except ConnectionResetError:
        pass  # The door refused to read on; what it said before counts.
    return heard


def until_closed(connection: socket.socket) -> bytes:
    heard = b""
    try:
        while piece := connection.recv(65536):
            heard += piece
    except ConnectionResetError:
        pass  # The door refused to read on; what it said before counts.
    return heard


def descendants(pid: int) -> list[int]:
    """Living processes below this one; one that ended and is not yet buried does not live."""
    parents: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = status.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            parents.setdefault(int(parent), []).append(int(status.parent.name))
    found, family = [], [pid]
    while family:
        below = parents.get(family.pop(), [])
        found += below
        family += below
    return found


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def lives(pid: int) -> bool:
    return bool(command_line(pid))


def free_ports(count: int) -> list[int]:
    """Ports at which nobody listens, and that no outgoing connection is given.

    So a program comes to its port, and back to it after it was stopped, whatever other tests do meanwhile.
    """
    first_given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    chance, ports = random.SystemRandom(), set[int]()
    while len(ports) < count:
        port = chance.randrange(12_000, first_given if first_given > 20_000 else 65_536)
        with suppress(OSError):
            socket.create_server(("127.0.0.1", port)).close()
            ports.add(port)
    return list(ports)
