"""How log lines look: text for people, JSON for machines; each carries the request id."""

import json
import logging
from datetime import UTC, datetime

from portal import request_id
from portal.rfc3339 import written


class RequestIdFilter(logging.Filter):
    """Put the request's id on the record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.current()
        return True


class ClientFaultFilter(logging.Filter):
    """What a client sent that Django does not read is a line without a traceback: it is no fault of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security."):
            record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
        return True


class TextFormatter(logging.Formatter):
    """`2026-11-25T10:00:00Z INFO gatehouse.events device.pending {"device": "press-4"} [request id]`"""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{_time(record)} {record.levelname} {record.name} {_one_line(record.getMessage())}"
        if event := getattr(record, "event", None):
            line += f" {json.dumps(event)}"
        if identifier := getattr(record, "request_id", ""):
            line += f" [{identifier}]"
        return line + (f"\n{_indented(self.formatException(record.exc_info))}" if record.exc_info else "")


class JsonFormatter(logging.Formatter):
    """One JSON object per line, with `time`, `level`, `logger`, `message`, `request_id`, and `event` or `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "request_id", ""),
        }
        if event := getattr(record, "event", None):
            line["event"] = event
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _time(record: logging.LogRecord) -> str:
    return written(datetime.fromtimestamp(record.created, UTC), "milliseconds")


def _one_line(message: str) -> str:
    """A client's text must not be able to write a line of its own into the log, nor to steer a terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in message)


def _indented(traceback: str) -> str:
    """Only lines of ours begin at the margin, so that a text quoted in a traceback can't pass for one."""
    return "\n".join(f"    {_one_line(line)}" for line in traceback.splitlines())
