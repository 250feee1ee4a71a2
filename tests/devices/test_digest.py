"""The mail about devices that wait: one for a burst, at most one an hour, sent again until it is taken."""

import smtplib
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices import digest
from devices.models import Device, Status
from portal import environment, mail, outbox
from portal.environment import MailServer
from portal.models import Digest
from tests.certificates import self_signed
from tests.mail_server import MailServer as Sink
from tests.mail_server import mail_server

NOON = datetime(2031, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def sink(settings: Any) -> Iterator[Sink]:
    with mail_server() as server:
        settings.MAIL_SERVER = MailServer("127.0.0.1", server.port, "", "", is_smtps=False)
        settings.ADMIN_EMAILS = ["ada@plant.example", "otto@plant.example"]
        settings.MAIL_FROM = "gate@plant.example"
        settings.PUBLIC_URL = "https://gate.example:8443"
        yield server


@pytest.fixture
def come(make_device: Callable[..., Device]) -> Callable[..., None]:
    """Let devices begin to wait, and be told of."""

    def begin(*ids: str, **facts: Any) -> None:
        for device_id in ids:
            make_device(device_id, **facts)
            outbox.put("device.pending", {"device": device_id})
        outbox.hand_on()

    return begin


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def test_a_burst_makes_one_mail_five_minutes_after_the_first(clock: Any, sink: Sink, come: Any) -> None:
    come("press-1")
    clock.shift(minutes(4.9))
    come("press-2", "press-3")
    assert not digest.send_due()
    clock.shift(minutes(0.1))
    assert digest.send_due()
    assert not digest.send_due()
    [taken] = sink.taken
    assert taken.recipients == ["ada@plant.example", "otto@plant.example"]
    assert taken.sender == "gate@plant.example"
    assert taken.mail["Subject"] == "[Gatehouse] 3 devices wait for a decision"


def test_a_great_burst_costs_no_more_statements_than_one_device(clock: Any, sink: Sink, db: None) -> None:
    counted = []
    for number in (1, 150):
        outbox.put_all("device.pending", [{"device": f"press-{n}"} for n in range(number)])
        with CaptureQueriesContext(connection) as said:
            outbox.hand_on()
        counted.append(sum("portal_digest" in each["sql"] for each in said))
    assert counted[1] <= counted[0]


def test_it_names_the_latest_twenty_with_identity_and_fingerprint_and_the_page(
    clock: Any, sink: Sink, come: Any
) -> None:
    for number in range(25):
        come(f"press-{number:02}", members={"serial": f"SN{number:02}"}, key=f"KEY {number}")
        clock.shift(1)
    clock.shift(minutes(5))
    digest.send_due()
    text = sink.taken[0].text
    assert "https://gate.example:8443/portal/devices/" in text
    assert text.index("press-24") < text.index("press-05")
    assert "press-04" not in text
    assert "and 5 more." in text
    latest = Device.objects.get(pk="press-24")
    assert '{"serial": "SN24"}' in text
    assert latest.fingerprint in text


def test_what_a_device_says_of_itself_forges_no_line_and_no_head(clock: Any, sink: Sink, come: Any) -> None:
    come("press-1", members={"serial": "a\r\n.\r\nBcc: mallory@example\u202e\r\n\r\npress-2"})
    clock.shift(minutes(5))
    assert digest.send_due()
    [taken] = sink.taken
    assert taken.recipients == ["ada@plant.example", "otto@plant.example"]
    assert '{"serial": "a\\r\\n.\\r\\nBcc: mallory@example\\u202e\\r\\n\\r\\npress-2"}' in taken.text


def test_there_is_at_most_one_mail_an_hour_and_nobody_is_left_out(clock: Any, sink: Sink, come: Any) -> None:
    come("press-1")
    clock.shift(minutes(5))
    assert digest.send_due()
    clock.shift(minutes(1))
    come("press-2")
    clock.shift(minutes(58))
    assert not digest.send_due()
    clock.shift(minutes(1))
    assert digest.send_due()
    clock.shift(timedelta(hours=9))
    assert not digest.send_due()
    come("press-3")
    assert not digest.send_due()
    clock.shift(minutes(5))
    assert digest.send_due()
    assert ["press-2" in taken.text for taken in sink.taken] == [False, True, True]


def test_who_comes_while_the_mail_is_sent_is_in_the_next_one(
    clock: Any, sink: Sink, come: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    come("press-1")
    clock.shift(minutes(5))
    send = mail.send

    def meanwhile(subject: str, text: str) -> None:
        send(subject, text)
        clock.shift(1)
        come("press-2")

    monkeypatch.setattr(mail, "send", meanwhile)
    assert digest.send_due()
    monkeypatch.setattr(mail, "send", send)
    clock.shift(minutes(60))
    assert digest.send_due()
    assert ["press-2" in taken.text for taken in sink.taken] == [False, True]


def test_nobody_is_written_to_when_all_have_been_decided_on_meanwhile(clock: Any, sink: Sink, come: Any) -> None:
    come("press-1")
    Device.objects.update(status=Status.ACCEPTED)
    clock.shift(minutes(5))
    assert not digest.send_due()
    assert sink.taken == []
    assert Digest.objects.get().first_at is None


def test_other_messages_make_no_mail(clock: Any, sink: Sink, make_device: Any) -> None:
    make_device("press-1")
    outbox.put("device.accepted", {"device": "press-1"})
    outbox.hand_on()
    assert not Digest.objects.exists()


@pytest.mark.parametrize("missing", [{"MAIL_SERVER": None}, {"ADMIN_EMAILS": []}])
def test_without_a_server_or_anybody_to_write_to_nothing_is_kept(
    clock: Any, sink: Sink, come: Any, settings: Any, missing: dict[str, Any]
) -> None:
    for name, value in missing.items():
        setattr(settings, name, value)
    come("press-1")
    assert not Digest.objects.exists()
    clock.shift(minutes(5))
    assert not digest.send_due()


def test_a_mail_that_is_not_taken_is_sent_again_and_again(
    clock: Any, sink: Sink, come: Any, caplog: pytest.LogCaptureFixture
) -> None:
    come("press-1")
    clock.shift(minutes(5))
    sink.answers = {"MAIL": "451 Try again later"}
    for wait in (1, 5, 15, 60, 60):
        assert not digest.send_due()
        assert Digest.objects.get().last_error == "127.0.0.1 answered 451; see its log, and GATEHOUSE_MAIL_URL."
        clock.shift(minutes(wait) - timedelta(seconds=1))
        assert not digest.send_due()
        clock.shift(1)
    assert caplog.text.count("is tried again") == 5
    sink.answers = {}
    assert digest.send_due()
    assert (Digest.objects.get().last_error, Digest.objects.get().attempts) == ("", 0)


def test_a_claim_of_a_worker_that_was_killed_ends(clock: Any, sink: Sink, come: Any) -> None:
    come("press-1")
    clock.shift(minutes(5))
    Digest.objects.update(next_at=NOON + minutes(5) + digest.CLAIM)  # A worker claimed it and died.
    assert not digest.send_due()
    clock.shift(digest.CLAIM)
    assert digest.send_due()


@pytest.mark.django_db(transaction=True)
def test_of_four_workers_one_sends_it(clock: Any, sink: Sink, come: Any, at_once: Callable[..., list[Any]]) -> None:
    come("press-1")
    clock.shift(minutes(5))
    assert sorted(at_once(*(digest.send_due for _ in range(4)))) == [False, False, False, True]
    assert len(sink.taken) == 1


@pytest.mark.django_db(transaction=True)
def test_a_server_that_hangs_does_not_keep_the_worker_from_ending(
    sink: Sink, come: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "PATIENCE", 1)
    monkeypatch.setattr(digest, "PAUSE", 0.05)
    come("press-1")
    Digest.objects.update(next_at=NOON - timedelta(days=3650))
    sink.hangs = True
    stopping = threading.Event()
    thread = threading.Thread(target=digest.run, args=(stopping,))
    thread.start()
    assert sink.is_met.wait(60)
    stopping.set()
    thread.join(60)
    assert not thread.is_alive()
    assert "took no mail" in Digest.objects.get().last_error


class TestTls:
    @pytest.fixture
    def context(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
        """A server's certificate for mail.plant.example, which the system trusts during the test."""
        pem = tmp_path / "mail.pem"
        pem.write_bytes(self_signed("mail.plant.example"))
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(pem)
        return made

    @pytest.fixture
    def named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every mail server is on loopback, whatever its name."""
        connect = smtplib.socket.create_connection  # type: ignore[attr-defined]
        monkeypatch.setattr(
            smtplib.socket,  # type: ignore[attr-defined]
            "create_connection",
            lambda address, *args, **more: connect(("127.0.0.1", address[1]), *args, **more),
        )

    @pytest.mark.parametrize("is_smtps", [False, True])
    def test_name_and_password_go_over_tls_only(
        self, context: ssl.SSLContext, named: None, settings: Any, is_smtps: bool
    ) -> None:
        with mail_server(context, is_smtps=is_smtps) as server:
            settings.MAIL_SERVER = MailServer("mail.plant.example", server.port, "gate", "pass word", is_smtps=is_smtps)
            settings.ADMIN_EMAILS = ["ada@plant.example"]
            mail.send("subject", "text")
        [taken] = server.taken
        assert (taken.login, taken.is_encrypted) == ("gate pass word", True)

    def test_a_server_without_starttls_is_told_nothing(self, named: None, settings: Any) -> None:
        with mail_server() as server:
            settings.MAIL_SERVER = MailServer("mail.plant.example", server.port, "gate", "pass word", is_smtps=False)
            settings.ADMIN_EMAILS = ["ada@plant.example"]
            with pytest.raises(mail.NotSent) as refused:
                mail.send("subject", "text")
        assert server.taken == []
        assert "pass word" not in str(refused.value)

    def test_a_certificate_for_another_name_is_refused(
        self, context: ssl.SSLContext, named: None, settings: Any
    ) -> None:
        with mail_server(context) as server:
            settings.MAIL_SERVER = MailServer("other.plant.example", server.port, "gate", "pass word", is_smtps=False)
            settings.ADMIN_EMAILS = ["ada@plant.example"]
            with pytest.raises(mail.NotSent, match="SSLCertVerificationError"):
                mail.send("subject", "text")
        assert server.taken == []


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("", None),
        ("smtp://mail.example", ("mail.example", 587, "", "", False)),
        ("smtp://mail.example:25/", ("mail.example", 25, "", "", False)),
        ("smtps://gate:p%40ss@Mail.example", ("mail.example", 465, "gate", "p@ss", True)),
        ("smtp://gate%40plant.example:x@[::1]:2525", ("::1", 2525, "gate@plant.example", "x", False)),
    ],
)
def test_the_url_of_a_mail_server_is_read(
    monkeypatch: pytest.MonkeyPatch, value: str, read: tuple[Any, ...] | None
) -> None:
    monkeypatch.setenv("GATEHOUSE_THING", value)
    assert environment.mail_server("THING") == (MailServer(*read) if read else None)


@pytest.mark.parametrize(
    "value",
    [
        "mail.example", "http://mail.example", "smtp://", "smtp://:25", "smtp://mail.example:x", "smtp://mail.example:0",
        "smtp://mail.example:99999", "smtp://gate@mail.example", "smtp://:word@mail.example", "smtp://[::1",
        "smtp://gate:word@mail.example/path", "smtp://gate:word@mail.example?x=1", "smtp://gate:wo rd@mail.example",
        "smtp://gate:word@mail.example#x", "smtp://gate:wörd@mail.example", "smtp://ma il",
    ],
)  # fmt: skip
def test_nonsense_for_a_mail_server_stops_the_start_without_repeating_it(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("GATEHOUSE_THING", value)
    with pytest.raises(ImproperlyConfigured) as refused:
        environment.mail_server("THING")
    assert str(refused.value).startswith("GATEHOUSE_THING makes no sense; write smtp://")
    assert "word@mail" not in str(refused.value).replace("password@host", "")


@pytest.mark.parametrize("value", ["ada", "@plant.example", "ada@", "Ada<ada@plant.example>", "a@b@c", "ada@-x"])
def test_an_address_that_is_none_stops_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("GATEHOUSE_THING", f"otto@plant.example,{value}")
    with pytest.raises(ImproperlyConfigured, match=r"^GATEHOUSE_THING holds .*\.$"):
        environment.mail_addresses("THING")
    monkeypatch.setenv("GATEHOUSE_THING", "otto@plant.example ada@plant.example")
    with pytest.raises(ImproperlyConfigured, match=r"holds 2 addresses; write one\.$"):
        environment.mail_address("THING", "x@y")
