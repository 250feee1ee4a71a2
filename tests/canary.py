"""Canaries: whether a secret that was shown stands where none may be."""

import logging
import re
from collections.abc import Iterable, Mapping

from django.db import connection

from portal.logs import TextFormatter
from tokens import secret
from tokens.models import ApiToken, AppTokenSecret, CredentialSecret, UserPassAccount

_FORM = re.compile(rb"gate_[a-z]+_[0-9A-Za-z]{12}_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}|gatecs[0-9A-Za-z]{49}")
# A password of a gateway user has no form of its own, but it is told as a member of this name.
_PASSWORD = re.compile(rb"[\"']password[\"']: ?[\"']([0-9A-Za-z]{43})[\"']")


def secrets_in(text: bytes) -> set[bytes]:
    """What has the form of a generated secret, and its checksum; and what stands where a password is told."""
    formed = {form for form in _FORM.findall(text) if secret.checksum(form[:-6].decode()).encode() == form[-6:]}
    return formed | set(_PASSWORD.findall(text))


def places(kept: Mapping[str, bytes], shown: Iterable[bytes]) -> list[str]:
    """Where any secret stands, or the random part of one that was shown, or a password that was."""
    parts = {_random(one) for one in shown}
    return [place for place, text in kept.items() if secrets_in(text) or any(part in text for part in parts)]


def _random(shown: bytes) -> bytes:
    """The random part of a secret; of a password all of it."""
    if shown.startswith(b"gate_"):
        return shown.split(b"_", 3)[3][:43]
    return shown[6:49] if _FORM.fullmatch(shown) else shown


def everything_kept() -> dict[str, bytes]:
    """Every row of every table of the database, by the name of the table."""
    kept = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            if rows := cursor.fetchall():
                kept[table] = repr(rows).encode(errors="replace")
    return kept


def was_shown() -> bool:
    """Whether the database knows of any secret, so that a look through all of it is worth the while."""
    known = (ApiToken, CredentialSecret, AppTokenSecret, UserPassAccount)
    return any(model._default_manager.exists() for model in known)


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
