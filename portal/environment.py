"""Read settings from GATEHOUSE_* environment variables, and refuse a value that makes no sense.

Every variable may also be given as GATEHOUSE_<NAME>_FILE, the path of a file that holds the value.
"""

import ipaddress
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

PREFIX = "GATEHOUSE_"
# What a database URL may say after its `?`, beside host and port.
POSTGRES_OPTIONS = frozenset(
    (
        "application_name",
        "connect_timeout",
        "options",
        "sslcert",
        "sslkey",
        "sslmode",
        "sslrootcert",
        "target_session_attrs",
    )
)

# Only what asks for it is prepared on the server; counting to this would take for ever.
ON_DEMAND = 2**31 - 1

# What stands in a mail's head and on the wire to its server: one plain address without a name beside it.
MAIL_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?")


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed in. `is_smtps` is TLS from the start; otherwise STARTTLS is demanded, but for this host."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    is_smtps: bool

    @property
    def demands_starttls(self) -> bool:
        return not self.is_smtps and self.host not in ("localhost", "127.0.0.1", "::1")


def text(name: str, default: str = "") -> str:
    """The value itself, or the contents of the file that GATEHOUSE_<NAME>_FILE names; never both."""
    return foreign(PREFIX + name) or default


def foreign(variable: str) -> str:
    """A variable that another system knows under this very name; it too may be given as a file."""
    value, path = os.environ.get(variable, ""), os.environ.get(f"{variable}_FILE", "")
    if value and path:
        raise ImproperlyConfigured(f"{variable} and {variable}_FILE are both set; keep one of them.")
    if path:
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as unreadable:
            raise ImproperlyConfigured(f"{variable}_FILE names {path}, which cannot be read.") from unreadable
        if not value:
            raise ImproperlyConfigured(f"{variable}_FILE names {path}, which is empty.")
    return value


def choice(name: str, allowed: tuple[str, ...]) -> str:
    """One word of a list; the first is the default."""
    value = text(name, allowed[0])
    if value not in allowed:
        raise ImproperlyConfigured(f"{PREFIX}{name} is {value!r}; write {' or '.join(allowed)}.")
    return value


def name(name: str, default: str) -> str:
    """A name of 1 to 64 of A-Z a-z 0-9 . _ and -."""
    value = text(name, default)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value):
        raise ImproperlyConfigured(
            f"{PREFIX}{name} is {value!r}; write 1 to 64 of A-Z a-z 0-9 . _ and -, beginning with a letter or a digit."
        )
    return value


def words(name: str, default: str = "") -> list[str]:
    return text(name, default).replace(",", " ").split()


def number(name: str, default: int, *, least: int, most: int) -> int:
    value = text(name, str(default))
    if not (value.isascii() and value.isdigit() and len(value) < 12 and least <= int(value) <= most):
        raise ImproperlyConfigured(f"{PREFIX}{name} is {value!r}; write a whole number from {least} to {most}.")
    return int(value)


def address(name: str, default: str) -> str:
    value = text(name, default)
    try:
        return str(ipaddress.ip_address(value))
    except ValueError as nonsense:
        raise ImproperlyConfigured(f"{PREFIX}{name} is {value!r}; write an IP address such as {default}.") from nonsense


def url(name: str, default: str) -> str:
    """An http or https URL of a host and perhaps a port, without a path."""
    value = text(name, default).rstrip("/")
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018  # reading it judges it
    except ValueError as nonsense:
        raise ImproperlyConfigured(f"{PREFIX}{name} is {value!r}; write a URL such as {default}.") from nonsense
    bare = parts.hostname and "@" not in parts.netloc and value == f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in ("http", "https") or not bare or not value.isascii() or any(char <= " " for char in value):
        raise ImproperlyConfigured(f"{PREFIX}{name} is {value!r}; write a URL such as {default}.")
    return value


def mail_server(name: str) -> MailServer | None:
    """smtp://user:password@host:587 or smtps://user:password@host:465; None if nothing is set."""
    value = text(name)
    # Neither the value nor an error about it is repeated: they may hold a password.
    nonsense = ImproperlyConfigured(
        f"{PREFIX}{name} makes no sense; write smtp://user:password@host:587 or smtps://user:password@host:465."
    )
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise nonsense from None
    if not value:
        return None
    host, whole = parts.hostname or "", value.isascii() and not any(char <= " " for char in value)
    extra = parts.path.strip("/") or parts.query or parts.fragment or "#" in value or "?" in value
    if parts.scheme not in ("smtp", "smtps") or not re.fullmatch(r"[a-z0-9._:-]+", host) or not whole or extra:
        raise nonsense
    if port == 0 or bool(parts.username) != bool(parts.password):
        raise nonsense
    usual = 465 if parts.scheme == "smtps" else 587
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    return MailServer(host, port or usual, username, password, parts.scheme == "smtps")


def mail_addresses(name: str, default: str = "") -> list[str]:
    """Plain addresses such as ada@plant.example, parted by commas or blanks."""
    values = words(name, default)
    for value in values:
        if not MAIL_ADDRESS.fullmatch(value):
            raise ImproperlyConfigured(f"{PREFIX}{name} holds {value!r}; write addresses such as ada@plant.example.")
    return values


def mail_address(name: str, default: str) -> str:
    """One plain address."""
    values = mail_addresses(name, default)
    if len(values) != 1:
        raise ImproperlyConfigured(f"{PREFIX}{name} holds {len(values)} addresses; write one.")
    return values[0]


def database(name: str, default: Path) -> dict[str, Any]:
    """Django's connection settings for postgres://user:password@host:port/name, or for SQLite in the data folder.

    Host and port may also stand after the `?`, where a host may be the folder of a socket.
    """
    value = text(name, f"sqlite:///{quote(str(default))}")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        # Neither the value nor this error is repeated: they may hold a password.
        raise ImproperlyConfigured(f"{PREFIX}{name} is not a URL; write postgres://user:password@host/name.") from None
    if parts.scheme == "sqlite" and parts.path.strip("/"):
        return _sqlite(Path(unquote(parts.path.removeprefix("/"))))
    if parts.scheme not in ("postgres", "postgresql") or not parts.path.strip("/"):
        raise ImproperlyConfigured(
            f"{PREFIX}{name} must be postgres://user:password@host/name; leave it out for SQLite."
        )
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    host, place = options.pop("host", unquote(parts.hostname or "")), options.pop("port", "") or str(port or "")
    if unknown := set(options) - POSTGRES_OPTIONS:
        raise ImproperlyConfigured(f"{PREFIX}{name} has the option {min(unknown)!r}, which is not known here.")
    if place and not (place.isascii() and place.isdigit() and len(place) <= 5 and 1 <= int(place) <= 65535):
        raise ImproperlyConfigured(f"{PREFIX}{name} names a port that is none; write a number from 1 to 65535.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": place,
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 5, "prepare_threshold": ON_DEMAND, **options},
    }


def _sqlite(path: Path) -> dict[str, Any]:
    """WAL lets readers go on beside a writer; IMMEDIATE takes the write lock before the first read, so that no
    transaction finds at its first write that another one was faster; FULL keeps a denial through a power cut."""
    return {
        "ENGINE": "portal.sqlite",
        "NAME": path,
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                "PRAGMA cache_size=-16000; PRAGMA mmap_size=134217728;"
            ),
        },
    }
