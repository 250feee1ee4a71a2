"""What the door costs: a small authenticated GET through Envoy against the same app server without it, turn by turn."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from devices import identity
from gateway.fleet.devices import device
from tests.bench.figures import CannotRun, Figure, bench
from tests.bench.installation import Installation, answers, free_ports, installation
from tests.bench.load import per_second

ROUNDS, SECONDS, CONNECTIONS = 7, 3, 24


@bench
def through_the_door() -> Iterator[Figure]:
    with installation() as portal, beside(portal) as direct:
        portal.manage("simulate_fleet", "--devices=50", "--once", "--keys=ec", f"--url={portal.url}")
        token = portal.manage(
            "issue_token", "bench", "--owner=admin", "--scope=devices:read", "--days=1"
        ).strip()  # fmt: skip
        headers = {"Authorization": f"Bearer {token}"}
        path = f"/api/v1/devices/{identity.digest(device(0, seed='fleet', mix='ec').members)}"
        for url in (portal.url, direct):
            if not answers(url + path, headers):
                raise CannotRun(f"{url}{path} is not answered")
            per_second(url + path, headers, connections=CONNECTIONS, seconds=1)
        doors, directs = [], []
        for _ in range(ROUNDS):
            doors.append(per_second(portal.url + path, headers, connections=CONNECTIONS, seconds=SECONDS))
            directs.append(per_second(direct + path, headers, connections=CONNECTIONS, seconds=SECONDS))
    yield Figure("through the door, requests per second", round(median(doors)))
    yield Figure("without the door, requests per second", round(median(directs)))
    ratios = [door / direct for door, direct in zip(doors, directs, strict=True)]
    yield Figure("through the door to without it", round(median(ratios), 2), at_least=0.8)


@contextmanager
def beside(portal: Installation) -> Iterator[str]:
    """The installation's own app server once more, by its own command line and environment, on a TCP port."""
    served = next((pid for pid in portal.processes() if "--uds" in words(pid, "cmdline")), None)
    if served is None:
        raise CannotRun("no app server on a unix socket is found in the installation")
    command, [port] = words(served, "cmdline"), free_ports(1)
    for option in ("--uds", "--uds-permissions", "--pid-file"):
        if option in command:
            at = command.index(option)
            del command[at : at + 2]
    environment = dict(word.partition("=")[::2] for word in words(served, "environ"))
    log = portal.data.with_name("beside.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=Path(f"/proc/{served}/cwd").resolve(), env=environment, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        began = time.monotonic()
        while not answers(f"http://127.0.0.1:{port}/readyz"):
            if process.poll() is not None or time.monotonic() - began > 30:
                raise CannotRun(f"the app server beside the door did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(15)


def words(pid: int, file: str) -> list[str]:
    """The texts in a file of /proc that separates them by NUL."""
    try:
        return [word for word in Path(f"/proc/{pid}/{file}").read_text().split("\0") if word]
    except OSError:
        return []
