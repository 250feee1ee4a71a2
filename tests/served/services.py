"""Services behind gateway routes, for tests: over TLS, a stream of events, a WebSocket, and some that misbehave."""

import base64
import hashlib
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.receiver import say

# They hang up after each answer; what says so is not asked again on the same connection.
SERVED = say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
SICK = say(b"HTTP/1.1 500 X\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy")
GARBAGE = say(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
ANY_BROWSER = say(
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nVary: Accept\r\nAccess-Control-Allow-Origin: *\r\n"
    b"Access-Control-Allow-Credentials: true\r\nContent-Length: 2\r\n\r\nok"
)
# Of RFC 6455, 1.3.
_WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPTED = base64.b64encode(hashlib.sha1(KEY + _WEBSOCKET, usedforsecurity=False).digest())


def reset(connection: socket.socket) -> None:
    """Answer with a reset, as a host does whose service died."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def stop_half_way(connection: socket.socket) -> None:
    """Begin a body, and say no more."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    time.sleep(5)


def events(connection: socket.socket) -> None:
    """A stream of events: one at once, and the next only when the other side has gone or half a second has passed."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
    for number in range(3):
        connection.sendall(b"data: %d\n\n" % number)
        time.sleep(0.5)


def echo(connection: socket.socket) -> None:
    """Become a WebSocket, and say what comes once more."""
    lines = (b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade",
             b"Sec-WebSocket-Accept: " + ACCEPTED, b"", b"")  # fmt: skip
    connection.sendall(b"\r\n".join(lines))
    while heard := connection.recv(4096):
        connection.sendall(heard)


class Secure(BaseHTTPRequestHandler):
    """A service that speaks TLS, and says for which path it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.path)))
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_: Any) -> None:
        return


@contextmanager
def secure(pem: str) -> Iterator[int]:
    """The port of a service with this certificate and its key."""
    with (
        tempfile.NamedTemporaryFile("w", suffix=".pem") as file,
        ThreadingHTTPServer(("127.0.0.1", 0), Secure) as server,
    ):
        file.write(pem)
        file.flush()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file.name)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
