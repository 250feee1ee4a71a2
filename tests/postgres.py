"""A PostgreSQL of our own for a while: `python -m tests.postgres pytest tests/devices` runs the command beside one.

The server comes out of a wheel, listens on a socket in a temporary folder and is gone afterwards, also when the command
fails. The command finds its URL in GATEHOUSE_TEST_DATABASE_URL.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # It would rather have an XDG_RUNTIME_DIR, which root has not.
    import pgserver
    from pgserver import postgres_server

START = postgres_server.pg_ctl
STARTED_WITHIN = 180


@contextmanager
def running() -> Iterator[str]:
    """Start a server and give its URL, as GATEHOUSE_DATABASE_URL takes it."""
    folder = Path(tempfile.mkdtemp(prefix="gatehouse-postgres-"))
    try:
        postgres_server.pg_ctl = patiently
        server = pgserver.get_server(folder / "data")
        try:
            hurry(server.get_uri())
            yield address(server.get_postmaster_info())
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def patiently(words: list[str], **facts: Any) -> str:
    """It would give up after ten seconds, which a busy machine may take."""
    said: str = START(words, **{**facts, "timeout": STARTED_WITHIN})
    return said


def hurry(uri: str) -> None:
    """Nothing here has to outlive a power cut."""
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET synchronous_commit = off")
        connection.execute("SELECT pg_reload_conf()")


def address(info: pgserver.utils.PostmasterInfo) -> str:
    place = urlencode({"host": info.socket_dir, "port": info.port})
    return f"postgres://postgres@/postgres?{place}"


def main(command: list[str]) -> int:
    with running() as url:
        if not command:
            print(url, flush=True)
            sys.stdin.read()
            return 0
        # What the virtual environment brings is found without its full path.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return subprocess.run(command, env={**os.environ, "GATEHOUSE_TEST_DATABASE_URL": url, "PATH": path}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
