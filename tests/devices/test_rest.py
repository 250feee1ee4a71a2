"""Devices over REST: the same yes and the same no as in the rules, in JSON."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from devices import identity
from devices.models import Device, Introduction
from portal.models import AuditEvent
from portal.scopes import Scope
from tests.conftest import MenderDevice

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
DEVICES, DENIED = "/api/v1/devices", "/api/v1/denied-devices"


@pytest.fixture
def client(rest: Callable[..., APIClient]) -> APIClient:
    return rest(Scope.DEVICES_READ, Scope.DEVICES_ADMIT, Scope.DEVICES_DELETE)


def test_a_device_is_shown_as_it_was_introduced(client: APIClient, make_device: Callable[..., Device]) -> None:
    make_device("press-1", {"serial": "7", "mac": "00:01"})
    body = client.get(f"{DEVICES}/press-1").json()
    assert set(body) == {
        "id", "status", "denied", "identity", "identity_text", "key", "fingerprint", "request_time", "last_seen",
        "decided_at", "decided_by", "denied_at", "denied_by", "denied_reason", "revision",
    }  # fmt: skip
    assert (body["id"], body["status"], body["denied"], body["identity"]) == (
        "press-1",
        "pending",
        False,
        {"serial": "7", "mac": "00:01"},
    )
    assert body["request_time"].endswith("Z")


def test_the_lists_part_the_denied_from_the_others(client: APIClient, make_device: Callable[..., Device]) -> None:
    make_device("b")
    make_device("a", status="accepted")
    make_device("c", status="accepted", denied_at=NOON)

    def ids(path: str) -> list[str]:
        return [device["id"] for device in client.get(path).json()["results"]]

    assert ids(DEVICES) == ["a", "b"]
    assert ids(f"{DEVICES}?status=accepted") == ["a"]
    assert ids(f"{DEVICES}?status=preauthorized") == []
    assert ids(DENIED) == ["c"]


@pytest.mark.parametrize(
    ("before", "verb", "status", "code", "after"),
    [
        ("pending", "accept", 200, None, "accepted"),
        ("pending", "reject", 200, None, "rejected"),
        ("accepted", "reject", 200, None, "rejected"),
        ("rejected", "accept", 200, None, "accepted"),
        ("accepted", "accept", 409, "admission_not_possible", "accepted"),
        ("rejected", "reject", 409, "admission_not_possible", "rejected"),
        ("preauthorized", "accept", 409, "admission_not_possible", "preauthorized"),
        ("preauthorized", "reject", 409, "admission_not_possible", "preauthorized"),
    ],
)
def test_a_decision_is_made_or_refused_as_in_the_table(
    client: APIClient,
    make_device: Callable[..., Device],
    before: str,
    verb: str,
    status: int,
    code: str | None,
    after: str,
) -> None:
    make_device(status=before)
    answer = client.post(f"{DEVICES}/press-1/{verb}", {"reason": "as ordered"}, format="json")
    assert (answer.status_code, answer.json().get("code")) == (status, code)
    assert Device.objects.get().status == after
    if status == 200:
        assert answer.json()["decided_by"] == "token test"
        row = AuditEvent.objects.get(subject_kind="device")
        assert (row.reason, row.actor, row.request_id) == ("as ordered", "test", answer["X-Request-Id"])


def test_deny_restore_and_purge_one_after_the_other(client: APIClient, make_device: Callable[..., Device]) -> None:
    make_device(status="accepted")
    denied = client.post(f"{DEVICES}/press-1/deny", {"reason": "stolen"}, format="json")
    assert (denied.status_code, denied.json()["denied"], denied.json()["denied_reason"]) == (200, True, "stolen")
    assert client.get(f"{DENIED}/press-1").json()["denied_by"] == "token test"
    again = client.post(f"{DEVICES}/press-1/deny")
    assert (again.status_code, again.json()["code"]) == (409, "device_denied")
    accepted = client.post(f"{DEVICES}/press-1/accept")
    assert (accepted.status_code, accepted.json()["code"]) == (409, "device_denied")
    restored = client.post(f"{DENIED}/press-1/restore")
    assert (restored.status_code, restored.json()["denied"], restored.json()["status"]) == (200, False, "accepted")
    assert client.post(f"{DENIED}/press-1/restore").status_code == 404
    purged = client.post(f"{DEVICES}/press-1/purge")
    assert (purged.status_code, purged.content) == (204, b"")
    assert client.get(f"{DEVICES}/press-1").json()["code"] == "device_not_found"
    assert client.post(f"{DEVICES}/press-1/purge").status_code == 404


class TestDelete:
    def test_of_a_device_denies_it_and_of_a_denied_one_restores_it(
        self, client: APIClient, make_device: Callable[..., Device]
    ) -> None:
        make_device(status="accepted")
        denied = client.delete(f"{DEVICES}/press-1")
        assert (denied.status_code, denied.content) == (204, b"")
        assert client.get(f"{DENIED}/press-1").json()["denied_by"] == "token test"
        again = client.delete(f"{DEVICES}/press-1")
        assert (again.status_code, again.json()["code"]) == (409, "device_denied")
        restored = client.delete(f"{DENIED}/press-1", {}, format="json")
        assert (restored.status_code, restored.content) == (204, b"")
        assert client.get(f"{DEVICES}/press-1").json()["status"] == "accepted"
        assert client.delete(f"{DENIED}/press-1").json()["code"] == "not_on_denied_list"
        assert client.delete(f"{DEVICES}/press-2").json()["code"] == "device_not_found"
        verbs = AuditEvent.objects.filter(subject_kind="device").order_by("number").values_list("verb", flat=True)
        assert list(verbs) == ["device.denied", "device.restored"]

    def test_happens_only_to_what_the_caller_has_seen(
        self, client: APIClient, make_device: Callable[..., Device]
    ) -> None:
        make_device()
        seen = client.get(f"{DEVICES}/press-1")["ETag"]
        client.post(f"{DEVICES}/press-1/accept")
        late = client.delete(f"{DEVICES}/press-1", headers={"If-Match": seen})
        assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
        seen = client.get(f"{DEVICES}/press-1")["ETag"]
        assert client.delete(f"{DEVICES}/press-1", headers={"If-Match": seen}).status_code == 204
        assert client.delete(f"{DENIED}/press-1", headers={"If-Match": seen}).status_code == 412

    @pytest.mark.parametrize("body", [b'{"reason": "stolen"}', b"[]", b"null", b"{"])
    def test_takes_no_body_so_that_no_reason_is_lost(
        self, client: APIClient, make_device: Callable[..., Device], body: bytes
    ) -> None:
        make_device()
        answer = client.generic("DELETE", f"{DEVICES}/press-1", body, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        assert not Device.objects.get().is_denied


class TestPreauthorize:
    TEXT = ' {"serial": "7"}\n'

    def wanted(self, machine: MenderDevice, **other: Any) -> dict[str, Any]:
        return {"identity": self.TEXT, "key": machine.pem, **other}

    def test_creates_the_device_with_what_was_sent_as_it_was_sent(
        self, client: APIClient, mender_device: Callable[..., MenderDevice]
    ) -> None:
        machine = mender_device()
        answer = client.post(DEVICES, self.wanted(machine), format="json")
        body = answer.json()
        assert (answer.status_code, body["status"]) == (201, "preauthorized")
        assert answer["Location"] == f"{DEVICES}/{identity.digest({'serial': '7'})}"
        assert (body["identity_text"], body["key"]) == (self.TEXT, machine.pem)
        assert client.get(answer["Location"]).json() == body

    def test_a_device_without_an_identity_is_expected_by_its_id(
        self, client: APIClient, mender_device: Callable[..., MenderDevice]
    ) -> None:
        pem = mender_device().pem
        answer = client.post(DEVICES, {"id": "press-1", "key": pem}, format="json")
        body = answer.json()
        assert (answer.status_code, answer["Location"], answer["ETag"]) == (201, f"{DEVICES}/press-1", '"1"')
        assert (body["id"], body["status"], body["identity"], body["key"]) == ("press-1", "preauthorized", {}, pem)
        again = client.post(DEVICES, {"id": "press-1", "key": pem}, format="json")
        assert (again.status_code, again.json()["code"]) == (409, "device_exists")
        assert again.json()["error"].startswith("press-1 is preauthorized already")

    @pytest.mark.parametrize("named", [{}, {"id": "press-1", "identity": TEXT}])
    def test_identity_or_id_one_of_them_is_needed(
        self, client: APIClient, mender_device: Callable[..., MenderDevice], named: dict[str, str]
    ) -> None:
        answer = client.post(DEVICES, {**named, "key": mender_device().pem}, format="json")
        assert (answer.status_code, list(answer.json()["invalid"])) == (400, ["identity"])
        assert not Device.objects.exists()

    @pytest.mark.parametrize("device_id", ["", "a b", "é", "a/b", "a.b", "x" * 129, "a\n", "\u202e", None, 7])
    def test_an_id_that_none_can_be_is_named(
        self, client: APIClient, mender_device: Callable[..., MenderDevice], device_id: Any
    ) -> None:
        answer = client.post(DEVICES, {"id": device_id, "key": mender_device().pem}, format="json")
        assert (answer.status_code, list(answer.json()["invalid"])) == (400, ["id"])
        assert not Device.objects.exists()

    def test_is_refused_for_an_identity_that_is_known_or_denied_in_any_spelling(
        self, client: APIClient, mender_device: Callable[..., MenderDevice], make_device: Callable[..., Device]
    ) -> None:
        make_device("press-1", {"serial": "7"})
        known = client.post(DEVICES, self.wanted(mender_device(), identity='{"serial":"\\u0037"}'), format="json")
        assert (known.status_code, known.json()["code"]) == (409, "device_exists")
        Device.objects.update(denied_at=NOON, denied_by="ada")
        denied = client.post(DEVICES, self.wanted(mender_device()), format="json")
        assert (denied.status_code, denied.json()["code"]) == (409, "device_denied")
        assert Device.objects.count() == 1

    @pytest.mark.parametrize(
        ("member", "value"),
        [
            ("identity", ""),
            ("identity", "{}"),
            ("identity", "null"),
            ("identity", "[]"),
            ("identity", "serial 7"),
            ("identity", '{"a": 1}'),
            ("identity", '{"a": "1", "a": "2"}'),
            ("identity", '{"a": ["1"]}'),
            ("identity", '{"a": "\\u0000"}'),
            ("identity", '{"a": "\\u202e"}'),
            ("identity", '{"a": "\\ud800"}'),
            ("identity", '{"a":' * 40 + "1" + "}" * 40),
            ("identity", json.dumps({"a": "x" * 8192})),
            ("identity", json.dumps({"a": "é" * 4100}, ensure_ascii=False)),
            ("identity", {"serial": "7"}),
            ("identity", 7),
            ("key", ""),
            ("key", "no key"),
            ("key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"),
            ("key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"),
            ("key", "x" * 16385),
            ("key", None),
            ("status", "accepted"),
        ],
    )
    def test_a_wrong_member_is_named_and_nothing_stored(
        self, client: APIClient, mender_device: Callable[..., MenderDevice], member: str, value: Any
    ) -> None:
        answer = client.post(DEVICES, self.wanted(mender_device(), **{member: value}), format="json")
        assert answer.status_code == 400
        assert list(answer.json()["invalid"]) == [member]
        assert not Device.objects.exists()
        assert not Introduction.objects.exists()

    def test_a_private_key_that_was_pasted_by_mistake_is_not_repeated(
        self, client: APIClient, mender_device: Callable[..., MenderDevice], caplog: pytest.LogCaptureFixture
    ) -> None:
        pasted = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtL\n-----END EC PRIVATE KEY-----"
        answer = client.post(DEVICES, self.wanted(mender_device(), key=pasted), format="json")
        assert answer.status_code == 400
        assert "MHcCAQEE" not in answer.content.decode() + caplog.text
