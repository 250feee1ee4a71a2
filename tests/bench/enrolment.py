"""2,000 devices come at once over 64 connections: nobody waits long, nothing fails, SQLite is never found locked."""

import json
from collections.abc import Iterator

from tests.bench.figures import Figure, bench
from tests.bench.installation import installation

DEVICES, CONNECTIONS = 2000, 64


@bench
def enrolment() -> Iterator[Figure]:
    with installation() as portal:
        options = ("--once", "--json", f"--devices={DEVICES}", f"--connections={CONNECTIONS}", f"--url={portal.url}")
        summary = json.loads(portal.manage("simulate_fleet", *options))
        locked = portal.log.read_text().count("database is locked")
    yield Figure("enrolment, errors", sum(summary["errors"].values()), below=1)
    yield Figure("enrolment, devices that became pending", summary["pending"], at_least=DEVICES)
    yield Figure("enrolment, 'database is locked' in the logs", locked, below=1)
    yield Figure("enrolment, worst wait", round(summary["worst_ms"] / 1000, 3), "s", below=0.5)
    yield Figure("enrolment, p99 wait", round(summary["p99_ms"] / 1000, 3), "s")
    yield Figure("enrolment, devices per second", summary["per_second"])
