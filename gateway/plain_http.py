"""A few words of HTTP over a unix socket or to a port of this machine, for a process that shall stay small."""

import socket
from pathlib import Path

TIMEOUT = 2.0
MOST = 1 << 16


def get(where: Path | str, path: str) -> int | None:
    """The status of the answer; None if there was none."""
    return _status(_said(where, "GET", path))


def post(where: Path | str, path: str) -> int | None:
    return _status(_said(where, "POST", path))


def body(where: Path | str, path: str) -> bytes | None:
    """The body of the answer, at most 64 KiB."""
    return _said(where, "GET", path).partition(b"\r\n\r\n")[2] or None


def _status(said: bytes) -> int | None:
    words = said.split(b" ", 2)
    return int(words[1]) if len(words) == 3 and words[1].isdigit() else None


def _said(where: Path | str, method: str, path: str) -> bytes:
    """Everything that came until the other side closed; nothing if it could not be reached."""
    try:
        with _connection(where) as connection:
            headers = "Host: localhost\r\nConnection: close\r\nContent-Length: 0"
            connection.sendall(f"{method} {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode())
            said = b""
            while len(said) < MOST and (piece := connection.recv(MOST)):
                said += piece
            return said
    except OSError:
        return b""


def _connection(where: Path | str) -> socket.socket:
    """To the socket at a path, or to `127.0.0.1:8000`."""
    if isinstance(where, Path):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT)
        connection.connect(str(where))
        return connection
    host, _, port = where.rpartition(":")
    return socket.create_connection((host, int(port)), TIMEOUT)
