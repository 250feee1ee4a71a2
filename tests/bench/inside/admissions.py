"""New devices that eight processes enrol at once, against the naive form of the same transaction, turn by turn."""

import json
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from statistics import median

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.management import call_command
from django.db import connection

from devices import identity, introduction
from devices.keys import Key
from portal import audit
from portal.models import AuditEvent
from tests.bench.figures import CannotRun, Figure
from tests.bench.inside import naive
from tests.bench.inside.timing import microseconds

PROCESSES, EACH, ROUNDS = 8, 60, 7

Enrol = Callable[..., object]


def measure() -> Iterator[Figure]:
    call_command("migrate", verbosity=0)
    alone = {"ours": numbered(introduction.introduce, "a"), "naive": numbered(naive.introduce, "b")}
    took = microseconds(alone, rounds=9, each=40, by_clock=False)
    for name in alone:
        yield Figure(f"admission alone, {name}, the processor's time", round(median(one[name] for one in took)), "µs")
    yield Figure(
        "admission alone, the processor's time, naive to ours",
        round(median(one["naive"] / one["ours"] for one in took), 2),
    )
    rates = [(rate(introduction.introduce, f"o{n}"), rate(naive.introduce, f"n{n}")) for n in range(ROUNDS)]
    yield Figure("admissions, eight at once, ours per second", round(median(ours for ours, _ in rates)))
    yield Figure("admissions, eight at once, naive per second", round(median(peer for _, peer in rates)))
    ratio = median(ours / peer for ours, peer in rates)
    yield Figure("admissions, eight at once, ours to naive", round(ratio, 2), at_least=3)
    if not audit.verify().holds or AuditEvent.objects.count() != 2 * 10 * 40 + 2 * ROUNDS * PROCESSES * EACH:
        raise CannotRun("the audit trail of what was enrolled is not whole")


def claim(name: str) -> identity.Identity:
    return identity.read(json.dumps({"mac": "02:00:00:00:00:00", "serial": name, "model": "press-monitor-77"}))


def key(claimed: identity.Identity) -> Key:
    return Key(PEM, claimed.digest, PUBLIC)


PUBLIC = Ed25519PrivateKey.generate().public_key()
PEM = PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def numbered(enrol: Enrol, mark: str) -> Callable[[], object]:
    """A call that enrols another device each time."""
    claims = (claim(f"{mark}{number}") for number in range(10**6))

    def call() -> object:
        claimed = next(claims)
        return enrol(claimed, key(claimed), address="192.0.2.1")

    return call


def rate(enrol: Enrol, mark: str) -> float:
    """Devices per second from the moment that all processes are ready to the end of the last."""
    connection.close()
    forking = get_context("fork")
    ready = forking.Barrier(PROCESSES + 1)
    workers = [
        forking.Process(target=partial(work, enrol, f"{mark}-{number}-", ready)) for number in range(PROCESSES)
    ]  # fmt: skip
    for worker in workers:
        worker.start()
    ready.wait(60)
    began = time.perf_counter()
    for worker in workers:
        worker.join()
    took = time.perf_counter() - began
    if any(worker.exitcode for worker in workers):
        raise CannotRun("a process that enrolled devices failed")
    return PROCESSES * EACH / took


def work(enrol: Enrol, mark: str, ready: Barrier) -> None:
    claims = [claim(f"{mark}{number}") for number in range(EACH)]
    connection.ensure_connection()
    ready.wait(60)
    for claimed in claims:
        enrol(claimed, key(claimed), address="192.0.2.1")
    connection.close()
    os._exit(0)  # Nothing of the parent's is tidied up here.
