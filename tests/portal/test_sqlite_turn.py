"""Writers on SQLite take turns: nobody waits for long, and a transaction that fails passes the turn on."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from portal import rows
from portal.models import Outbox, Tenant

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _only_sqlite() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has locks of its own.")


def test_eight_writers_lose_nothing_and_none_waits_long() -> None:
    def write(number: int) -> float:
        longest = 0.0
        try:
            for turn in range(20):
                began = time.monotonic()
                with transaction.atomic():
                    Outbox.objects.create(topic=f"writer {number}", body={"turn": turn})
                    time.sleep(0.002)
                longest = max(longest, time.monotonic() - began)
        finally:
            connection.close()
        return longest

    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(write, range(8)))
    assert Outbox.objects.count() == 160
    assert max(waits) < 10  # SQLite alone lets some wait until they give up after 20 s.


@pytest.mark.parametrize("end", [lambda: 1 / 0, lambda: Tenant.objects.create(name="main")])
def test_a_transaction_that_fails_lets_the_next_one_in(end: Callable[[], object]) -> None:
    @transaction.atomic
    def fail() -> None:
        Outbox.objects.create(topic="lost", body={})
        end()

    with pytest.raises((ZeroDivisionError, IntegrityError)):
        fail()

    def write() -> None:
        try:
            Outbox.objects.create(topic="kept", body={})
            with transaction.atomic():
                Outbox.objects.create(topic="kept", body={})
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(write).result(timeout=60)
    assert list(Outbox.objects.values_list("topic", flat=True)) == ["kept", "kept"]


def test_a_statement_that_stands_alone_waits_for_its_turn_too() -> None:
    """SQLite's own waiting would sleep through every gap between the transactions of a busy writer."""
    done = threading.Event()

    def be_busy() -> None:
        try:
            while not done.is_set():
                with transaction.atomic():
                    Outbox.objects.create(topic="busy", body={})
                    time.sleep(0.02)
                time.sleep(0.003)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(be_busy)
        try:
            began = time.monotonic()
            for _ in range(10):
                Outbox.objects.create(topic="alone", body={})
            took = time.monotonic() - began
        finally:
            done.set()
        busy.result(timeout=60)
    assert Outbox.objects.filter(topic="alone").count() == 10
    assert took < 10


def test_a_note_waits_for_no_disk_and_the_next_commit_does_again() -> None:
    def level() -> int:
        with connection.cursor() as cursor:
            return int(cursor.execute("PRAGMA synchronous").fetchone()[0])

    before = level()
    with CaptureQueriesContext(connection) as asked:
        rows.note("UPDATE portal_tenant SET title = %s WHERE name = %s", ["Plant", "main"])
    assert "PRAGMA synchronous = 1" in [query["sql"] for query in asked]
    assert Tenant.objects.get(name="main").title == "Plant"
    assert level() == before == 2
    with pytest.raises(OperationalError):
        rows.note("UPDATE nothing SET x = %s", [1])
    assert level() == before
