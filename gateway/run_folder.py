"""The files that live only while an installation runs, all in one folder of mode 0700."""

from pathlib import Path

from django.conf import settings

FOLDER: Path = settings.RUN_DIR
PORTAL_SOCKET = FOLDER / "portal.sock"
ADMIN_SOCKET = FOLDER / "envoy-admin.sock"
BOOTSTRAP = FOLDER / "bootstrap.json"
NODE_TOKEN = FOLDER / "node-token.json"
DOOR_CHAIN = FOLDER / "door.pem"
ORDERS = FOLDER / "serve.json"
LOCK = FOLDER / "serve.lock"

# The kernel keeps the path of a unix socket in 108 bytes, the last of them NUL.
LONGEST_SOCKET_PATH = 107


def objection(kind: str) -> Path:
    """Where the supervisor notes what the local Envoy last said against a type that it was offered."""
    return FOLDER / f"envoy-objection.{kind}"
