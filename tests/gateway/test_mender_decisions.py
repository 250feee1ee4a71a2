"""What a management client changes through Mender's admission API: submit, decide, preauthorize, delete."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from devices import admission, denial, identity, keychange, keys
from devices.models import Device, Inventory, KeyChange, KeyChangeRequest, Status
from portal import audit
from portal.actor import Actor
from portal.models import AuditEvent, Outbox
from portal.scopes import Scope
from tests.amount import many
from tests.conftest import MenderDevice
from tests.gateway.test_mender_admission import NEW, NOON, STATES, error, send
from tokens import device_tokens

BROKEN = [
    b"{", b"\xff", b"[]", b"null", b"5", b'"x"', b"NaN", b"{} {}", b" ", b'{"a": "\\u0000"}', b'{"a": "\\ud800"}',
    b"\xef\xbb\xbf{}", b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", b"{'a': 1}", b'{"a": 1e999}', b"9" * 5000,
]  # fmt: skip


@pytest.fixture
def client(rest: Callable[..., APIClient]) -> APIClient:
    return rest(Scope.DEVICES_READ, Scope.DEVICES_ADMIT, Scope.DEVICES_DELETE)


@pytest.fixture
def pem(mender_device: Callable[..., MenderDevice]) -> str:
    return mender_device().pem


def new(**members: Any) -> dict[str, Any]:
    return {"device_identity": json.dumps(members), "key": "any text"}


class TestSubmit:
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"", "failed to decode request body: JSON payload is empty"),
            ({}, "'device_identity' field required"),
            ({"key": "k"}, "'device_identity' field required"),
            ({"device_identity": None, "key": "k"}, "'device_identity' field required"),
            ({"device_identity": "", "key": ""}, "'device_identity' field required"),
            ({"device_identity": "{}"}, "'key' field required"),
            ({"device_identity": "x", "key": None}, "'key' field required"),
            ({"device_identity": "x", "key": ""}, "'key' field required"),
            ({"device_identity": "{}", "key": "k"}, "no attributes provided"),
            ({"device_identity": "null", "key": "k"}, "no attributes provided"),
            ({"device_identity": "{}", "key": "x" * 16_385}, "no attributes provided"),
            ({"device_identity": json.dumps({"a": "x" * 8192}), "key": "k"}, "'device_identity' is too long"),
            ({"device_identity": json.dumps({"a": "x" * 8192}), "key": "x" * 16_385}, "'device_identity' is too long"),
            ({**NEW, "key": "x" * 16_385}, "'key' is too long"),
            ({**NEW, "key": "é" * 8193}, "'key' is too long"),
            ({**NEW, "key": "-----BEGIN RSA PRIVATE KEY-----"}, "'key' must be a public key"),
            ({**NEW, "key": "-----BEGIN PRIVATE KEY-----"}, "'key' must be a public key"),
            ({**NEW, "key": "-----BEGIN OPENSSH PRIVATE KEY-----"}, "'key' must be a public key"),
        ],
    )
    def test_the_first_fault_of_a_body_answers(self, client: APIClient, body: Any, words: str) -> None:
        answer = send(client, "PUT", "/devices/press-1", body)
        assert answer.status_code == 400
        assert error(answer) == words
        assert not Device.objects.exists()

    @pytest.mark.parametrize("body", BROKEN)
    def test_a_body_that_is_no_object_is_a_400(self, client: APIClient, body: bytes) -> None:
        answer = send(client, "PUT", "/devices/press-1", body)
        assert answer.status_code == 400
        assert error(answer).startswith("failed to decode request body: ")

    @pytest.mark.parametrize("value", [5, True, False, 0, [], {}, ["x"], {"a": "b"}])
    @pytest.mark.parametrize("member", ["device_identity", "key"])
    def test_a_member_that_is_not_text_is_a_400(self, client: APIClient, member: str, value: Any) -> None:
        answer = send(client, "PUT", "/devices/press-1", {**NEW, member: value})
        assert answer.status_code == 400
        assert error(answer).startswith("failed to decode request body: ")

    @pytest.mark.parametrize(
        "text",
        [
            "x", "[]", '"text"', "5", "true", '{"a": 5}', '{"a": null}', '{"a": true}', '{"a": {}}', '{"a": ["b"]}',
            '{"a": "b", "a": "c"}', '{"a": "b"} x', '{"a": "\\u0000"}', '{"a": "\\u202e"}', '{"\\u200b": "a"}',
        ],
    )  # fmt: skip
    def test_an_identity_that_is_none_is_a_400(self, client: APIClient, text: str) -> None:
        answer = send(client, "PUT", "/devices/press-1", {"device_identity": text, "key": "k"})
        assert answer.status_code == 400
        assert error(answer).startswith("failed to decode attributes data: ")

    @pytest.mark.parametrize("device_id", ["a b", "a~b", "%C3%A9", "a" * 129, "a%00", "a%0a", "a%ff", "a+b", "a@b"])
    def test_an_id_of_another_spelling_is_refused_before_the_body_is_judged(
        self, client: APIClient, device_id: str
    ) -> None:
        for body in (NEW, b"", b"{"):
            answer = send(client, "PUT", f"/devices/{device_id}", body)
            assert answer.status_code == 400
            assert error(answer) == "'id' must be 1 to 128 of A-Z a-z 0-9 _ : -"
        for method, path, sent in (
            ("GET", "", b""),
            ("GET", "/status", b""),
            ("PUT", "/status", {"status": "accepted"}),
        ):
            answer = send(client, method, f"/devices/{device_id}{path}", sent)
            assert answer.status_code == 404
            assert error(answer) == "not found"
        assert send(client, "DELETE", f"/devices/{device_id}").status_code == 204

    @pytest.mark.parametrize("device_id", ["a", "a" * 128, "A-z_0:9", "-", "%3A"])
    def test_an_id_may_be_any_of_the_allowed_characters(self, client: APIClient, device_id: str) -> None:
        assert send(client, "PUT", f"/devices/{device_id}", NEW).status_code == 204

    def test_the_id_and_what_is_ours_in_the_body_are_ignored(self, client: APIClient) -> None:
        extra = {"id": "other", "status": "accepted", "attributes": {"x": "y"}, "request_time": "2001-01-01T00:00:00Z"}
        assert send(client, "PUT", "/devices/press-1", {**NEW, **extra, "more": [1]}).status_code == 204
        shown = send(client, "GET", "/devices/press-1").json()
        assert (shown["status"], shown["attributes"]) == ("pending", {"sn": "1"})
        assert not shown["request_time"].startswith("2001")
        assert Device.objects.get().pk == "press-1"

    def test_of_a_repeated_member_the_last_counts(self, client: APIClient) -> None:
        body = b'{"device_identity": "{\\"a\\":\\"1\\"}", "key": "x", "key": "y"}'
        assert send(client, "PUT", "/devices/press-1", body).status_code == 204
        assert send(client, "GET", "/devices/press-1").json()["key"] == "y"

    def test_any_text_is_a_key_and_only_a_public_key_has_a_fingerprint(self, client: APIClient, pem: str) -> None:
        send(client, "PUT", "/devices/press-1", NEW)
        assert Device.objects.get().fingerprint == ""
        send(client, "PUT", "/devices/press-1", {**NEW, "key": pem})
        assert Device.objects.get().fingerprint == keys.read(pem).fingerprint

    def test_a_private_key_is_neither_stored_nor_logged(
        self, client: APIClient, mender_device: Callable[..., MenderDevice], caplog: pytest.LogCaptureFixture
    ) -> None:
        private = mender_device().private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        answer = send(client, "PUT", "/devices/press-1", {**NEW, "key": private})
        assert error(answer) == "'key' must be a public key"
        secret = private.splitlines()[1]
        assert secret not in caplog.text
        assert secret not in answer.content.decode()
        assert not Device.objects.exists()
        assert not AuditEvent.objects.filter(verb__startswith="device").exists()

    @pytest.mark.parametrize("before", [None, *STATES])
    def test_a_submission_creates_or_replaces_and_the_device_is_pending(
        self, client: APIClient, make_device: Callable[..., Device], pem: str, before: str | None
    ) -> None:
        if before:
            make_device(status=before, request_time=NOON, key=pem)
        assert send(client, "PUT", "/devices/press-1", NEW).status_code == 204
        device = Device.objects.select_related("introduction").get()
        assert device.status == "pending"
        assert device.request_time > NOON - timedelta(days=1)
        assert device.request_time != NOON
        assert device.introduction.text == NEW["device_identity"]
        assert device.introduction.members == {"sn": "1"}
        assert device.introduction.key == NEW["key"]
        assert device.identity_digest == identity.digest({"sn": "1"})
        row = AuditEvent.objects.get(verb="device.submitted")
        assert row.after["status"] == "pending"
        assert (row.before or {}).get("status") == before
        assert Outbox.objects.filter(topic="device.pending").count() == 1

    @pytest.mark.parametrize("before", ["accepted", "rejected", "preauthorized"])
    def test_a_submission_ends_every_token_of_the_device(
        self, client: APIClient, make_device: Callable[..., Device], pem: str, before: str
    ) -> None:
        device = make_device(status="accepted", key=pem)
        token = device_tokens.issue(device)
        Device.objects.update(status=before)
        send(client, "PUT", "/devices/press-1", {"device_identity": '{"serial":"press-1"}', "key": pem})
        send(client, "PUT", "/devices/press-1/status", {"status": "accepted"})
        assert Device.objects.get().is_admitted
        assert device_tokens.holder(token) is None

    def test_a_submission_closes_open_key_changes(
        self,
        client: APIClient,
        make_device: Callable[..., Device],
        mender_device: Callable[..., MenderDevice],
        root: Actor,
        pem: str,
    ) -> None:
        keychange.propose(make_device(status="accepted", key=pem), keys.read(mender_device().pem), by=root)
        send(client, "PUT", "/devices/press-1", NEW)
        assert KeyChangeRequest.objects.get().state == KeyChange.SUPERSEDED

    def test_a_submission_is_pending_also_where_devices_are_let_in(self, client: APIClient, settings: Any) -> None:
        settings.ENROLMENT = "auto"
        send(client, "PUT", "/devices/press-1", NEW)
        assert Device.objects.get().status == "pending"

    def test_two_ids_may_carry_one_identity(self, client: APIClient) -> None:
        for device_id in ("press-1", "press-2"):
            assert send(client, "PUT", f"/devices/{device_id}", NEW).status_code == 204
        assert len(set(Device.objects.values_list("identity_digest", flat=True))) == 1

    @pytest.mark.parametrize("status", STATES)
    @pytest.mark.parametrize("device_id", ["press-1", "press-2"])
    @pytest.mark.parametrize("text", ['{"a":"1","b":"2"}', '{ "b" : "2", "a" : "\\u0031" }'])
    def test_a_denied_id_or_identity_in_any_spelling_is_refused(
        self, client: APIClient, make_device: Callable[..., Device], status: str, device_id: str, text: str
    ) -> None:
        make_device("press-1", members={"b": "2", "a": "1"}, status=status, denied_at=NOON)
        make_device("press-2", members={"c": "3"}, status="accepted")
        before = list(Device.objects.order_by("pk").values())
        answer = send(client, "PUT", f"/devices/{device_id}", {"device_identity": text, "key": "k"})
        assert answer.status_code == 409
        assert error(answer) == "device is on the denied list"
        assert list(Device.objects.order_by("pk").values()) == before

    def test_an_identity_whose_digest_is_a_denied_id_is_refused(
        self, client: APIClient, make_device: Callable[..., Device]
    ) -> None:
        make_device(identity.digest({"sn": "1"}), members={}, denied_at=NOON)
        assert send(client, "PUT", "/devices/press-2", NEW).status_code == 409


# What follows a decision: (status before, decision) to the answer's status and its body or words.
DECISIONS = {
    ("pending", "accepted"): (200, {"status": "accepted"}),
    ("pending", "rejected"): (200, {"status": "rejected"}),
    ("accepted", "accepted"): (200, {"status": "accepted"}),
    ("accepted", "rejected"): (200, {"status": "rejected"}),
    ("rejected", "accepted"): (200, {"status": "accepted"}),
    ("rejected", "rejected"): (200, {"status": "rejected"}),
    ("preauthorized", "accepted"): (400, "cannot change status from preauthorized to accepted"),
    ("preauthorized", "rejected"): (400, "cannot change status from preauthorized to rejected"),
}


class TestDecide:
    @pytest.mark.parametrize(("before", "decision"), DECISIONS)
    def test_each_decision_on_each_status(
        self, client: APIClient, make_device: Callable[..., Device], before: str, decision: str
    ) -> None:
        make_device(status=before)
        status, expected = DECISIONS[before, decision]
        answer = send(client, "PUT", "/devices/press-1/status", {"status": decision})
        assert answer.status_code == status
        if status == 200:
            assert answer.json() == expected
            assert Device.objects.get().status == decision
        else:
            assert error(answer) == expected
            assert Device.objects.get().status == before
        changed = status == 200 and before != decision
        assert AuditEvent.objects.filter(verb=f"device.{decision}").count() == changed
        assert Outbox.objects.filter(topic=f"device.{decision}").count() == changed
        assert Device.objects.get().revision == 1 + changed

    @pytest.mark.parametrize("status", STATES)
    @pytest.mark.parametrize("decision", ["accepted", "rejected"])
    def test_nothing_is_decided_about_a_denied_device(
        self, client: APIClient, make_device: Callable[..., Device], status: str, decision: str
    ) -> None:
        make_device(status=status, denied_at=NOON)
        answer = send(client, "PUT", "/devices/press-1/status", {"status": decision})
        assert answer.status_code == 409
        assert error(answer) == "device is on the denied list"

    @pytest.mark.parametrize("body", BROKEN)
    def test_a_body_that_is_no_object_is_a_400(
        self, client: APIClient, make_device: Callable[..., Device], body: bytes
    ) -> None:
        make_device()
        answer = send(client, "PUT", "/devices/press-1/status", body)
        assert answer.status_code == 400
        assert error(answer).startswith("failed to decode status data: ")

    @pytest.mark.parametrize("known", [True, False])
    def test_an_empty_body_is_a_400(
        self, client: APIClient, make_device: Callable[..., Device], db: None, known: bool
    ) -> None:
        if known:
            make_device()
        answer = send(client, "PUT", "/devices/press-1/status")
        assert answer.status_code == 400
        assert error(answer) == "failed to decode status data: JSON payload is empty"

    @pytest.mark.parametrize(
        "body",
        [
            {}, {"status": None}, {"status": ""}, {"status": "pending"}, {"status": "preauthorized"},
            {"status": "denied"}, {"status": "Accepted"}, {"status": "accepted "}, {"status": 1}, {"status": True},
            {"status": ["accepted"]}, {"status": {"accepted": 1}}, {"Status": "accepted"},
        ],
    )  # fmt: skip
    def test_another_value_is_a_400_also_for_an_unknown_device(
        self, client: APIClient, make_device: Callable[..., Device], body: dict[str, Any]
    ) -> None:
        make_device("press-1", status="pending")
        make_device("press-2", status="accepted", denied_at=NOON)
        for device_id in ("press-1", "press-2", "nobody", "a~b"):
            answer = send(client, "PUT", f"/devices/{device_id}/status", body)
            assert answer.status_code == 400
            assert error(answer) == "incorrect device status"
        assert Device.objects.get(pk="press-1").status == "pending"

    def test_an_unknown_device_is_a_404(self, client: APIClient) -> None:
        answer = send(client, "PUT", "/devices/nobody/status", {"status": "accepted"})
        assert answer.status_code == 404
        assert error(answer) == "not found"

    def test_rejecting_ends_the_tokens_of_the_device(
        self, client: APIClient, make_device: Callable[..., Device], pem: str
    ) -> None:
        token = device_tokens.issue(make_device(status="accepted", key=pem))
        send(client, "PUT", "/devices/press-1/status", {"status": "accepted"})
        assert device_tokens.holder(token) is not None
        send(client, "PUT", "/devices/press-1/status", {"status": "rejected"})
        send(client, "PUT", "/devices/press-1/status", {"status": "accepted"})
        assert device_tokens.holder(token) is None


class TestDecidedMeanwhile:
    """Somebody else changes the device between the reading and the writing of a decision."""

    @pytest.fixture
    def meanwhile(self, monkeypatch: pytest.MonkeyPatch, root: Actor) -> Callable[[Callable[[Device], None]], None]:
        decide = admission.decide

        def arrange(change: Callable[[Device], None]) -> None:
            def late(device: Device, *args: Any, **facts: Any) -> None:
                change(Device.objects.get(pk=device.pk))
                decide(device, *args, **facts)

            monkeypatch.setattr(admission, "decide", late)

        self.decide = decide
        return arrange

    def test_the_same_decision_is_agreed_with(
        self, client: APIClient, make_device: Callable[..., Device], meanwhile: Any, root: Actor
    ) -> None:
        make_device()
        meanwhile(lambda device: self.decide(device, Status.ACCEPTED, by=root))
        answer = send(client, "PUT", "/devices/press-1/status", {"status": "accepted"})
        assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})
        assert AuditEvent.objects.filter(verb="device.accepted").count() == 1

    def test_another_decision_is_a_409_that_names_who_was_first(
        self, client: APIClient, make_device: Callable[..., Device], meanwhile: Any, root: Actor
    ) -> None:
        make_device()
        meanwhile(lambda device: self.decide(device, Status.REJECTED, by=root))
        answer = send(client, "PUT", "/devices/press-1/status", {"status": "accepted"})
        assert answer.status_code == 409
        assert "it is rejected, by command test at" in error(answer)

    def test_a_denial_is_a_409_and_a_purge_a_404(
        self, client: APIClient, make_device: Callable[..., Device], meanwhile: Any, root: Actor
    ) -> None:
        make_device()
        meanwhile(lambda device: denial.deny(device, by=root))
        answer = send(client, "PUT", "/devices/press-1/status", {"status": "accepted"})
        assert (answer.status_code, error(answer)) == (409, "device is on the denied list")
        make_device("press-2")
        meanwhile(lambda device: denial.purge(device, by=root))
        answer = send(client, "PUT", "/devices/press-2/status", {"status": "accepted"})
        assert (answer.status_code, error(answer)) == (404, "not found")


class TestPreauthorize:
    def test_a_device_that_is_expected_has_the_digest_of_its_identity_as_id(self, client: APIClient, pem: str) -> None:
        answer = send(client, "POST", "/devices", {**new(sn="SN1234567890", mac="00:01:02:03:04:05"), "key": pem})
        digest = "44c073bc6ae52c426be853e8c63fb3dbd74a5581a86e3c62bde74fdc9b73c15e"
        assert (answer.status_code, answer.content) == (201, b"")
        assert answer["Location"] == f"devices/{digest}"
        assert send(client, "GET", f"/devices/{digest}").json()["status"] == "preauthorized"
        assert AuditEvent.objects.filter(verb="device.preauthorized").count() == 1

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"", "EOF"),
            ({}, "device_identity: non zero value required"),
            ({"device_identity": None, "key": ""}, "device_identity: non zero value required"),
            ({"device_identity": "{}"}, "key: non zero value required"),
            ({"device_identity": "x", "key": ""}, "key: non zero value required"),
            ({"device_identity": "{}", "key": "k"}, "no attributes provided"),
            ({"device_identity": json.dumps({"a": "x" * 8192}), "key": "k"}, "'device_identity' is too long"),
            ({**NEW, "key": "x" * 16_385}, "'key' is too long"),
            ({**NEW, "key": "-----BEGIN PRIVATE KEY-----"}, "'key' must be a public key"),
            ({**NEW, "key": "any text"}, "cannot decode public key"),
        ],
    )
    def test_the_first_fault_of_a_body_answers(self, client: APIClient, body: Any, words: str) -> None:
        answer = send(client, "POST", "/devices", body)
        assert answer.status_code == 400
        assert error(answer) == words
        assert not Device.objects.exists()

    @pytest.mark.parametrize("body", BROKEN)
    def test_a_body_that_is_no_object_is_a_400(self, client: APIClient, body: bytes) -> None:
        answer = send(client, "POST", "/devices", body)
        assert answer.status_code == 400
        assert error(answer).startswith("failed to decode request body: ")

    def test_an_identity_that_is_none_is_a_400(self, client: APIClient, pem: str) -> None:
        answer = send(client, "POST", "/devices", {"device_identity": "[]", "key": pem})
        assert error(answer).startswith("failed to decode attributes data: ")

    @pytest.mark.parametrize("status", STATES)
    @pytest.mark.parametrize("by_id", [True, False])
    def test_a_known_device_is_a_409_in_any_spelling(
        self, client: APIClient, make_device: Callable[..., Device], pem: str, status: str, by_id: bool
    ) -> None:
        members = {"a": "1", "b": "2"}
        if by_id:
            make_device(identity.digest(members), members={}, status=status)
        else:
            make_device("press-1", members=members, status=status)
        answer = send(client, "POST", "/devices", {"device_identity": ' {"b": "2", "a": "\\u0031"}', "key": pem})
        assert answer.status_code == 409
        assert error(answer) == "device already exists"
        Device.objects.update(denied_at=NOON, denied_by="ada")
        answer = send(client, "POST", "/devices", {"device_identity": ' {"b": "2", "a": "\\u0031"}', "key": pem})
        assert answer.status_code == 409
        assert error(answer) == "device is on the denied list"
        assert Device.objects.count() == 1


class TestDelete:
    @pytest.mark.parametrize("status", STATES)
    def test_deleting_denies_for_good(
        self, client: APIClient, make_device: Callable[..., Device], pem: str, status: str
    ) -> None:
        device = make_device(status=status, key=pem)
        Inventory.objects.create(device=device)
        answer = send(client, "DELETE", "/devices/press-1")
        assert (answer.status_code, answer.content) == (204, b"")
        device = Device.objects.get()
        assert (device.is_denied, device.status, device.fingerprint) == (True, status, keys.read(pem).fingerprint)
        assert not Inventory.objects.exists()
        assert AuditEvent.objects.filter(verb="device.denied").count() == 1

    def test_deleting_what_is_absent_or_denied_changes_nothing(
        self, client: APIClient, make_device: Callable[..., Device]
    ) -> None:
        make_device(denied_at=NOON)
        for device_id in ("press-1", "nobody"):
            assert send(client, "DELETE", f"/devices/{device_id}").status_code == 204
        assert Device.objects.get().denied_at == NOON
        assert not AuditEvent.objects.filter(verb="device.denied").exists()

    @pytest.mark.parametrize("status", STATES)
    def test_a_denied_device_is_no_part_of_admission(
        self, client: APIClient, make_device: Callable[..., Device], pem: str, status: str
    ) -> None:
        make_device(status=status, denied_at=NOON)
        stored = Device.objects.values().get()
        members = {"device_identity": '{"serial":"press-1"}', "key": pem}
        statuses = {
            (method, path): send(client, method, path, body).status_code
            for method, path, body in [
                ("GET", "/devices/press-1", b""),
                ("GET", "/devices/press-1/status", b""),
                ("PUT", "/devices/press-1", NEW),
                ("PUT", "/devices/press-1/status", {"status": "accepted"}),
                ("PUT", "/devices/press-1/status", {"status": "rejected"}),
                ("POST", "/devices", members),
                ("DELETE", "/devices/press-1", b""),
            ]
        }
        assert statuses == {
            ("GET", "/devices/press-1"): 404,
            ("GET", "/devices/press-1/status"): 404,
            ("PUT", "/devices/press-1"): 409,
            ("PUT", "/devices/press-1/status"): 409,
            ("POST", "/devices"): 409,
            ("DELETE", "/devices/press-1"): 204,
        }
        assert send(client, "GET", "/devices").json() == []
        assert Device.objects.values().get() == stored


@pytest.mark.django_db(transaction=True)
class TestRaces:
    @pytest.mark.parametrize("turn", range(4))
    def test_two_submissions_of_a_new_id_at_once_both_succeed_and_leave_one_record(
        self, client: APIClient, at_once: Callable[..., list[Any]], turn: int
    ) -> None:
        bodies = [new(sn=str(n)) for n in range(2)]
        outcomes = at_once(*(lambda n=n: send(client, "PUT", "/devices/press-1", bodies[n]) for n in range(2)))
        assert [answer.status_code for answer in outcomes] == [204, 204]
        device = Device.objects.get()
        last = AuditEvent.objects.filter(verb="device.submitted").latest("number")
        assert device.introduction.text == last.after["identity"]
        assert device.identity_digest == identity.digest(device.introduction.members)
        assert AuditEvent.objects.filter(verb="device.submitted").count() == 2
        assert audit.verify().holds

    @pytest.mark.parametrize("turn", range(4))
    def test_of_two_preauthorizations_at_once_one_is_told_of_the_other(
        self, client: APIClient, at_once: Callable[..., list[Any]], pem: str, turn: int
    ) -> None:
        body = {**NEW, "key": pem}
        outcomes = at_once(*(lambda: send(client, "POST", "/devices", body) for _ in range(2)))
        assert sorted(answer.status_code for answer in outcomes) == [201, 409]

    @pytest.mark.parametrize("turn", range(4))
    def test_a_deletion_is_never_refused_because_of_a_decision_at_once(
        self, client: APIClient, make_device: Callable[..., Device], at_once: Callable[..., list[Any]], turn: int
    ) -> None:
        make_device()
        deleted, decided = at_once(
            lambda: send(client, "DELETE", "/devices/press-1"),
            lambda: send(client, "PUT", "/devices/press-1/status", {"status": "accepted"}),
        )
        assert deleted.status_code == 204
        assert decided.status_code in (200, 409)
        assert Device.objects.get().is_denied


@given(body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(max_examples=many(80))
@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/devices/press-1"), ("PUT", "/devices/press-1/status"), ("POST", "/devices")]
)
def test_no_bytes_as_a_body_are_a_fault_of_ours(client: APIClient, method: str, path: str, body: bytes) -> None:
    answer = send(client, method, path, body)
    assert 400 <= answer.status_code < 500
    error(answer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(identity_text=st.dictionaries(st.text(), JSON).map(json.dumps) | st.text(), key=st.text())
@settings(max_examples=many(80))
def test_what_is_stored_comes_back_exactly_as_it_was_sent(client: APIClient, identity_text: str, key: str) -> None:
    answer = send(client, "PUT", "/devices/press-1", {"device_identity": identity_text, "key": key})
    if answer.status_code == 204:
        shown = send(client, "GET", "/devices/press-1").json()
        assert (shown["device_identity"], shown["key"]) == (identity_text, key)
        assert shown["attributes"] == json.loads(identity_text)
    else:
        assert answer.status_code == 400
        error(answer)


@given(path=st.text(max_size=60))
@settings(max_examples=many(80))
def test_no_path_is_a_fault_of_ours(client: APIClient, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = client.generic(method, "/api/management/v1/admission/devices/" + quote(path, errors="surrogatepass"))
        assert answer.status_code < 500
        if answer.status_code >= 400:
            error(answer)
