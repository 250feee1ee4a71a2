"""What the device door costs: a check-in against the smallest view behind the same door, handshakes, and a crowd."""

import json
import os
import resource
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.figures import CannotRun, Figure, bench
from tests.bench.installation import Installation, scratch
from tests.bench.memory import name
from tests.bench.mutual import Ask, Client, in_turn, kept_alive, paced
from tests.pki import Authority, Holder

SETTINGS = "tests.bench.inside.device_door_settings"
ROUNDS, SECONDS, CONNECTIONS = 7, 3, 24
HANDSHAKES, HANDSHAKE_SECONDS = 8, 10
KNOWN_WITHIN = 60
# 10,000 devices ask once a minute. Each of these asks once, after the minute within which `last_seen` is not written.
PER_SECOND, CROWD_SECONDS, THREADS, NOTED_EVERY = 167, 15, 20, 60
CROWD, REST = PER_SECOND * CROWD_SECONDS, 5
TICK = os.sysconf("SC_CLK_TCK")


@bench
def device_door() -> Iterator[Figure]:
    with scratch() as folder:
        portal = Installation(folder / "data")
        portal.environment["DJANGO_SETTINGS_MODULE"] = SETTINGS
        with portal:
            authority = Authority("bench CA")
            yield from known(portal, authority)
            served = accepted(portal, client(portal, authority.issue("press-1")))
            files(CROWD + 1000)
            crowd = [client(portal, authority.issue(f"waits-{number}"), 403) for number in range(CROWD)]
            lines = [one.connect() for one in crowd]
            kept = [partial(one.ask, line, "/device") for one, line in zip(crowd, lines, strict=True)]
            # Several times, as in a fleet that has waited for a while: each process of the portal has met each of them.
            paced(kept * 4, threads=THREADS, per_second=1000)
            came_at = time.monotonic()
            yield from check_ins(served)
            yield from handshakes(served)
            # Each asks once, when the minute is over within which `last_seen` is not written again.
            rest = at_rest(portal, came_at + NOTED_EVERY + 1)
            yield Figure("device door, the installation at rest", round(rest, 1), "% of a core")
            yield from taken(portal, "over connections they keep", kept, rest, below=25)
            for line in lines:
                line.close()
            time.sleep(NOTED_EVERY + 1)
            yield from taken(portal, "each over a new one", [partial(one.ask_anew, "/device") for one in crowd], rest)


def files(needed: int) -> None:
    """Let this process open so many files, if it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard not in (resource.RLIM_INFINITY,) and hard < needed:
        raise CannotRun(f"this needs {needed} open files at once, and {hard} are allowed; raise ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))


def check_ins(served: Client) -> Iterator[Figure]:
    """Turn by turn, over connections that are kept alike."""
    paths = ("/device", "/trivial")
    for path in paths:
        kept_alive(served, path, connections=CONNECTIONS, seconds=1)
    rounds = [
        {path: kept_alive(served, path, connections=CONNECTIONS, seconds=SECONDS) for path in paths}
        for _ in range(ROUNDS)
    ]
    for path in paths:
        rate = median(one[path].per_second for one in rounds)
        yield Figure(f"device door, {CONNECTIONS} connections, GET {path} per second", round(rate))
    ratio = median(one["/device"].per_second / one["/trivial"].per_second for one in rounds)
    yield Figure("device door, a check-in to the smallest view", round(ratio, 2), at_least=0.6)
    yield milliseconds("device door, p99 of a check-in", median(one["/device"].p99 for one in rounds))


def handshakes(served: Client) -> Iterator[Figure]:
    load = in_turn(partial(served.ask_anew, "/device"), threads=HANDSHAKES, seconds=HANDSHAKE_SECONDS)
    yield Figure("device door, full handshakes with one check-in each, per second", round(load.per_second))
    yield milliseconds("device door, p99 of a full handshake with its check-in", load.p99)


def at_rest(portal: Installation, until: float) -> float:
    """What nobody asks for takes of the processor, in per cent of a core."""
    time.sleep(1)
    before, began = sum(processor(portal).values()), time.monotonic()
    time.sleep(max(REST, until - began))
    return 100 * (sum(processor(portal).values()) - before) / (time.monotonic() - began)


def taken(
    portal: Installation, how: str, asks: Sequence[Ask], rest: float, *, below: float | None = None
) -> Iterator[Figure]:
    """What 10,000 devices that wait take of the processor."""
    told = f"device door, 10,000 waiting devices, {how}"
    before = processor(portal)
    load = paced(asks, threads=THREADS, per_second=PER_SECOND)
    # By what one ask takes, so that a machine that is too busy for so many still says what they would take.
    scale = 100 * PER_SECOND / len(asks)
    used = {part: (seconds - before.get(part, 0)) * scale for part, seconds in processor(portal).items()}
    whole = sum(used.values())
    yield Figure(f"{told}, above rest", round(whole - rest, 1), "% of a core", below=below)
    yield Figure(f"{told}, with rest", round(whole, 1), "% of a core")
    for part, share in used.items():
        yield Figure(f"{told}, of it {part}", round(share, 1), "% of a core")
    yield Figure(f"{told}, asks made per second", round(load.per_second))
    yield milliseconds(f"{told}, p99", load.p99)


def processor(portal: Installation) -> dict[str, float]:
    """Seconds of the processors that each part of the installation has had."""
    found = {"Envoy": 0.0, "worker": 0.0, "portal": 0.0}
    for pid in portal.processes():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        program = name(pid)
        part = "Envoy" if program.startswith("envoy") else "worker" if program.endswith("run_worker") else "portal"
        found[part] += (int(fields[11]) + int(fields[12])) / TICK
    return found


def client(portal: Installation, holder: Holder, expected: int = 200) -> Client:
    door = portal.data / "run" / "door.pem"
    return Client.holding(holder, portal.data.parent, port=portal.device_port, trusted=door, expected=expected)


def known(portal: Installation, authority: Authority) -> Iterator[Figure]:
    """A CA of the benchmark's own, from the answer that it is kept to the moment when its certificates are answered."""
    first = client(portal, authority.issue("first"), 403)
    rest(portal, "device-cas", {"name": "bench", "certificate": authority.pem})
    began = time.monotonic()
    while not is_answered(first):
        if time.monotonic() - began > KNOWN_WITHIN:
            raise CannotRun(f"the device door did not know a new CA within {KNOWN_WITHIN} s")
        time.sleep(0.02)
    yield Figure("device door, a new CA is known after", round(time.monotonic() - began, 2), "s", below=2)
    time.sleep(1)  # Each thread of Envoy learns of it in its own moment.


def is_answered(client: Client) -> bool:
    try:
        client.ask_anew("/device")
    except (CannotRun, OSError):  # It closes in the handshake, or after it.
        return False
    return True


def accepted(portal: Installation, served: Client) -> Client:
    """The client after its first contact and its admission."""
    Client(served.port, served.context, expected=403).ask_anew("/device")
    rest(portal, "devices/press-1/accept", {})
    served.ask_anew("/device")
    return served


def rest(portal: Installation, path: str, sent: Mapping[str, Any]) -> None:
    scopes = ("--scope=devices:admit", "--scope=gateway:manage")
    token = portal.manage("issue_token", f"bench {path}", "--owner=admin", *scopes, "--days=1").strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    asked = urllib.request.Request(f"{portal.url}/api/v1/{path}", json.dumps(sent).encode(), headers)
    urllib.request.urlopen(asked, timeout=30).close()


def milliseconds(told: str, seconds: float) -> Figure:
    return Figure(told, round(seconds * 1000, 1), "ms")
