"""The installation's own secrets: read from the environment, else kept in the data folder, made there at first start.

With a server database there may be several replicas, which share their secrets: then nothing is made, all is demanded.
"""

import base64
import binascii
import os
import secrets
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from portal import environment, whole_file

EXAMPLES = ("change", "example", "secret", "password", "insecure", "12345")


def secret(name: str, folder: Path, make: Callable[[], str], *, demanded: bool) -> str:
    """The secret GATEHOUSE_<name>; a file in `folder` of mode 0600 stands in for it unless it is demanded."""
    value = environment.text(name)
    if not value:
        if demanded:
            raise ImproperlyConfigured(
                f"{environment.PREFIX}{name} is not set; every replica on one database needs the same one."
            )
        return kept(folder / name.lower(), make)
    if len(value) < 32 or len(set(value)) < 10 or any(word in value.lower() for word in EXAMPLES):
        raise ImproperlyConfigured(
            f"{environment.PREFIX}{name} is too short or an example; write at least 32 random characters."
        )
    return value


def kept(path: Path, make: Callable[[], str]) -> str:
    """The contents of the file; written first if there is none. Two processes that start at once agree on one."""
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_once(path, make())
        return contents(path)
    except OSError as unreadable:
        raise ImproperlyConfigured(
            f"{path} cannot be read or written ({unreadable.strerror}); check GATEHOUSE_DATA_DIR and who owns it."
        ) from unreadable


def contents(path: Path) -> str:
    """The contents of the file; refused if they are no secret at all."""
    try:
        value = path.read_text(encoding="ascii").strip()
    except UnicodeDecodeError:
        value = ""
    if len(value) < 32:
        raise ImproperlyConfigured(f"{path} is damaged; put the file of your backup back in its place.")
    return value


def _write_once(path: Path, value: str) -> None:
    with suppress(FileExistsError):  # Another process was first; its value counts.
        whole_file.write(path, f"{value}\n", put=os.link)


def random_text() -> str:
    return secrets.token_urlsafe(48)


def random_key() -> str:
    """32 random bytes, as cryptography's Fernet wants them written."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def first_pepper() -> str:
    return f"p1:{random_key()}"


def put_pepper(path: Path, name: str) -> None:
    """Make a pepper of this name and put it before the others of the file; who calls this holds a lock."""
    whole_file.write(path, f"{name}:{random_key()} {contents(path)}\n")


def drop_peppers(path: Path, names: Collection[str]) -> None:
    """Remove the peppers of these names from the file; who calls this holds a lock."""
    entries = _entries(contents(path))
    left = [entry for entry in entries if entry.partition(":")[0] not in names]
    if len(left) < len(entries):
        whole_file.write(path, f"{' '.join(left)}\n")


def master_key(value: str) -> bytes:
    """The key under which signing keys and webhook secrets are sealed."""
    return _key(value, "GATEHOUSE_MASTER_KEY")


def pepper_ring(value: str) -> dict[str, bytes]:
    """`p2:<key> p1:<key>`: names with their keys, the newest first. Which is active is settled when they rotate."""
    ring: dict[str, bytes] = {}
    for entry in _entries(value):
        name, colon, key = entry.partition(":")
        if not (colon and name.isascii() and name.isalnum() and len(name) <= 8) or name in ring:
            raise ImproperlyConfigured(
                "GATEHOUSE_PEPPERS is damaged; write entries such as p1:<44 characters of base64>."
            )
        pepper = _key(key, "GATEHOUSE_PEPPERS", most=64)
        if len(set(pepper)) < 10 or pepper in ring.values():
            raise ImproperlyConfigured(
                f"GATEHOUSE_PEPPERS holds an example or the same key twice as {name}; write 32 random bytes in base64."
            )
        ring[name] = pepper
    if not ring:
        raise ImproperlyConfigured("GATEHOUSE_PEPPERS is damaged; write entries such as p1:<44 characters of base64>.")
    return ring


def _entries(value: str) -> list[str]:
    return value.replace(",", " ").split()


def _key(value: str, name: str, *, most: int = 32) -> bytes:
    try:
        key = base64.b64decode(value, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not 32 <= len(key) <= most:
        raise ImproperlyConfigured(f"{name} is damaged; it must be 32 bytes in URL-safe base64, 44 characters.")
    return key
