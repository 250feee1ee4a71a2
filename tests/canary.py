"""Canaries: whether a secret that was shown stands where none may be."""

import logging
import re
from collections.abc import Iterable, Mapping

from portal.logs import TextFormatter
from tokens import secret

_FORM = re.compile(rb"gate_[a-z]+_[a-z0-9]{12}_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}")


def secrets_in(text: bytes) -> set[bytes]:
    """What has the form of a generated secret, and its checksum."""
    return {form for form in _FORM.findall(text) if secret.checksum(form[:-6].decode()).encode() == form[-6:]}


def places(kept: Mapping[str, bytes], shown: Iterable[bytes]) -> list[str]:
    """Where any secret stands, or the random part of one that was shown, or a password that was."""
    parts = {one.split(b"_", 3)[3][:43] if one.startswith(b"gate_") else one for one in shown}
    return [place for place, text in kept.items() if secrets_in(text) or any(part in text for part in parts)]


class Watch(logging.Handler):
    """Reads every line of the log as an installation would write it, and remembers where one told a secret."""

    def __init__(self, password: str) -> None:
        super().__init__()
        self.setFormatter(TextFormatter())
        self.password = password.encode()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record).encode(errors="replace")
        if places({record.name: line}, [self.password]):
            self.found.append(f"{record.name}, {record.pathname}:{record.lineno}")
