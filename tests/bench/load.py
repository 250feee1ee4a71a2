"""Load over connections that stay open: by wrk, which Debian has, else by a small loop of our own."""

import os
import re
import selectors
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from tests.bench.figures import CannotRun


def per_second(url: str, headers: Mapping[str, str], *, connections: int, seconds: int) -> float:
    """Answers per second to GET; one that is not 200 makes the measurement void."""
    if not has_wrk():
        return _looped(url, headers, connections=connections, seconds=seconds)
    told = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *told, url], capture_output=True, text=True
    )
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if rate is None or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise CannotRun(f"{url} was not answered well:\n{done.stdout}{done.stderr}")
    return float(rate[1])


def has_wrk() -> bool:
    """Whether wrk is there; it is fetched through apt where we may."""
    if not shutil.which("wrk") and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update", "-q"], **quiet)
        subprocess.run(["apt-get", "install", "-qy", "--no-install-recommends", "wrk"], **quiet)
    return shutil.which("wrk") is not None


def _looped(url: str, headers: Mapping[str, str], *, connections: int, seconds: int) -> float:
    parts = urlsplit(url)
    lines = [
        f"GET {parts.path} HTTP/1.1",
        f"Host: {parts.netloc}",
        *(f"{name}: {text}" for name, text in headers.items()),
    ]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    ready = selectors.DefaultSelector()
    for _ in range(connections):
        line = socket.create_connection((parts.hostname, parts.port))
        ready.register(line, selectors.EVENT_READ)
        line.sendall(request)
    answered, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for key, _ in ready.select(1):
            if not key.fileobj.recv(65536).startswith(b"HTTP/1.1 200"):  # Small answers come in one piece.
                raise CannotRun(f"{url} was not answered with 200")
            answered += 1
            key.fileobj.sendall(request)
    for key in list(ready.get_map().values()):
        key.fileobj.close()
    return answered / seconds
