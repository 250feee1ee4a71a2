"""Webhooks when something breaks: a clock that jumps, a database that stalls, receivers that hang while people try."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created
from django.test.utils import CaptureQueriesContext

from portal import backlog, couriers, deliveries, exchange, outbox, webhooks
from portal.actor import Actor
from portal.exchange import Outcome
from portal.models import Delivery, Webhook
from tests.receiver import Receiver, hang, receiving
from tests.served.installation import wait_for

GOOD = Outcome(200, "", 7)


@pytest.fixture(autouse=True)
def _loopback_is_open(settings: Any) -> None:
    settings.ROUTE_TARGETS = ["private", "loopback"]


@pytest.fixture
def stuck() -> Any:
    with receiving(answer=hang) as ready:
        yield ready


def make(url: str, by: Actor, name: str = "chat") -> Webhook:
    return webhooks.create(name, url, ["device.pending"], by=by)[0]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows each time that somebody looks for a webhook that is due."""
    looked, claim = [], couriers.claim

    def look(**facts: Any) -> Webhook | None:
        looked.append(1)
        return claim(**facts)

    monkeypatch.setattr(couriers, "claim", look)
    return looked


def look_again(looks: list[int]) -> None:
    """Wait until somebody has looked some more times, from the beginning to the end."""
    enough = len(looks) + 4
    wait_for(lambda: len(looks) > enough)


def tell(*devices: str) -> None:
    outbox.put_all("device.pending", [{"device": device} for device in devices])
    outbox.hand_on()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_clock_that_jumps_while_it_is_sent_does_not_send_it_a_second_time(
    stuck: Receiver,
    root: Actor,
    at_once: Callable[..., list[Any]],
    looks: list[int],
    monkeypatch: pytest.MonkeyPatch,
    step: timedelta,
) -> None:
    monkeypatch.setattr(exchange, "WHOLE", 1000.0)  # It is not given up before the test is over.
    make(stuck.url, root)
    tell("a", "b")
    stopping = threading.Event()

    def jump() -> None:
        try:
            wait_for(lambda: bool(stuck.heard))
            with time_machine.travel(time.time() + step.total_seconds()):
                look_again(looks)
        finally:
            stopping.set()

    at_once(lambda: couriers.run(stopping), jump)
    assert len(stuck.heard) == 1


