"""Log lines of a process without Django, in the same two forms as everybody else's."""

import json
import os
from contextlib import suppress
from datetime import UTC, datetime

from portal.rfc3339 import written

LOGGER = "gatehouse.serve"


class Narrator:
    """Writes to stderr, one line each."""

    def __init__(self, *, json_lines: bool) -> None:
        self.json_lines = json_lines

    def warn(self, message: str) -> None:
        self._write("WARNING", message)

    def error(self, message: str) -> None:
        self._write("ERROR", message)

    def _write(self, level: str, message: str) -> None:
        now = written(datetime.now(UTC), "milliseconds")
        line = f"{now} {level} {LOGGER} {message}"
        if self.json_lines:
            line = json.dumps({"time": now, "level": level, "logger": LOGGER, "message": message, "request_id": ""})
        with suppress(OSError):  # A full disk behind stderr stops nothing.
            os.write(2, f"{line}\n".encode())
