"""The installation's own secrets: read from the environment, else kept in the data folder, made there at first start.

With a server database there may be several replicas, which share their secrets: then nothing is made, all is demanded.
"""

import base64
import binascii
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from portal import environment

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
        value = path.read_text(encoding="ascii").strip()
    except UnicodeDecodeError:
        value = ""
    except OSError as unreadable:
        raise ImproperlyConfigured(
            f"{path} cannot be read or written ({unreadable.strerror}); check GATEHOUSE_DATA_DIR and who owns it."
        ) from unreadable
    if len(value) < 32:
        raise ImproperlyConfigured(f"{path} is damaged; put the file of your backup back in its place.")
    return value


def _write_once(path: Path, value: str) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(value + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
        _keep(path.parent)
    except FileExistsError:
        pass  # Another process was first; its value counts.
    finally:
        draft.unlink()


def _keep(folder: Path) -> None:
    """Get the file's name onto the disk too: soon rows are sealed under what it holds."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def random_text() -> str:
    return secrets.token_urlsafe(48)


def random_key() -> str:
    """32 random bytes, as cryptography's Fernet wants them written."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def first_pepper() -> str:
    return f"p1:{random_key()}"


def master_key(value: str) -> bytes:
    """The key under which signing keys and webhook secrets are sealed."""
    return _key(value, "GATEHOUSE_MASTER_KEY")


def pepper_ring(value: str) -> dict[str, bytes]:
    """`p2:<key> p1:<key>`: names with their keys; new digests are made under the first, old ones still verified."""
    ring = {}
    for entry in value.replace(",", " ").split():
        name, colon, key = entry.partition(":")
        if not (colon and name.isascii() and name.isalnum() and len(name) <= 8) or name in ring:
            raise ImproperlyConfigured(
                "GATEHOUSE_PEPPERS is damaged; write entries such as p1:<44 characters of base64>."
            )
        ring[name] = _key(key, "GATEHOUSE_PEPPERS")
    if not ring:
        raise ImproperlyConfigured("GATEHOUSE_PEPPERS is damaged; write entries such as p1:<44 characters of base64>.")
    return ring


def _key(value: str, name: str) -> bytes:
    try:
        key = base64.b64decode(value, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise ImproperlyConfigured(f"{name} is damaged; it must be 32 bytes in URL-safe base64, 44 characters.")
    return key
