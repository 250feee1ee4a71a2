"""Load by devices that show a certificate: Python's own TLS, for neither wrk nor ab shows one under TLS 1.3."""

import re
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import CannotRun
from tests.pki import Holder

PATIENCE = 10.0
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)

Ask = Callable[[], None]


@dataclass(frozen=True)
class Load:
    """What came of it: answers per second, and how long each was waited for, in seconds."""

    per_second: float
    waits: Sequence[float]

    @property
    def p99(self) -> float:
        return sorted(self.waits)[int(len(self.waits) * 0.99)]


@dataclass(frozen=True)
class Client:
    """A device at its door: the port, what it trusts and shows, and the status that it is answered with."""

    port: int
    context: ssl.SSLContext
    expected: int = 200

    @classmethod
    def holding(cls, holder: Holder, folder: Path, *, port: int, trusted: Path, expected: int = 200) -> "Client":
        context = ssl.create_default_context(cafile=str(trusted))
        context.load_cert_chain(*holder.files(folder))
        return cls(port, context, expected)

    def connect(self) -> ssl.SSLSocket:
        """A new connection after a full handshake; Python takes no earlier session up by itself."""
        plain = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.context.wrap_socket(plain, server_hostname="localhost")

    def ask(self, line: ssl.SSLSocket, path: str, *, closes: bool = False) -> None:
        """One GET, read to the end of its answer."""
        line.sendall(request(path, closes=closes))
        heard = b""
        while not is_whole(heard):
            piece = line.recv(65536)
            if not piece:
                raise CannotRun(f"the device door closed in the middle of an answer to GET {path}")
            heard += piece
        self.check(heard)

    def ask_anew(self, path: str) -> None:
        """One GET over a connection of its own."""
        with self.connect() as line:
            self.ask(line, path, closes=True)

    def check(self, answer: bytes) -> None:
        if not answer.startswith(b"HTTP/1.1 %d " % self.expected):
            raise CannotRun(f"the device door should have answered {self.expected}, and did:\n{answer.decode()[:500]}")


def request(path: str, *, closes: bool = False) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{'Connection: close' if closes else 'Accept: */*'}\r\n\r\n".encode()
    )


def is_whole(heard: bytes) -> bool:
    """Whether an answer has come with all of its body."""
    head, end, body = heard.partition(b"\r\n\r\n")
    length = LENGTH.search(head + b"\r\n")
    return bool(end) and len(body) >= int(length[1] if length else 0)


def kept_alive(client: Client, path: str, *, connections: int, seconds: float) -> Load:
    """Each connection asks again as soon as it is answered."""
    ready, asked_at = selectors.DefaultSelector(), {}
    asked, heard, waits = request(path), dict[int, bytes](), list[float]()
    lines = [client.connect() for _ in range(connections)]
    began = time.perf_counter()
    for line in lines:
        line.setblocking(False)
        ready.register(line, selectors.EVENT_READ, line)
        heard[line.fileno()], asked_at[line.fileno()] = b"", time.perf_counter()
        line.sendall(asked)
    while time.perf_counter() - began < seconds:
        come = ready.select(PATIENCE)
        if not come:
            raise CannotRun(f"the device door answered nothing to GET {path} for {PATIENCE:g} s")
        for key, _ in come:
            try:
                piece = key.data.recv(65536)
            except ssl.SSLWantReadError:
                continue  # A session ticket, or half a record.
            answer = heard[key.fd] + piece
            if piece and not is_whole(answer):
                heard[key.fd] = answer
                continue
            client.check(answer)
            now = time.perf_counter()
            waits.append(now - asked_at[key.fd])
            heard[key.fd], asked_at[key.fd] = b"", now
            key.data.sendall(asked)
    took = time.perf_counter() - began
    for line in lines:
        line.close()
    return Load(len(waits) / took, waits)


def in_turn(ask: Ask, *, threads: int, seconds: float) -> Load:
    """So many ask at once, each again as soon as it is answered."""
    end = time.perf_counter() + seconds

    def work(_: int) -> list[float]:
        waits = []
        while (began := time.perf_counter()) < end:
            ask()
            waits.append(time.perf_counter() - began)
        return waits

    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        waits = [wait for one in pool.map(work, range(threads)) for wait in one]
    return Load(len(waits) / (time.perf_counter() - began), waits)


def paced(asks: Sequence[Ask], *, threads: int, per_second: float) -> Load:
    """Each ask when it is due, whether or not those before it are answered; every so many fall to the same thread."""
    began = time.perf_counter()

    def work(first: int) -> list[float]:
        waits = []
        for number in range(first, len(asks), threads):
            time.sleep(max(0.0, began + number / per_second - time.perf_counter()))
            asked_at = time.perf_counter()
            asks[number]()
            waits.append(time.perf_counter() - asked_at)
        return waits

    with ThreadPoolExecutor(threads) as pool:
        waits = [wait for one in pool.map(work, range(threads)) for wait in one]
    return Load(len(waits) / (time.perf_counter() - began), waits)
