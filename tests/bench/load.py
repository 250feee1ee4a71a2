"""Load over connections that stay open: by wrk, which Debian has, else by a small loop of our own."""

import json
import os
import re
import selectors
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.bench.figures import CannotRun


@dataclass(frozen=True)
class Rate:
    """Answers per second, and the milliseconds within which 99 of 100 came."""

    per_second: float
    p99: float


def per_second(
    url: str, headers: Mapping[str, str], *, connections: int, seconds: int, body: str | None = None
) -> float:
    """Answers per second to GET, or to POST if there is a body; one that is not 200 makes the measurement void."""
    if not has_wrk():
        return _looped(url, headers, connections=connections, seconds=seconds, body=body)
    return measured(url, headers, connections=connections, seconds=seconds, body=body).per_second


def measured(url: str, headers: Mapping[str, str], *, connections: int, seconds: int, body: str | None = None) -> Rate:
    """The same by wrk alone, with how long the slow ones took."""
    if not has_wrk():
        raise CannotRun("wrk is not installed, and nothing else here is fast enough: apt-get install wrk")
    told = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if body is not None:
            script.write(f"wrk.method = 'POST'\nwrk.body = {json.dumps(body)}\n")
            script.flush()
            told += ["-s", script.name]
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s", *told, url]
        done = subprocess.run(command, capture_output=True, text=True)
    rate, p99 = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout), re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
    if rate is None or p99 is None or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise CannotRun(f"{url} was not answered well:\n{done.stdout}{done.stderr}")
    return Rate(float(rate[1]), float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]])


def has_wrk() -> bool:
    """Whether wrk is there; it is fetched through apt where we may."""
    if not shutil.which("wrk") and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update", "-q"], **quiet)
        subprocess.run(["apt-get", "install", "-qy", "--no-install-recommends", "wrk"], **quiet)
    return shutil.which("wrk") is not None


def _looped(url: str, headers: Mapping[str, str], *, connections: int, seconds: int, body: str | None) -> float:
    parts = urlsplit(url)
    lines = [
        f"{'GET' if body is None else 'POST'} {parts.path} HTTP/1.1",
        f"Host: {parts.netloc}",
        *(f"{name}: {text}" for name, text in headers.items()),
        *([] if body is None else [f"Content-Length: {len(body)}"]),
    ]
    request = ("\r\n".join(lines) + "\r\n\r\n" + (body or "")).encode()
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
