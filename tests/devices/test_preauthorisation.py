"""Devices of a list are preauthorized: judged first, each line with an outcome of its own, by rule and over REST."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from devices import counts, device_lists, expecting, identity, preauthorisation, submission
from devices.models import Device, Introduction
from portal import audit
from portal.actor import Actor
from portal.models import AuditEvent, Outbox
from portal.refusal import Invalid
from portal.scopes import Scope
from tests.conftest import MenderDevice

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
URL = "/api/v1/devices"


@pytest.fixture
def listed(mender_device: Callable[..., MenderDevice]) -> Callable[..., str]:
    """A list of devices with these serial numbers, each with a key of its own; `None` has no key that can be used."""

    def make(*serials: str, broken: tuple[str, ...] = ()) -> str:
        rows = [f'{serial},"{"" if serial in broken else mender_device().pem}"\n' for serial in serials]
        return "sn,key\n" + "".join(rows)

    return make


def digest(serial: str) -> str:
    return identity.digest({"sn": serial})


def shown(outcomes: list[preauthorisation.Outcome]) -> list[tuple[str, str]]:
    return [(outcome.status, outcome.code) for outcome in outcomes]


class TestJudging:
    def test_writes_nothing_and_says_of_each_line_what_would_become_of_it(
        self, listed: Callable[..., str], make_device: Callable[..., Device]
    ) -> None:
        make_device("press-2", {"sn": "2"}, status="accepted")
        make_device(digest("3"), {"other": "x"}, denied_at=NOON)
        lines = device_lists.read(listed("1", "2", "3", "4", "5", broken=("4",)))
        outcomes = preauthorisation.judge(lines)
        assert shown(outcomes) == [
            ("ready", ""),
            ("refused", "device_exists"),
            ("refused", "device_denied"),
            ("refused", "invalid"),
            ("ready", ""),
        ]
        assert [outcome.id for outcome in outcomes] == [digest(serial) for serial in "12345"]
        assert outcomes[1].error.startswith("press-2 is accepted already and has this id or identity")
        assert "is on the denied list" in outcomes[2].error
        assert Device.objects.count() == 2
        assert not AuditEvent.objects.exists()

    def test_takes_few_statements_for_many_lines(
        self, db: None, mender_device: Callable[..., MenderDevice], root: Actor
    ) -> None:
        pem = mender_device().pem
        text = "id,key\n" + "".join(f'press-{number},"{pem}"\n' for number in range(1000))
        lines = device_lists.read(text)
        with CaptureQueriesContext(connection) as asked:
            outcomes = preauthorisation.judge(lines)
        assert len(asked) == 1000 / preauthorisation.BATCH
        assert {outcome.status for outcome in outcomes} == {"ready"}
        with CaptureQueriesContext(connection) as asked:
            preauthorisation.carry_out(lines, by=root)
        assert len(asked) < 1000 / 5
        assert Device.objects.count() == counts.by_tab()["preauthorized"] == AuditEvent.objects.count() == 1000
        assert audit.verify().holds


class TestPacking:
    def test_only_lines_that_were_ready_come_back_as_they_were(
        self, listed: Callable[..., str], make_device: Callable[..., Device]
    ) -> None:
        make_device("press-2", {"sn": "2"})
        lines = device_lists.read(listed("1", "2", "3", "4", broken=("4",)))
        packed = preauthorisation.pack(lines, preauthorisation.judge(lines))
        assert preauthorisation.unpack(packed) == [lines[0], lines[2]]
        by_id = device_lists.read(listed("press-9").replace("sn,", "id,"))
        assert preauthorisation.unpack(preauthorisation.pack(by_id, preauthorisation.judge(by_id))) == by_id

    def test_what_was_changed_on_its_way_is_refused(self, db: None, listed: Callable[..., str]) -> None:
        lines = device_lists.read(listed("1"))
        packed = preauthorisation.pack(lines, preauthorisation.judge(lines))
        for wrong in ("", "x", packed[:-1], packed + "A", packed[1:], f"{'0' * 64}{packed[64:]}", "ü" * 90):
            with pytest.raises(Invalid, match="judge the list again"):
                preauthorisation.unpack(wrong)


class TestCarryingOut:
    def test_each_good_line_becomes_an_expected_device_and_a_bad_one_voids_none(
        self, db: None, listed: Callable[..., str], root: Actor
    ) -> None:
        lines = device_lists.read(listed("1", "2", "3", broken=("2",)))
        outcomes = preauthorisation.carry_out(lines, by=root)
        assert shown(outcomes) == [("preauthorized", ""), ("refused", "invalid"), ("preauthorized", "")]
        device = Device.objects.get(pk=digest("1"))
        assert (device.status, device.identity_digest) == ("preauthorized", device.pk)
        said = Introduction.objects.get(device=device)
        assert (said.members, json.loads(said.text)) == ({"sn": "1"}, {"sn": "1"})
        event = AuditEvent.objects.get(subject_id=device.pk)
        assert (event.verb, event.actor) == ("device.preauthorized", "test")
        assert event.after == {"status": "preauthorized", "identity": said.text, "fingerprint": device.fingerprint}
        told = Outbox.objects.filter(topic="device.preauthorized").order_by("pk")
        facts = {"device": device.pk, "fingerprint": device.fingerprint, "identity": {"sn": "1"}}
        assert {message.body["device"] for message in told} == {digest("1"), digest("3")}
        assert {**facts, "by": "command test"} in [message.body for message in told]

    def test_it_leaves_what_one_by_one_would_have_left(self, db: None, listed: Callable[..., str], root: Actor) -> None:
        (line,) = device_lists.read(listed("1"))
        assert line.expected
        assert line.expected.identity
        facts = []
        for way in (
            lambda: preauthorisation.carry_out([line], by=root),
            lambda: submission.preauthorize(line.expected.identity, line.expected.key.pem, by=root),
        ):
            way()
            device = Device.objects.values().get()
            said = Introduction.objects.values("device_id", "text", "members", "key", "ca").get()
            facts.append(({**device, "request_time": None}, said, AuditEvent.objects.latest("number").after))
            Device.objects.all().delete()
        assert facts[0] == facts[1]

    def test_a_device_that_comes_is_let_in(
        self, db: None, mender_device: Callable[..., MenderDevice], root: Actor
    ) -> None:
        machine = mender_device(sn="1", mac="00:1b")
        lines = device_lists.read(f'mac,sn,key\r\n00:1b,1,"{machine.pem}"\r\n')
        preauthorisation.carry_out(lines, by=root)
        body, headers = machine.request()
        client: Any = APIClient(headers=headers)
        url = "/api/devices/v1/authentication/auth_requests"
        assert client.generic("POST", url, body, content_type="application/json").status_code == 200

    def test_one_that_is_created_in_this_moment_is_in_the_way_of_itself_alone(
        self, db: None, listed: Callable[..., str], root: Actor, monkeypatch: pytest.MonkeyPatch,
        make_device: Callable[..., Device],
    ) -> None:  # fmt: skip
        lines = device_lists.read(listed("1", "2"))
        create = expecting.preauthorize_all
        calls = []

        def late(expected: Any, *, by: Actor) -> list[Device]:
            calls.append(expected)
            if len(calls) == 1:
                raise IntegrityError
            return create(expected, by=by)

        monkeypatch.setattr(expecting, "preauthorize_all", late)
        make_device("press-2", {"sn": "2"})
        assert shown(preauthorisation.carry_out(lines, by=root)) == [
            ("preauthorized", ""),
            ("refused", "device_exists"),
        ]

    def test_what_the_database_does_not_reach_is_said_and_what_is_done_stays(
        self, db: None, listed: Callable[..., str], root: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(preauthorisation, "BATCH", 1)
        lines = device_lists.read(listed("1", "2", "3", "4", broken=("4",)))
        create = expecting.preauthorize_all

        def gone(expected: Any, *, by: Actor) -> list[Device]:
            if Device.objects.exists():
                raise OperationalError("gone")
            return create(expected, by=by)

        monkeypatch.setattr(expecting, "preauthorize_all", gone)
        outcomes = preauthorisation.carry_out(lines, by=root)
        lost = ("refused", "service_unavailable")
        assert shown(outcomes) == [("preauthorized", ""), lost, lost, ("refused", "invalid")]
        assert Device.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("turn", range(3))
    def test_the_same_list_twice_at_once_creates_each_device_once(
        self, listed: Callable[..., str], root: Actor, at_once: Callable[..., list[Any]], turn: int
    ) -> None:
        lines = device_lists.read(listed(*map(str, range(30))))
        outcomes = at_once(*[lambda: preauthorisation.carry_out(lines, by=root)] * 3)
        by_line = zip(*outcomes, strict=True)
        for same in by_line:
            assert sorted(outcome.code for outcome in same) == ["", "device_exists", "device_exists"]
        assert Device.objects.count() == AuditEvent.objects.count() == 30
        assert audit.verify().holds

    def test_devices_are_written_by_their_ids_so_that_two_lists_never_wait_for_each_other(
        self, db: None, listed: Callable[..., str], root: Actor
    ) -> None:
        preauthorisation.carry_out(device_lists.read(listed("1", "3", "2")), by=root)
        written = Introduction.objects.order_by("pk").values_list("device_id", flat=True)
        assert list(written) == sorted(map(digest, "123"))


class TestRest:
    @pytest.fixture
    def client(self, rest: Callable[..., APIClient]) -> APIClient:
        return rest(Scope.DEVICES_ADMIT)

    def send(self, client: APIClient, text: str | bytes, query: str = "", **headers: str) -> Any:
        sent: Any = text
        return client.post(f"{URL}{query}", sent, content_type="text/csv", headers=headers)

    def test_a_list_is_judged_and_then_carried_out(self, client: APIClient, listed: Callable[..., str]) -> None:
        text = listed("1", "2", broken=("2",))
        judged = self.send(client, text, "?dry_run=true")
        assert judged.status_code == 200
        bad = {"line": 6, "id": digest("2"), "status": "refused", "code": "invalid"}
        bad["error"] = "The key cannot be used: it is not one PEM PUBLIC KEY."
        good = {"line": 2, "id": digest("1"), "status": "ready", "code": "", "error": ""}
        assert judged.json() == {"outcomes": [good, bad]}
        assert not Device.objects.exists()
        done = self.send(client, text, "?dry_run=false")
        assert done.json() == {"outcomes": [good | {"status": "preauthorized"}, bad]}
        assert self.send(client, text).json()["outcomes"][0]["code"] == "device_exists"
        assert Device.objects.get().pk == digest("1")

    def test_no_list_is_refused_as_a_whole(self, client: APIClient) -> None:
        for body in ("\n", "sn;key\n1;2", b"sn,key\n\xff,2"):
            answer = self.send(client, body)
            assert answer.status_code == 400
            assert list(answer.json()["invalid"]) == ["list"]

    @pytest.mark.parametrize("query", ["", "?dry_run=true"])
    def test_a_list_without_a_byte_is_told_that_it_is_empty(self, client: APIClient, query: str) -> None:
        answer = self.send(client, "", query)
        assert answer.status_code == 400
        assert list(answer.json()["invalid"]) == ["list"]
        assert "The list is empty" in answer.json()["error"]

    def test_only_this_call_takes_a_list_and_in_utf_8_alone(
        self, client: APIClient, make_device: Callable[..., Device]
    ) -> None:
        make_device("press-1")
        answer: Any = client.post(f"{URL}/press-1/accept", "a,b", content_type="text/csv")
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
        for kind in ("text/csv; charset=latin-1", "text/plain", "application/x-www-form-urlencoded"):
            answer = client.post(URL, "a,b", content_type=kind)
            assert answer.status_code == 415
        for kind in ("TEXT/CSV", "text/csv; charset=UTF-8", 'text/csv; header=present; charset="utf-8"'):
            answer = client.post(URL, "a,b", content_type=kind)
            assert list(answer.json()["invalid"]) == ["list"]

    def test_a_single_device_cannot_be_judged_only(self, client: APIClient) -> None:
        for query in ("?dry_run=true", "?dry_run=maybe", "?dry=true"):
            answer = client.post(f"{URL}{query}", {"id": "press-1", "key": "x"}, format="json")
            assert answer.status_code == 400
            assert list(answer.json()["invalid"]) == [query[1:].partition("=")[0]]

    def test_a_list_over_a_mebibyte_is_too_large(self, client: APIClient) -> None:
        assert self.send(client, "sn,key\n" + "x" * 1024 * 1024).status_code == 413

    def test_sent_again_under_a_key_it_comes_to_the_same_and_is_done_once(
        self, client: APIClient, listed: Callable[..., str]
    ) -> None:
        text = listed("1")
        key = {"Idempotency-Key": "list-1"}
        first, again = (self.send(client, text, **key) for _ in range(2))
        assert first.json() == again.json()
        assert first.json()["outcomes"][0]["status"] == "preauthorized"
        assert self.send(client, text).json()["outcomes"][0]["code"] == "device_exists"
        other = self.send(client, listed("1"), **key)  # Another key for the same identity.
        assert other.json()["outcomes"][0]["code"] == "device_exists"
        assert Device.objects.count() == AuditEvent.objects.filter(verb="device.preauthorized").count() == 1

    def test_a_private_key_is_neither_stored_nor_shown(
        self, client: APIClient, listed: Callable[..., str], caplog: pytest.LogCaptureFixture
    ) -> None:
        secret = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v"
        pem = f"-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----"
        caplog.set_level(0)
        for text in (f'{listed("1")}2,"{pem}"\n', f'sn,key\n"{pem}","{pem}"\n', pem, f'"{pem}",key\n1,2'):
            assert secret not in self.send(client, text).content.decode()
        assert Device.objects.count() == 1
        assert secret not in caplog.text

    def test_it_needs_the_right_to_admit(self, rest: Callable[..., APIClient]) -> None:
        answer = self.send(rest(Scope.DEVICES_READ), "sn,key\n1,2")
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
