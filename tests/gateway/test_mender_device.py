"""The conversations of a device that runs mender-client 3.4: it proves its key, waits, gets a token and reports."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from django.db import OperationalError
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from devices import admission, arrival, counts, denial, identity, introduction, keychange, keys
from devices.models import Device, Inventory, KeyChangeRequest, Status
from portal.actor import Actor
from portal.models import AuditEvent
from portal.scopes import Scope
from tests.amount import many
from tests.conftest import MenderDevice
from tests.gateway.test_mender_admission import NOON, STATES, error
from tokens import device_tokens

AUTH = "/api/devices/v1/authentication/auth_requests"
INVENTORY = "/api/devices/v1/inventory/device/attributes"
NEXT_V1 = "/api/devices/v1/deployments/device/deployments/next"
NEXT_V2 = "/api/devices/v2/deployments/device/deployments/next"
STATUS = "/api/devices/v1/deployments/device/deployments/3d2f/status"
LOG = "/api/devices/v1/deployments/device/deployments/3d2f/log"

MEMBERS = {"mac": "00:01:02:03:04:05", "sn": "SN1234567890"}
DIGEST = "44c073bc6ae52c426be853e8c63fb3dbd74a5581a86e3c62bde74fdc9b73c15e"
UNAUTHORIZED = "dev auth: unauthorized"


@pytest.fixture
def machine(db: None, mender_device: Callable[..., MenderDevice]) -> MenderDevice:
    return mender_device(**MEMBERS)


def ask(machine: MenderDevice, **headers: str) -> Any:
    body, signed = machine.request()
    return APIClient().generic("POST", AUTH, body, headers={**signed, **headers})


def post(machine: MenderDevice, body: bytes, **headers: str) -> Any:
    """An auth request with any body, signed as it is."""
    signature = base64.b64encode(machine.private.sign(body)).decode()
    return APIClient().generic("POST", AUTH, body, headers={"X-MEN-Signature": signature, **headers})


def body_of(machine: MenderDevice, **changed: Any) -> bytes:
    sent = {"id_data": json.dumps(machine.members), "tenant_token": "", "pubkey": machine.pem, **changed}
    return json.dumps({name: value for name, value in sent.items() if value is not ...}).encode()


def refused(answer: Any, status: int, words: str) -> None:
    assert answer.status_code == status
    assert error(answer) == words
    if status == 401:
        assert answer["WWW-Authenticate"] == 'Bearer realm="gatehouse"'


def accept(root: Actor) -> None:
    admission.decide(Device.objects.get(), Status.ACCEPTED, by=root)


class TestAuthRequests:
    def test_a_device_waits_until_it_is_accepted_and_then_gets_a_token(
        self, machine: MenderDevice, root: Actor
    ) -> None:
        refused(ask(machine), 401, UNAUTHORIZED)
        device = Device.objects.get()
        assert (device.pk, device.status) == (DIGEST, "pending")
        accept(root)
        answer = ask(machine)
        assert answer.status_code == 200
        assert answer["Content-Type"] == "application/jwt"
        assert answer["X-MEN-RequestID"]
        assert not answer.content.endswith(b"\n")
        assert device_tokens.holder(answer.content.decode()) == device

    def test_the_token_lives_an_hour_and_says_that_it_is_a_devices(self, machine: MenderDevice, root: Actor) -> None:
        ask(machine)
        accept(root)
        payload = ask(machine).content.decode().split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
        assert claims["exp"] - claims["iat"] == 3600
        assert (claims["aud"], claims["sub"], claims["mender.device"]) == ("mender-device", DIGEST, True)
        assert {"iss", "jti"} <= set(claims)
        assert "scope" not in claims

    def test_what_does_not_matter_is_ignored(self, machine: MenderDevice) -> None:
        body = body_of(machine, seq_no=5, tier="standard", tenant_token="x")
        for headers in (
            {},
            {"Authorization": "Bearer "},
            {"Authorization": "nonsense"},
            {"Content-Type": "text/plain"},
        ):
            refused(post(machine, body, **headers), 401, UNAUTHORIZED)
        assert Device.objects.get().status == "pending"

    def test_the_signature_covers_the_bytes_as_received(self, machine: MenderDevice) -> None:
        body, headers = machine.request()
        assert body.endswith(b"\n")
        for other in (body[:-1], body + b"\n", body.replace(b": ", b":", 1)):
            refused(APIClient().generic("POST", AUTH, other, headers=headers), 401, "signature verification failed")
        assert not Device.objects.exists()

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"id_data": ...}, "invalid auth request: id_data must be provided"),
            ({"id_data": None}, "invalid auth request: id_data must be provided"),
            ({"id_data": ""}, "invalid auth request: id_data must be provided"),
            ({"id_data": {"mac": "x"}}, "invalid auth request: id_data must be provided"),
            ({"id_data": 5, "pubkey": 5}, "invalid auth request: id_data must be provided"),
            ({"pubkey": ...}, "invalid auth request: pubkey must be provided"),
            ({"pubkey": None}, "invalid auth request: pubkey must be provided"),
            ({"pubkey": "", "id_data": "x"}, "invalid auth request: pubkey must be provided"),
            ({"pubkey": ["x"]}, "invalid auth request: pubkey must be provided"),
            ({"pubkey": "x", "id_data": "x"}, "invalid auth request: cannot decode public key"),
            ({"pubkey": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"},
             "invalid auth request: cannot decode public key"),
        ],
    )  # fmt: skip
    def test_the_first_fault_of_a_body_answers(
        self, machine: MenderDevice, changed: dict[str, Any], words: str
    ) -> None:
        refused(post(machine, body_of(machine, **changed)), 400, words)
        assert not Device.objects.exists()

    @pytest.mark.parametrize(
        "id_data",
        [
            "x", "[]", '"x"', "5", "null", "{}", '{"a": 5}', '{"a": null}', '{"a": {"b": "c"}}', '{"a": [5]}',
            '{"a": [["b"]]}', '{"a": "b", "a": "b"}', '{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"a": "\\u202e"}',
            json.dumps({"a": "x" * 8192}),
        ],
    )  # fmt: skip
    def test_an_identity_that_is_none_is_a_400(self, machine: MenderDevice, id_data: str) -> None:
        answer = post(machine, body_of(machine, id_data=id_data))
        assert answer.status_code == 400
        assert error(answer).startswith("invalid auth request: ")
        assert not Device.objects.exists()

    @pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"\xff", b" ", b'{"a": NaN}', b'"x"'])
    def test_a_body_that_is_no_object_is_a_400(self, machine: MenderDevice, body: bytes) -> None:
        answer = post(machine, body)
        assert answer.status_code == 400
        assert error(answer).startswith("failed to decode auth request: ")

    def test_an_empty_body_is_a_400(self, machine: MenderDevice) -> None:
        refused(post(machine, b""), 400, "failed to decode auth request: unexpected end of JSON input")

    def test_a_body_of_65536_bytes_is_read_and_one_more_is_a_413(self, machine: MenderDevice) -> None:
        refused(post(machine, body_of(machine).ljust(65_536)), 401, UNAUTHORIZED)
        refused(post(machine, body_of(machine).ljust(65_537)), 413, "request body is too large")

    def test_a_body_of_unknown_length_is_a_411(self, machine: MenderDevice) -> None:
        refused(post(machine, b"", **{"Transfer-Encoding": "chunked"}), 411, "length required")

    def test_a_request_without_a_signature_is_a_400_after_its_body_was_judged(self, machine: MenderDevice) -> None:
        client = APIClient()
        refused(client.generic("POST", AUTH, body_of(machine)), 400, "missing request signature header")
        unsigned = client.generic("POST", AUTH, body_of(machine, id_data="{}"))
        assert error(unsigned).startswith("invalid auth request: ")

    @pytest.mark.parametrize("signature", ["", "x", "é", "====", "AAAA", "A" * 88, "not base64!", "-_-_", " ", "AA AA"])
    def test_a_signature_that_is_none_is_a_401(self, machine: MenderDevice, signature: str) -> None:
        answer = post(machine, body_of(machine), **{"X-MEN-Signature": signature})
        refused(answer, 401, "signature verification failed")
        assert not Device.objects.exists()

    @pytest.mark.parametrize("spoiled", ["{}==", "{}=", "={}", "{} ", "{}\t", "nonzero bits", "no padding"])
    def test_a_signature_in_no_usual_base64_is_a_401(self, machine: MenderDevice, spoiled: str) -> None:
        body, headers = machine.request()
        signature = headers["X-MEN-Signature"]
        assert signature.endswith("==")  # 64 bytes are 85 letters and a third of one.
        bare = signature.rstrip("=")
        alike = bare[:-1] + chr(ord(bare[-1]) + 1) + "=="
        others = {"nonzero bits": alike, "no padding": bare}
        answer = post(machine, body, **{"X-MEN-Signature": others.get(spoiled) or spoiled.format(signature)})
        refused(answer, 401, "signature verification failed")

    def test_a_signature_of_another_key_is_a_401(
        self, machine: MenderDevice, mender_device: Callable[..., MenderDevice]
    ) -> None:
        refused(post(mender_device(), body_of(machine)), 401, "signature verification failed")
        assert not Device.objects.exists()

    @pytest.mark.parametrize("scheme", ["rsa", "p256", "p384", "p521", "ed25519"])
    def test_every_kind_of_key_proves_itself(self, db: None, settings: Any, scheme: str) -> None:
        settings.ENROLMENT = "auto"
        private: Any = {
            "rsa": lambda: rsa.generate_private_key(65537, 3072),
            "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
            "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
            "ed25519": Ed25519PrivateKey.generate,
        }[scheme]()
        pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        body = json.dumps({"id_data": json.dumps(MEMBERS), "pubkey": pem}).encode() + b"\n"
        signature = {
            "rsa": lambda: private.sign(body, padding.PKCS1v15(), SHA256()),
            "ed25519": lambda: private.sign(body),
        }.get(scheme, lambda: private.sign(body, ec.ECDSA(SHA256())))()
        headers = {"X-MEN-Signature": base64.b64encode(signature).decode()}
        assert APIClient().generic("POST", AUTH, body, headers=headers).status_code == 200
        broken = {"X-MEN-Signature": base64.b64encode(signature[:-1] + bytes([signature[-1] ^ 1])).decode()}
        refused(APIClient().generic("POST", AUTH, body, headers=broken), 401, "signature verification failed")

    @pytest.mark.parametrize("state", [*STATES, "denied", "another key"])
    def test_who_is_not_let_in_learns_nothing_about_why(
        self, machine: MenderDevice, mender_device: Callable[..., MenderDevice], state: str
    ) -> None:
        ask(machine)
        other = mender_device(**MEMBERS)
        if state == "denied":
            Device.objects.update(status="accepted", denied_at=NOON, denied_by="ada")
        elif state != "another key":
            Device.objects.update(status=state)
        else:
            Device.objects.update(status="accepted")
        bodies = set()
        for asking in [other] if state in ("accepted", "another key", "preauthorized") else [machine, other]:
            answer = ask(asking, **{"X-MEN-RequestID": "same"})
            refused(answer, 401, UNAUTHORIZED)
            bodies.add((answer.content, *sorted(answer.headers)))
        assert len(bodies) == 1

    def test_of_a_denied_device_nothing_is_stored(
        self, machine: MenderDevice, mender_device: Callable[..., MenderDevice], root: Actor
    ) -> None:
        ask(machine)
        denial.deny(Device.objects.get(), by=root)
        stored, history = Device.objects.values().get(), AuditEvent.objects.count()
        for asking in (machine, mender_device(**MEMBERS)):
            refused(ask(asking), 401, UNAUTHORIZED)
        assert Device.objects.values().get() == stored
        assert AuditEvent.objects.count() == history
        assert not KeyChangeRequest.objects.exists()

    def test_an_unknown_device_is_turned_away_while_too_many_wait_and_known_ones_are_served(
        self,
        machine: MenderDevice,
        mender_device: Callable[..., MenderDevice],
        monkeypatch: pytest.MonkeyPatch,
        root: Actor,
        settings: Any,
    ) -> None:
        monkeypatch.setattr(arrival, "MOST_WAITING", 1)
        ask(machine)
        stranger = mender_device(mac="other")
        answer = ask(stranger)
        refused(answer, 429, "too many devices are waiting")
        assert answer["Retry-After"] == "300"
        assert Device.objects.count() == 1
        refused(ask(machine), 401, UNAUTHORIZED)
        settings.ENROLMENT = "auto"
        assert ask(stranger).status_code == 200

    def test_the_limit_is_50000(self) -> None:
        assert arrival.MOST_WAITING == 50_000

    def test_only_posting_is_served_and_no_token_is_asked_for(self, db: None) -> None:
        for method in ("GET", "PUT", "DELETE", "PATCH"):
            answer = APIClient().generic(method, AUTH)
            refused(answer, 405, "Method not allowed")
            assert set(answer["Allow"].split(", ")) == {"POST", "OPTIONS"}
        assert APIClient().options(AUTH).status_code == 200

    def test_an_outage_asks_to_come_again(self, machine: MenderDevice, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*args: Any, **facts: Any) -> Any:
            raise OperationalError("gone")

        monkeypatch.setattr(introduction, "introduce", fail)
        answer = ask(machine)
        refused(answer, 503, "service unavailable")
        assert answer["Retry-After"]


CALLS = [
    ("PUT", INVENTORY, b'[{"name": "hostname", "value": "vm"}]', 200),
    ("PATCH", INVENTORY, b'[{"name": "hostname", "value": "vm"}]', 200),
    ("POST", NEXT_V2, b'{"device_provides": {"device_type": "vm"}, "update_control_map": true}', 204),
    ("POST", NEXT_V1, b'{"device_type": "vm"}', 204),
    ("GET", f"{NEXT_V1}?device_type=vm&artifact_name=x", b"", 204),
    ("PUT", STATUS, b'{"status": "success"}', 204),
    ("PUT", LOG, b'{"messages": []}', 204),
]
every_call = pytest.mark.parametrize(("method", "path", "body", "status"), CALLS)


@pytest.fixture
def token(machine: MenderDevice, root: Actor) -> str:
    ask(machine)
    accept(root)
    content: bytes = ask(machine).content
    return content.decode()


def call(token: str, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
    return APIClient(headers={"Authorization": f"Bearer {token}"}).generic(method, path, body, headers=headers)


class TestCalls:
    @every_call
    def test_the_token_opens_it(self, token: str, method: str, path: str, body: bytes, status: int) -> None:
        answer = call(token, method, path, body)
        assert (answer.status_code, answer.content) == (status, b"")
        assert answer["X-MEN-RequestID"]

    @every_call
    def test_the_media_type_is_not_looked_at(
        self, token: str, method: str, path: str, body: bytes, status: int
    ) -> None:
        assert call(token, method, path, body, **{"Content-Type": "text/plain"}).status_code == status

    @every_call
    @pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Basic eDp5"])
    def test_nothing_else_opens_it(
        self, db: None, method: str, path: str, body: bytes, status: int, authorization: str | None
    ) -> None:
        headers = {} if authorization is None else {"Authorization": authorization}
        refused(APIClient(headers=headers).generic(method, path, body), 401, "unauthorized")

    @every_call
    def test_an_api_token_does_not_open_it(
        self, rest: Callable[..., APIClient], method: str, path: str, body: bytes, status: int
    ) -> None:
        refused(rest(*Scope).generic(method, path, body), 401, "unauthorized")

    @pytest.mark.parametrize("state", ["pending", "rejected", "preauthorized", "denied", "gone"])
    @every_call
    def test_it_closes_when_the_device_is_no_longer_accepted(
        self, token: str, method: str, path: str, body: bytes, status: int, state: str
    ) -> None:
        if state == "gone":
            Device.objects.all().delete()
        elif state == "denied":
            Device.objects.update(denied_at=NOON, denied_by="ada")
        else:
            Device.objects.update(status=state)
        refused(call(token, method, path, body), 401, "unauthorized")
        assert not Inventory.objects.exists()

    def test_a_device_asks_again_after_a_401_and_repeats_the_call(
        self, machine: MenderDevice, token: str, root: Actor
    ) -> None:
        admission.decide(Device.objects.get(), Status.REJECTED, by=root)
        refused(call(token, "POST", NEXT_V2, b"{}"), 401, "unauthorized")
        refused(ask(machine), 401, UNAUTHORIZED)
        accept(root)
        refused(call(token, "POST", NEXT_V2, b"{}"), 401, "unauthorized")
        assert call(ask(machine).content.decode(), "POST", NEXT_V2, b"{}").status_code == 204

    def test_a_token_ends_after_an_hour(self, machine: MenderDevice, root: Actor) -> None:
        with time_machine.travel(1_800_000_000, tick=False) as clock:
            ask(machine)
            accept(root)
            token = ask(machine).content.decode()
            clock.shift(3600 + 31)
            refused(call(token, "POST", NEXT_V2, b"{}"), 401, "unauthorized")

    def test_an_accepted_key_change_ends_the_tokens_of_the_old_key(
        self, machine: MenderDevice, token: str, mender_device: Callable[..., MenderDevice], root: Actor
    ) -> None:
        renewed = mender_device(**MEMBERS)
        refused(ask(renewed), 401, UNAUTHORIZED)
        assert call(token, "POST", NEXT_V2, b"{}").status_code == 204
        assert ask(machine).status_code == 200
        keychange.accept(KeyChangeRequest.objects.get(), by=root)
        refused(call(token, "POST", NEXT_V2, b"{}"), 401, "unauthorized")
        refused(ask(machine), 401, UNAUTHORIZED)
        assert ask(renewed).status_code == 200

    @every_call
    def test_a_body_of_unknown_length_is_a_411(
        self, token: str, method: str, path: str, body: bytes, status: int
    ) -> None:
        answer = call(token, method, path, **{"Transfer-Encoding": "chunked"})
        refused(answer, 411, "length required")
        assert not Inventory.objects.exists()

    @pytest.mark.parametrize(
        ("method", "path", "most"),
        [
            ("PUT", INVENTORY, 100_000),
            ("PATCH", INVENTORY, 100_000),
            ("POST", NEXT_V2, 100_000),
            ("POST", NEXT_V1, 100_000),
            ("PUT", STATUS, 100_000),
            ("PUT", LOG, 1024 * 1024),
        ],
    )
    def test_a_body_has_a_limit(self, token: str, method: str, path: str, most: int) -> None:
        assert call(token, method, path, b"[]".ljust(most)).status_code in (200, 204)
        refused(call(token, method, path, b"[]".ljust(most + 1)), 413, "request body is too large")

    @pytest.mark.parametrize(
        "path",
        [
            "/api/devices/", "/api/devices/v1/authentication/auth_requests/", f"{INVENTORY}/", "/api/devices/v2/update",
            NEXT_V2.replace("v2", "v3"), "/api/devices/v2/deployments/device/deployments/3d2f/status", f"{STATUS}/x",
            "/api/devices/v1/deployments/device/deployments//status", "/api/devices/v1/authentication/auth.requests",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
    def test_any_other_path_is_not_found(self, token: str, method: str, path: str) -> None:
        refused(call(token, method, path, b"{}"), 404, "Resource not found")
        refused(APIClient().generic(method, path), 404, "Resource not found")

    @pytest.mark.parametrize(
        ("path", "served"),
        [
            (INVENTORY, {"PUT", "PATCH", "OPTIONS"}),
            (NEXT_V1, {"GET", "HEAD", "POST", "OPTIONS"}),
            (NEXT_V2, {"POST", "OPTIONS"}),
            (STATUS, {"PUT", "OPTIONS"}),
            (LOG, {"PUT", "OPTIONS"}),
        ],
    )
    def test_what_is_not_served_is_a_405_before_any_token(self, db: None, path: str, served: set[str]) -> None:
        for method in {"GET", "PUT", "POST", "PATCH", "DELETE", "INITIAL"} - served:
            answer = APIClient().generic(method, path)
            refused(answer, 405, "Method not allowed")
            assert set(answer["Allow"].split(", ")) == served
        answer = APIClient().options(path)
        assert (answer.status_code, answer.content) == (200, b"")


def report(*pairs: tuple[str, Any]) -> bytes:
    return json.dumps([{"name": name, "value": value} for name, value in pairs]).encode()


class TestInventory:
    def test_putting_replaces_all_and_patching_those_named(self, token: str) -> None:
        call(token, "PUT", INVENTORY, report(("hostname", "vm"), ("net", ["eth0", "eth1"]), ("cores", 4)))
        assert Inventory.objects.get().attributes == {"hostname": "vm", "net": ["eth0", "eth1"], "cores": 4}
        call(token, "PATCH", INVENTORY, report(("hostname", "vm2"), ("load", 0.5), ("ok", True)))
        assert Inventory.objects.get().attributes == {
            "hostname": "vm2", "net": ["eth0", "eth1"], "cores": 4, "load": 0.5, "ok": True,
        }  # fmt: skip
        call(token, "PUT", INVENTORY, report(("ports", [1, 2.5, "x"])))
        assert Inventory.objects.get().attributes == {"ports": [1, 2.5, "x"]}
        call(token, "PUT", INVENTORY, b"[]")
        assert Inventory.objects.get().attributes == {}

    def test_a_description_is_dropped_and_of_a_repeated_name_the_last_counts(self, token: str) -> None:
        body = b'[{"name": "a", "value": 1, "description": "x"}, {"value": 2, "name": "a"}]'
        assert call(token, "PUT", INVENTORY, body).status_code == 200
        assert Inventory.objects.get().attributes == {"a": 2}

    def test_it_stays_apart_from_the_identity(self, token: str, rest: Callable[..., APIClient]) -> None:
        call(token, "PUT", INVENTORY, report(("mac", "other")))
        shown = rest(Scope.DEVICES_READ).get(f"/api/management/v1/admission/devices/{DIGEST}").json()
        assert shown["attributes"] == MEMBERS

    @pytest.mark.parametrize("name", ["a", "x" * 256, "é", "a b"])
    def test_a_name_has_1_to_256_characters(self, token: str, name: str) -> None:
        assert call(token, "PATCH", INVENTORY, report((name, 1))).status_code == 200

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"{", b"{}", b"null", b'"x"', b"[5]", b"[null]", b"[[]]", b"[{}]", b'[{"name": "a"}]',
            b'[{"value": 1}]', b'[{"name": "", "value": 1}]', b'[{"name": 5, "value": 1}]',
            b'[{"name": "a", "value": null}]', b'[{"name": "a", "value": {}}]', b'[{"name": "a", "value": [[]]}]',
            b'[{"name": "a", "value": [null]}]', b'[{"name": "a", "value": [true]}]', b'[{"name": "a", "value": [{}]}]',
            b'[{"name": "a", "value": NaN}]', b'[{"name": "a", "value": 1e999}]', b'[{"name": "a", "value": "\\0"}]',
            b'[{"name": "a", "value": "\\u0000"}]',
            b'[{"name": "a", "value": "\\ud800"}]', b'[{"name": "\\u0000", "value": 1}]', b"\xff",
            b'[{"name": "' + b"x" * 257 + b'", "value": 1}]', b'[{"name": "a", "value": ' + b"9" * 5000 + b"}]",
            json.dumps([{"name": f"{n}", "value": 1} for n in range(1001)]).encode(),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    def test_what_is_no_report_is_a_400_and_changes_nothing(self, token: str, method: str, body: bytes) -> None:
        call(token, "PUT", INVENTORY, report(("kept", 1)))
        answer = call(token, method, INVENTORY, body)
        assert answer.status_code == 400
        assert error(answer).startswith("failed to decode request body: ")
        assert Inventory.objects.get().attributes == {"kept": 1}

    def test_an_empty_report_is_a_400(self, token: str) -> None:
        answer = call(token, "PUT", INVENTORY)
        refused(answer, 400, "failed to decode request body: JSON payload is empty")

    def test_many_small_reports_do_not_grow_without_end(self, token: str) -> None:
        for n in range(10):
            assert call(token, "PATCH", INVENTORY, report((f"a{n}", "x" * 99_000))).status_code == 200
        answer = call(token, "PATCH", INVENTORY, report(("one more", "x" * 99_000)))
        assert answer.status_code == 400
        assert len(Inventory.objects.get().attributes) == 10

    def test_it_is_destroyed_when_the_device_is_denied_and_not_stored_again_behind_that(
        self, token: str, root: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        call(token, "PUT", INVENTORY, report(("a", 1)))
        device = Device.objects.get()
        denial.deny(Device.objects.get(), by=root)
        monkeypatch.setattr(device_tokens, "holder", lambda text: device)  # It was read before the denial.
        refused(call(token, "PUT", INVENTORY, report(("a", 1))), 401, "unauthorized")
        assert not Inventory.objects.exists()


def certificate(private: Any) -> str:
    """X-Forwarded-Client-Cert as Envoy writes it, for a certificate of this key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "press-1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOON)
        .not_valid_after(NOON.replace(year=2030))
        .sign(private, None if isinstance(private, Ed25519PrivateKey) else SHA256())
    )
    return f'Hash=abc;Cert="{quote(made.public_bytes(Encoding.PEM).decode(), safe="")}"'


