"""Benchmarks within one process, each in a Django of its own with an empty database: on SQLite, then on PostgreSQL."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

from tests import postgres
from tests.bench.figures import CannotRun, Figure, bench
from tests.bench.installation import ROOT, scratch

KEY = "kq3Zr8vT1xW5yN7bM2cJ9dF4gH6sL0pA-uE_iOaRnQk="
SECRETS = {"SECRET_KEY": "for-the-benchmarks-alone-kq3Zr8vT1xW5yN", "MASTER_KEY": KEY, "PEPPERS": f"p1:{KEY}"}


@bench
def lists() -> Iterator[Figure]:
    """Lists, counts and searches of 1,000,000 devices."""
    yield from on_each_database("lists")


@bench
def token_check() -> Iterator[Figure]:
    """What judging an API token adds to a request."""
    yield from on_each_database("token_check")


@bench
def access_token_check() -> Iterator[Figure]:
    """What judging an access token adds to a request."""
    yield from on_each_database("access_token_check")


@bench
def admissions() -> Iterator[Figure]:
    """Devices that are new, eight at once, against the naive form of the same transaction."""
    yield from on_each_database("admissions")


@bench
def bulk() -> Iterator[Figure]:
    """10,000 devices accepted at once, while others ask and enrol."""
    yield from on_each_database("bulk")


@bench
def device_calls() -> Iterator[Figure]:
    """What a call of a device takes, and whether 100,000 denied ones slow it down."""
    yield from on_each_database("device_calls")


def on_each_database(module: str) -> Iterator[Figure]:
    yield from measured(module, "SQLite", {})
    with postgres.running() as url:
        yield from measured(module, "PostgreSQL", {"DATABASE_URL": url})


def measured(module: str, database: str, settings: dict[str, str]) -> Iterator[Figure]:
    """The figures of a module of `tests.bench.inside`, as they come."""
    with scratch() as folder:
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(("GATEHOUSE_", "DJANGO_"))}
        ours = {"DATA_DIR": str(folder), **SECRETS, **settings}
        environment = inherited | {f"GATEHOUSE_{name}": text for name, text in ours.items()}
        with (folder / "errors.log").open("w+") as errors:
            command = [sys.executable, "-m", "tests.bench.inside", module]
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
            )
            with process:
                for line in process.stdout or ():
                    figure = Figure(**json.loads(line))
                    yield replace(figure, name=f"{figure.name}, {database}")
            if process.returncode:
                errors.seek(0)
                raise CannotRun(f"{module} on {database} failed:\n{errors.read()[-2000:]}")
