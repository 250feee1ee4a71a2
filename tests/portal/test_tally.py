"""Counts by the hour: none lost, none twice, and a failure to count is nobody's trouble but its own."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext

from portal import outbox, tally
from portal.models import HourlyCount

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
EVERYTHING = [*settings.MIDDLEWARE, "portal.tally.TallyMiddleware"]


def counted() -> dict[str, int]:
    return {count.name: count.number for count in HourlyCount.objects.all()}


class Clock:
    """What `time.monotonic` says; tests move it on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tally.time, "monotonic", clock)
    return clock


class Portal:
    """The middleware around a portal that answers with the status that is asked for."""

    def __init__(self) -> None:
        self.status = 200
        self.middleware = tally.TallyMiddleware(lambda request: HttpResponse(status=self.status))

    def ask(self, path: str = "/api/v1/devices", status: int = 200, **headers: str) -> HttpResponse:
        self.status = status
        return self.middleware(RequestFactory().get(path, **headers))


@pytest.fixture
def portal(clock: Clock) -> Portal:
    return Portal()


class TestHours:
    def test_what_is_counted_in_an_hour_adds_up(self, db: None) -> None:
        for minutes, number in ((0, 1), (59, 2), (60, 4), (-1, 8)):
            tally.add("device.pending", number, NOON + timedelta(minutes=minutes))
        assert tally.last_day(NOON + timedelta(hours=1))["device.pending"][-3:] == [8, 3, 4]

    def test_the_last_day_has_24_hours_and_nothing_older(self, db: None) -> None:
        tally.add("request.failed", 5, NOON - timedelta(hours=23))
        tally.add("request.failed", 7, NOON - timedelta(hours=24))
        tally.add("something.else", 9, NOON)
        day = tally.last_day(NOON + timedelta(minutes=59))
        assert day["request.failed"] == [5, *[0] * 23]
        assert set(day) == {*tally.ADMISSIONS, *tally.REQUESTS}

    def test_what_is_older_than_eight_days_is_removed(self, db: None) -> None:
        with time_machine.travel(NOON, tick=False):
            for days in (0, 7, 9):
                tally.add("device.pending", 1, NOON - timedelta(days=days))
            tally.forget()
        assert HourlyCount.objects.count() == 2

    @pytest.mark.django_db(transaction=True)
    def test_of_many_who_count_at_once_each_is_counted(self, at_once: Callable[..., list[Any]]) -> None:
        def count() -> None:
            for _ in range(10):
                tally.add("device.pending", 1, NOON)

        at_once(*[count] * 6)
        assert counted() == {"device.pending": 60}


class TestAdmissions:
    def test_an_admission_is_counted_once_in_the_hour_in_which_it_happened(self, db: None) -> None:
        with time_machine.travel(NOON, tick=False) as clock:
            for topic in (*tally.ADMISSIONS, "device.pending", "device.purged", "token.issued"):
                outbox.put(topic, {})
            clock.shift(timedelta(hours=2))
            outbox.hand_on()
            outbox.hand_on()
        assert counted() == {"device.pending": 2, "device.accepted": 1, "device.rejected": 1, "device.denied": 1}
        assert {count.hour for count in HourlyCount.objects.all()} == {NOON}

    def test_it_is_not_counted_if_its_message_stays(self, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(outbox, "_receivers", list(outbox._receivers))

        @outbox.receiver
        def fail(message: Any) -> None:
            raise RuntimeError

        outbox.put("device.pending", {})
        with pytest.raises(RuntimeError):
            outbox.hand_on()
        assert counted() == {}


class TestRequests:
    def test_answers_are_saved_by_their_class_after_ten_seconds(self, db: None, portal: Portal, clock: Clock) -> None:
        for status in (200, 201, 304, 302, 400, 401, 429, 500, 503):
            assert portal.ask(status=status).status_code == status
        assert counted() == {}
        clock.now += 10
        portal.ask()
        assert counted() == {"request.answered": 5, "request.refused": 3, "request.failed": 2}

    def test_between_two_times_it_costs_no_query(self, db: None, portal: Portal, clock: Clock) -> None:
        clock.now += 10
        portal.ask()
        with CaptureQueriesContext(connection) as queries:
            for _ in range(50):
                portal.ask()
        assert len(queries) == 0

    def test_watchers_and_pages_that_look_again_are_not_counted_but_have_the_others_saved(
        self, db: None, portal: Portal, clock: Clock
    ) -> None:
        portal.ask()
        clock.now += 10
        portal.ask("/v3/discovery:routes")
        assert counted() == {"request.answered": 1}
        for path in ("/readyz", "/metrics", "/healthz"):
            portal.ask(path)
        portal.ask("/portal/", HTTP_X_GATEHOUSE_POLL="1")
        clock.now += 10
        portal.ask("/metrics")
        assert counted() == {"request.answered": 1}

    def test_whether_the_process_lives_is_said_without_the_database(self, portal: Portal, clock: Clock) -> None:
        portal.ask()
        clock.now += 10
        assert portal.ask("/healthz").status_code == 200

    def test_while_the_database_takes_nothing_the_request_is_answered_and_the_count_kept(
        self, db: None, portal: Portal, clock: Clock
    ) -> None:
        portal.ask(status=500)
        clock.now += 10

        def away(execute: Any, *asked: Any) -> Any:
            raise OperationalError("attempt to write a readonly database")

        with connection.execute_wrapper(away):
            assert portal.ask().status_code == 200
            assert portal.ask().status_code == 200
        clock.now += 10
        portal.ask()
        assert counted() == {"request.answered": 3, "request.failed": 1}

    @pytest.mark.django_db(transaction=True)
    def test_threads_lose_none_and_count_none_twice(
        self, portal: Portal, clock: Clock, at_once: Callable[..., list[Any]]
    ) -> None:
        def ask() -> None:
            for _ in range(200):
                portal.ask()
                clock.now += 0.1

        at_once(*[ask] * 4)
        clock.now += 10
        portal.ask()
        assert counted() == {"request.answered": 801}

    def test_it_costs_next_to_nothing(self, portal: Portal) -> None:
        answer = HttpResponse()
        middleware, request = tally.TallyMiddleware(lambda request: answer), RequestFactory().get("/api/v1/devices")

        def cost() -> float:
            began = time.thread_time()
            for _ in range(2000):
                middleware(request)
            return (time.thread_time() - began) / 2000

        assert min(cost() for _ in range(10)) < 100e-6

    def test_an_installation_counts_whatever_passes_its_door(self, db: None, clock: Clock) -> None:
        with override_settings(MIDDLEWARE=EVERYTHING):
            client = Client()
            for path in ("/portal/login/", "/nowhere", "/api/v1/devices"):
                client.get(path)
            clock.now += 10
            client.get("/readyz")
        assert counted() == {"request.answered": 1, "request.refused": 2}
