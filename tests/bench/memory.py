"""What a whole installation at rest takes of the machine's memory."""

import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import CannotRun, Figure, bench
from tests.bench.installation import answers, installation

SETTLED_AFTER = 15


@bench
def memory() -> Iterator[Figure]:
    """Proportional set size, so that what processes share counts once; each worker has shown a page before."""
    with installation() as portal:
        for _ in range(40):
            if not answers(f"{portal.url}/portal/login/"):
                raise CannotRun("the login page is not shown")
        time.sleep(SETTLED_AFTER)
        by_process = {f"{name(pid)} {pid}": pss(pid) for pid in portal.processes()}
    yield Figure("memory at rest, the whole installation", round(sum(by_process.values())), "MB", below=350)
    for process, megabytes in by_process.items():
        yield Figure(f"memory at rest, {process}", round(megabytes), "MB")


def pss(pid: int) -> float:
    """Megabytes of a process; 0 if it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def name(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return "ended"
    return " ".join(word.rpartition("/")[2] for word in words[:3] if not word.startswith("-"))