class TestAtTheDeviceDoor:
    """With a client certificate its key must be the device's."""

    def test_a_certificate_of_the_devices_key_changes_nothing(self, machine: MenderDevice, token: str) -> None:
        own = {"X-Forwarded-Client-Cert": certificate(machine.private)}
        assert ask(machine, **own).status_code == 200
        assert call(token, "POST", NEXT_V2, b"{}", **own).status_code == 204

    @pytest.mark.parametrize("header", ["another key", "nonsense", 'Cert="x"', 'Cert="', "Hash=abc", 'Cert="%ff%00"'])
    def test_a_certificate_of_another_key_is_a_401(self, machine: MenderDevice, token: str, header: str) -> None:
        if header == "another key":
            header = certificate(ec.generate_private_key(ec.SECP256R1()))
        history = AuditEvent.objects.count()
        refused(ask(machine, **{"X-Forwarded-Client-Cert": header}), 401, UNAUTHORIZED)
        answer = call(token, "POST", NEXT_V2, b"{}", **{"X-Forwarded-Client-Cert": header})
        refused(answer, 401, "unauthorized")
        assert AuditEvent.objects.count() == history


@pytest.mark.django_db(transaction=True)
class TestRaces:
    @pytest.mark.parametrize("turn", range(4))
    def test_a_device_that_asks_for_the_first_time_four_times_at_once_is_recorded_once(
        self, machine: MenderDevice, at_once: Callable[..., list[Any]], turn: int
    ) -> None:
        answers = at_once(*(lambda: ask(machine) for _ in range(4)))
        assert [answer.status_code for answer in answers] == [401] * 4
        assert AuditEvent.objects.filter(verb="device.asked").count() == 1
        assert counts.by_tab()["pending"] == 1


