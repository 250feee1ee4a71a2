"""A log line is one line, whatever a client sends, and carries the request id."""

import json
import logging
import sys

import pytest

from portal.logs import JsonFormatter, RequestIdFilter, TextFormatter
from portal.request_id import _current


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("gatehouse.test", logging.INFO, __file__, 1, message, (), None)
    made.__dict__.update(extra)
    RequestIdFilter().filter(made)
    return made


@pytest.mark.parametrize("control", ["\n", "\r", "\x1b", "\x00", "\x85", "\u2028", "\x0b", "\u202e"])
def test_a_clients_text_writes_no_line_of_its_own_and_steers_no_terminal(control: str) -> None:
    line = TextFormatter().format(record(f"unknown device a{control}2026 INFO forged"))
    assert control not in line
    assert len(line.splitlines()) == 1
    assert "2026 INFO forged" in line


def test_text_in_a_traceback_does_not_begin_at_the_margin() -> None:
    try:
        raise ValueError("first\n2026-11-25T10:00:00Z INFO forged\x1b[2J")
    except ValueError:
        made = record("failed")
        made.exc_info = sys.exc_info()
    first, *rest = TextFormatter().format(made).splitlines()
    assert first.endswith("gatehouse.test failed")
    assert all(line.startswith("    ") for line in rest)
    assert "\x1b" not in "".join(rest)


def test_an_event_and_the_request_id_stand_on_the_line() -> None:
    token = _current.set("abc")
    try:
        made = record("device.pending", event={"device": "press-4"})
    finally:
        _current.reset(token)
    assert TextFormatter().format(made).endswith('device.pending {"device": "press-4"} [abc]')
    line = json.loads(JsonFormatter().format(made))
    assert (line["message"], line["event"], line["request_id"]) == ("device.pending", {"device": "press-4"}, "abc")


def test_json_is_one_object_on_one_line() -> None:
    assert "\n" not in JsonFormatter().format(record("a\nb"))