def test_a_claim_that_may_end_while_it_is_sent_is_renewed_before(
    db: None, root: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database stalls for longer than the claim lasts, after it was renewed."""
    with receiving() as receiver:
        make(receiver.url, root)
        tell("a")
        taken: list[Webhook | None] = []

        def stall(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if 'FROM "portal_delivery"' in sql and not taken:
                monkeypatch.setattr(couriers, "FRESH", 0.0)
                clock.shift(40)
                taken.append(couriers.claim())
            return execute(sql, params, many, context)

        with time_machine.travel(time.time()) as clock:
            mine = couriers.claim()
            assert mine is not None
            with connection.execute_wrapper(stall):
                couriers.carry(mine, threading.Event())
        assert taken != [None]
        assert receiver.heard == []  # It is the other's now.


@pytest.mark.django_db(transaction=True)
def test_a_database_that_takes_no_result_makes_nobody_hammer_the_receiver(
    root: Actor, at_once: Callable[..., list[Any]], looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim can be written and what was sent cannot, as when a disk is full."""
    monkeypatch.setattr(couriers, "PAUSE_AFTER_FAULT", 1000.0)
    with receiving() as receiver:
        make(receiver.url, root)
        tell("a")
        stopping, refused = threading.Event(), threading.Event()

        def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if sql.startswith('UPDATE "portal_delivery"'):
                refused.set()
                raise OperationalError("database or disk is full")
            return execute(sql, params, many, context)

        def connected(connection: Any, **facts: Any) -> None:
            if threading.current_thread().name == "webhook":
                connection.execute_wrappers.append(refuse)

        def watch() -> None:
            try:
                assert refused.wait(60)
                look_again(looks)
            finally:
                stopping.set()

        connection_created.connect(connected)
        try:
            at_once(lambda: couriers.run(stopping), watch)
        finally:
            connection_created.disconnect(connected)
        assert len(receiver.heard) == 1


@pytest.mark.django_db(transaction=True)
def test_a_database_that_does_not_answer_once_ends_no_round_and_no_more_lanes_are_begun(
    stuck: Receiver, root: Actor, at_once: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two webhooks whose receivers hang, and a third for which there is no thread, before and after the fault."""
    monkeypatch.setattr(couriers, "LANES", 2)
    for name in "abc":
        make(f"{stuck.url}/{name}", root, name)
    tell("x")
    stopping, asked = threading.Event(), []

    def fail_second(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT") and 'FROM "portal_webhook"' in sql:
            asked.append(sql)
            if len(asked) == 2:
                raise OperationalError("the database is gone")
        return execute(sql, params, many, context)

    def work() -> None:
        with connection.execute_wrapper(fail_second):
            couriers.run(stopping)

    def watch() -> None:
        until = time.monotonic() + 8
        while len(stuck.heard) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        stopping.set()

    at_once(work, watch)
    assert len(asked) == 3
    assert len(stuck.heard) == 2


def test_a_delivery_that_is_gone_is_not_counted_twice(db: None, root: Actor) -> None:
    webhook = make("http://10.0.0.1/", root)
    tell("a", "b")
    first = deliveries.head(webhook)
    assert first is not None
    Delivery.objects.filter(pk=first.pk).delete()
    Webhook.objects.update(waiting=1)
    deliveries.settle(first, GOOD, claim=None)
    webhook.refresh_from_db()
    assert webhook.waiting == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_try_out_at_once_in_a_process_one_is_told_to_wait(
    stuck: Receiver, root: Actor, at_once: Callable[..., list[Any]]
) -> None:
    """A test holds one of the two threads that answer people and devices, so it must never hold both."""
    one, other = make(stuck.url, root), make(stuck.url, root, "talk")

    def try_out(webhook: Webhook) -> str:
        try:
            return deliveries.try_out(webhook, by=root).state
        except deliveries.AnotherTest:
            return "told to wait"

    said = at_once(lambda: try_out(one), lambda: try_out(other))
    assert sorted(said) == ["failed", "told to wait"]
    assert len(stuck.heard) == 1
    stuck.answer = lambda connection: connection.sendall(b"HTTP/1.1 204 N\r\n\r\n")
    assert deliveries.try_out(other, by=root).state == "delivered"


def test_clean_up_ends_many_in_small_transactions(db: None, root: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "BATCH", 3)
    make("http://10.0.0.1/", root)
    tell(*"abcdefgh")
    Delivery.objects.update(state="delivered", created_at="2020-01-01T00:00:00Z")
    with CaptureQueriesContext(connection) as said:
        backlog.forget()
    assert not Delivery.objects.exists()
    assert sum("DELETE" in each["sql"] for each in said) >= 3


def test_of_what_was_delivered_only_the_latest_are_kept(db: None, root: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MOST_KEPT", 3)
    make("http://10.0.0.1/", root)
    make("http://10.0.0.1/", root, "talk")
    tell(*"abcde")
    Delivery.objects.filter(webhook__name="chat").update(state="delivered")
    backlog.forget()
    chat = Delivery.objects.filter(webhook__name="chat").order_by("pk").values_list("body", flat=True)
    assert [body[-4] for body in chat] == ["c", "d", "e"]
    assert Delivery.objects.filter(webhook__name="talk").count() == 5


@pytest.mark.parametrize("back", [timedelta(minutes=5), timedelta(hours=1)])
def test_after_a_clock_was_set_back_what_is_new_is_sent_at_once(db: None, root: Actor, back: timedelta) -> None:
    with receiving() as receiver, time_machine.travel(time.time(), tick=False) as clock:
        make(receiver.url, root)
        for device in ("a", "b"):
            tell(device)
            while webhook := couriers.claim():
                couriers.carry(webhook, threading.Event())
            clock.shift(-back)
    assert [heard.json["data"]["device"] for heard in receiver.heard] == ["a", "b"]
