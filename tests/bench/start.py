"""How long after the command the doors answer: the first time on a fresh checkout, and every time after."""

import subprocess
from collections.abc import Iterator

from tests.bench.figures import CannotRun, Figure, bench
from tests.bench.installation import ROOT, Installation, scratch


@bench
def start() -> Iterator[Figure]:
    """`manage.py serve`, which is all that `make run` does once everything is set up, on data that is there."""
    with scratch() as folder:
        with Installation(folder / "data"):
            pass
        with Installation(folder / "data") as again:
            yield Figure("start on existing data, ready after", round(again.ready_after, 1), "s", below=8)


@bench
def first_start() -> Iterator[Figure]:
    """`make run` in a fresh clone; pip has the packages in its cache from the installation of this checkout."""
    with scratch() as folder:
        cloned = subprocess.run(["git", "clone", "--quiet", ROOT, folder / "clone"], capture_output=True, text=True)
        if cloned.returncode:
            raise CannotRun(f"git cannot clone {ROOT}: {cloned.stderr.strip()}")
        with Installation(folder / "data", ["make", "run"], folder=folder / "clone", patience=300) as first:
            yield Figure("first start in a fresh clone, ready after", round(first.ready_after, 1), "s", below=90)
