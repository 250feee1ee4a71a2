"""`python -m tests.bench.inside.flood URL PATH RATE` posts what stands on stdin so often a second until it is stopped.

It prints how many a second it managed. The bytes are made once, so that it takes little of the machine itself.
"""

import json
import selectors
import signal
import socket
import sys
import time
from urllib.parse import urlsplit

CONNECTIONS = 8


def main(url: str, path: str, rate: int) -> None:
    sent, parts = json.loads(sys.stdin.readline()), urlsplit(url)
    headers = {"Host": parts.netloc, "Content-Length": str(len(sent["body"])), **sent["headers"]}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    request = ("\r\n".join(lines) + "\r\n\r\n" + sent["body"]).encode()
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    ready, idle = selectors.DefaultSelector(), []
    for _ in range(CONNECTIONS):
        line = socket.create_connection((parts.hostname, parts.port))
        ready.register(line, selectors.EVENT_READ)
        idle.append(line)
    began, asked, answered = time.monotonic(), 0, 0
    while not stopped:
        due = int((time.monotonic() - began) * rate) - asked
        for line in idle[:due]:
            line.sendall(request)
        asked += len(idle[:due])
        idle = idle[max(due, 0) :]
        for key, _ in ready.select(0.002):
            # A refusal comes in one piece.
            answered += key.fileobj.recv(65536)[9:12] in (b"401", b"429")  # type: ignore[union-attr]
            idle.append(key.fileobj)  # type: ignore[arg-type]
    print(round(answered / (time.monotonic() - began), 1))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
