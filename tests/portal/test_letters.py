"""Mails that wait: sent once what they tell of has committed, tried again until they are taken, and then kept bare."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction

from portal import letters, mail
from portal.environment import MailServer
from portal.models import Letter
from tests.mail_server import MailServer as Sink
from tests.mail_server import mail_server

NOON = datetime(2031, 11, 25, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def sink(settings: Any) -> Iterator[Sink]:
    with mail_server() as server:
        settings.MAIL_SERVER = MailServer("127.0.0.1", server.port, "", "", is_smtps=False)
        settings.ADMIN_EMAILS = ["ada@plant.example"]
        settings.MAIL_FROM = "gate@plant.example"
        yield server


def write(*to: str, text: str = "It ends.") -> None:
    letters.write(to or ("vera@plant.example",), "[Gatehouse] 1 ends", text)


def send_all() -> None:
    while letters.send_next():
        pass


def test_it_goes_to_whom_it_is_written_and_is_kept_without_its_text(clock: Any, sink: Sink) -> None:
    write("vera@plant.example", text="It ends on Tuesday.")
    assert letters.send_next()
    [taken] = sink.taken
    assert (taken.sender, taken.recipients) == ("gate@plant.example", ["vera@plant.example"])
    assert taken.mail["Subject"] == "[Gatehouse] 1 ends"
    assert "It ends on Tuesday." in taken.text
    letter = Letter.objects.get()
    assert (letter.text, letter.sent_at, letter.attempts, letter.last_error) == ("", NOON, 1, "")
    assert not letters.send_next()


def test_without_a_server_or_anybody_to_write_to_there_is_none(sink: Sink, settings: Any) -> None:
    letters.write([], "nobody", "hears this")
    settings.MAIL_SERVER = None
    write()
    assert not Letter.objects.exists()


def test_a_change_that_did_not_commit_is_not_written_about(sink: Sink) -> None:
    with transaction.atomic():
        write()
        transaction.set_rollback(True)
    assert not Letter.objects.exists()
    assert not letters.send_next()


def test_what_is_not_taken_is_tried_again_after_1_5_15_and_60_minutes_and_given_up_after_3_days(
    clock: Any, sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    write()
    sink.answers = {"RCPT": "450 Mailbox busy"}
    waits = []
    while Letter.objects.exists():
        before = datetime.now(UTC)
        assert letters.send_next()
        if letter := Letter.objects.first():
            assert letter.last_error == "127.0.0.1 refused every recipient (450); see their addresses."
            assert not letters.send_next()
            waits.append((letter.next_at - before) / timedelta(minutes=1))
            clock.move_to(letter.next_at)
    assert waits[:5] == [1, 5, 15, 60, 60]
    assert set(waits[4:]) == {60}
    assert timedelta(days=3) <= datetime.now(UTC) - NOON < timedelta(days=3, hours=1)
    assert "The mail “[Gatehouse] 1 ends” of 2031-11-25 is given up: 127.0.0.1 refused" in caplog.text
    sink.answers = {}
    assert not letters.send_next()
    assert sink.taken == []


def test_one_that_no_server_takes_holds_up_no_other(clock: Any, sink: Sink) -> None:
    Letter.objects.create(to=["vera@plant.example"], subject="two\nlines", text="x")
    write()
    send_all()
    assert len(sink.taken) == 1
    assert "no server takes" in Letter.objects.get(sent_at=None).last_error


def test_what_a_killed_worker_had_begun_to_send_is_sent_when_its_claim_has_ended(clock: Any, sink: Sink) -> None:
    write()
    Letter.objects.update(next_at=NOON + letters.CLAIM, attempts=1)  # It was claimed, and the worker died.
    assert not letters.send_next()
    clock.shift(letters.CLAIM)
    assert letters.send_next()
    assert len(sink.taken) == 1


@pytest.mark.parametrize("back", [timedelta(minutes=5), timedelta(hours=1), timedelta(days=400)])
def test_a_clock_that_was_set_back_holds_none_up_for_long_and_sends_none_twice(
    clock: Any, sink: Sink, back: timedelta
) -> None:
    write()
    send_all()
    sink.answers = {"MAIL": "451 Later"}
    write(text="second")
    assert letters.send_next()
    sink.answers = {}
    clock.shift(-back)
    for _ in range(3):
        clock.shift(timedelta(minutes=30))
        send_all()
    assert ["second" in taken.text for taken in sink.taken] == [False, True]


@pytest.mark.django_db(transaction=True)
def test_of_four_workers_one_sends_each(clock: Any, sink: Sink, at_once: Callable[..., list[Any]]) -> None:
    for number in range(5):
        write(text=f"letter {number}.")
    at_once(*(send_all for _ in range(4)))
    assert sorted(taken.text.strip() for taken in sink.taken) == [f"letter {number}." for number in range(5)]
    assert not Letter.objects.filter(sent_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_a_server_that_hangs_does_not_keep_the_worker_from_ending(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "PATIENCE", 1)
    monkeypatch.setattr(letters, "PAUSE", 0.05)
    write()
    sink.hangs = True
    stopping = threading.Event()
    thread = threading.Thread(target=letters.run, args=(stopping,))
    thread.start()
    assert sink.is_met.wait(60)
    stopping.set()
    thread.join(60)
    assert not thread.is_alive()
    assert "took no mail" in Letter.objects.get().last_error