fuzzed = settings(max_examples=many(80))


@given(body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode), signature=st.text(max_size=40))
@fuzzed
def test_no_bytes_as_an_auth_request_are_a_fault_of_ours(db: None, body: bytes, signature: str) -> None:
    headers = {"X-MEN-Signature": signature.encode().decode("latin-1")}
    assert 400 <= APIClient().generic("POST", AUTH, body, headers=headers).status_code < 500


@given(pubkey=st.text(max_size=100).map("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----".format) | st.text())
@fuzzed
def test_no_text_as_a_key_is_a_fault_of_ours(machine: MenderDevice, pubkey: str) -> None:
    assert post(machine, body_of(machine, pubkey=pubkey or "x")).status_code == 400


@given(body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@fuzzed
def test_no_bytes_as_a_report_are_a_fault_of_ours(token: str, body: bytes) -> None:
    answer = call(token, "PATCH", INVENTORY, body)
    assert answer.status_code == 400 or body.strip() == b"[]"


@given(text=st.text(max_size=300))
@fuzzed
def test_no_other_text_is_a_devices_token(db: None, text: str) -> None:
    header = f"Bearer {text}".encode("utf-8", "surrogatepass").decode("latin-1")
    refused(APIClient().generic("POST", NEXT_V2, b"{}", HTTP_AUTHORIZATION=header), 401, "unauthorized")


def test_the_identity_of_the_example_has_the_documented_digest() -> None:
    assert identity.digest(MEMBERS) == DIGEST
    assert keys.fingerprint("any text") == ""
