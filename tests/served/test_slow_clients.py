"""Clients that are slow, idle or many: they get their no, and others do not notice them."""

import json
import select
import socket
import statistics
import time

import pytest

from tests.served.installation import ANSWERED_WITHIN, PATIENCE, Served, one_answer, until_closed

pytestmark = pytest.mark.long

# Whoever waited for a slow client would wait for the ten seconds that its headers may take, or longer.
QUICK = 2.0


def test_headers_that_take_over_ten_seconds_are_refused(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.http_port), ANSWERED_WITHIN) as slow:
        slow.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n")
        began = time.monotonic()
        answer = until_closed(slow)
    assert time.monotonic() - began > 9
    assert answer.startswith(b"HTTP/1.1 408")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "request_too_slow"


def test_a_body_that_takes_over_a_minute_is_refused_and_holds_no_worker(served: Served) -> None:
    slow = [socket.create_connection(("127.0.0.1", served.http_port), PATIENCE) for _ in range(40)]
    for connection in slow:
        connection.sendall(b"POST /api/devices/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert usually(served) < QUICK
    for _ in range(30):  # A byte now and then does not make it last longer.
        if select.select([slow[1]], [], [], 5)[0]:
            break
        slow[1].sendall(b" ")
    answer = one_answer(slow[1])
    assert answer.startswith(b"HTTP/1.1 408")
    said = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert set(said) == {"error", "request_id"}
    for connection in slow:
        connection.close()


def test_five_hundred_idle_connections_do_not_hurt_anybody(served: Served) -> None:
    idle = [socket.create_connection(("127.0.0.1", served.http_port), ANSWERED_WITHIN) for _ in range(250)]
    idle += [socket.create_connection(("127.0.0.1", served.tls_port), ANSWERED_WITHIN) for _ in range(250)]
    try:
        assert usually(served) < QUICK
    finally:
        for connection in idle:
            connection.close()


def usually(served: Served) -> float:
    """Seconds within which half of 100 requests are answered."""
    times = []
    for _ in range(100):
        began = time.monotonic()
        assert served.ask("GET", "/readyz")[0] == 200
        times.append(time.monotonic() - began)
    return statistics.median(times)
