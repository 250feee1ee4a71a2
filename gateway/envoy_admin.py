"""What the Envoy on this machine says of itself at its admin socket, which nobody else can reach."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any

from gateway import run_folder

MOST = 64 * 1024 * 1024


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def process() -> str | None:
    """A name for the run of Envoy, which makes its socket when it starts; None where none runs."""
    try:
        made = run_folder.ADMIN_SOCKET.stat()
    except OSError:
        return None
    return f"{made.st_ino}-{made.st_mtime_ns}"


def ask(path: str, *, seconds: float) -> Any:
    """The JSON that Envoy answers, waiting so long for each piece; None if it cannot be had."""
    connection = _Connection(run_folder.ADMIN_SOCKET, seconds)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return json.loads(answer.read(MOST)) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
