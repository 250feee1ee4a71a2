"""A receiver of webhooks for tests: a real socket on loopback that may also hang, drip, lie and die."""

import base64
import contextlib
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Heard:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> str:
        return self.headers["webhook-id"]

    @property
    def type(self) -> str:
        return str(self.json["type"])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def is_signed_with(self, secret: str) -> bool:
        """Whether one of its signatures is made with the secret, as the Standard Webhooks specification has it."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return f"v1,{expected}" in self.headers["webhook-signature"].split(" ")


Answer = Callable[[socket.socket], None]


def say(text: bytes) -> Answer:
    return lambda connection: connection.sendall(text)


def status(number: int, *headers: str) -> Answer:
    lines = [f"HTTP/1.1 {number} X", *headers, "Content-Length: 0", "", ""]
    return say("\r\n".join(lines).encode())


def hang(connection: socket.socket) -> None:
    """Say nothing until the other side gives up."""
    with contextlib.suppress(OSError):
        connection.recv(1)


def drip(first: bytes, piece: bytes = b"x") -> Answer:
    """Begin, and then never end, a piece every 50 ms."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(first)
        while True:
            connection.sendall(piece)
            time.sleep(0.05)

    return answer


def pour(connection: socket.socket) -> None:
    """An endless body as fast as it is taken."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


class Receiver:
    """Takes each connection in a thread of its own. `answer` says what it does after it has read a request."""

    def __init__(self, port: int = 0, *, answer: Answer | None = None) -> None:
        self.heard: list[Heard] = []
        self.answer: Answer = answer or say(OK)
        self._listening = socket.create_server(("127.0.0.1", port))
        self._open: list[socket.socket] = []
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self._take, daemon=True).start()

    def close(self) -> None:
        """Die: nobody listens at the port any more."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _take(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            came = b""
            while b"\r\n\r\n" not in came:
                piece = connection.recv(65536)
                if not piece:
                    return
                came += piece
            head, _, body = came.partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            while len(body) < int(headers.get("content-length", "0")):
                body += connection.recv(65536)
            self.heard.append(Heard(first.split(" ")[1], headers, body))
            self.answer(connection)


@contextmanager
def receiving(port: int = 0, *, answer: Answer | None = None) -> Iterator[Receiver]:
    receiver = Receiver(port, answer=answer)
    try:
        yield receiver
    finally:
        receiver.close()
