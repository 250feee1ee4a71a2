"""A log line is one line, whatever a client sends, and carries the request id."""

import io
import json
import logging
import sys
from collections.abc import Callable

import pytest
from django.test import Client
from rest_framework.test import APIClient

from portal.logs import JsonFormatter, RequestIdFilter, TextFormatter
from portal.request_id import _current
from portal.scopes import Scope


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


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is written where the settings say."""
    written = io.StringIO()
    handlers = [each for each in logging.getLogger("django").handlers if type(each) is logging.StreamHandler]
    monkeypatch.setattr(handlers[0], "stream", written)
    return written


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/portal/login/", "/api/v1/tenants", "/api/v1/credentials", "/api/im/v3/Users"])
def test_too_many_parameters_are_told_so_and_are_one_line_in_the_log(
    rest: Callable[..., APIClient], log: io.StringIO, path: str
) -> None:
    client = Client() if path.startswith("/portal/") else rest(*Scope)
    assert client.get(path, QUERY_STRING="&".join(["a=1"] * 1000)).status_code in (200, 400)
    assert log.getvalue() == ""
    answer = client.get(path, QUERY_STRING="&".join(["a=1"] * 1001))
    assert answer.status_code == 400
    assert "too many parameters or fields; at most 1000 are taken" in answer.content.decode()
    [line] = log.getvalue().splitlines()
    assert " WARNING " in line
    assert answer["X-Request-Id"] in line
