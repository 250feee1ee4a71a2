"""The device gateway's API as a device calls it, with the certificate as Envoy forwards it."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from cryptography import x509
from django.core.management import call_command
from django.test import Client
from django.utils.http import http_date
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.test import APIRequestFactory

from devices import admission, configs, denial, update_events
from devices.models import (
    AppState,
    CheckIn,
    Device,
    DeviceConfig,
    KeyChangeRequest,
    Status,
    SystemInfo,
    UpdateEvent,
)
from gateway import device_cas, device_identity
from gateway.dialects import satellite_device
from gateway.models import DeviceCA, IssuedCertificate
from portal.actor import Actor
from tests.amount import many
from tests.gateway.test_device_identity import trust
from tests.pki import Authority, Holder, new_key, request_for

pytestmark = pytest.mark.django_db
HALL = Authority("hall CA")
PRESS = HALL.issue("press-1")
NOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)  # While the certificates hold.
ENDPOINTS = [
    ("GET", "/device"), ("GET", "/config"), ("POST", "/events"), ("POST", "/apps-states"), ("PUT", "/system_info"),
    ("PUT", "/system_info/network"), ("PUT", "/system_info/config"), ("POST", "/device/certificate"),
    ("GET", "/jobs/next"), ("GET", "/jobs/{id}"), ("POST", "/jobs/{id}/claim"), ("POST", "/jobs/{id}/report"),
]  # fmt: skip
EVENT = {
    "id": "e1",
    "deviceTime": "2026-11-25T12:00:00Z",
    "event": {"correlationId": "u1", "ecu": "", "targetName": "lmp-2", "version": "2", "success": True},
    "eventType": {"id": "EcuInstallationCompleted", "version": 0},
}
STATES = {
    "deviceTime": "2026-11-25T12:00:00Z",
    "ostree": "ab12",
    "apps": {
        "edge": {
            "uri": "hub/edge@sha256:1",
            "state": "healthy",
            "services": [{"name": "s", "hash": "h", "image": "i", "state": "running", "status": "Up 2 hours"}],
        }
    },
}


@pytest.fixture(autouse=True)
def hall() -> Iterator[DeviceCA]:
    yield trust(HALL)
    device_identity.forget_bundle()


def call(
    method: str, path: str, body: Any = None, *, holder: Holder | None = PRESS, door: bool = True, **headers: Any
) -> Any:
    """One request as it comes in by the device door; a body that is neither text nor bytes is sent as JSON."""
    sent = body if isinstance(body, str | bytes) else b"" if body is None else json.dumps(body)
    envoy = {"X-Gatehouse-Door": "device"} if door else {}
    if holder:
        envoy["X-Forwarded-Client-Cert"] = holder.forwarded
    return Client(headers=envoy | {name.replace("_", "-"): value for name, value in headers.items()}).generic(
        method, path, sent, content_type="text/odd"
    )


def no(answer: Any, status: int, code: str) -> dict[str, Any]:
    said: dict[str, Any] = answer.json()
    assert (answer.status_code, said["code"]) == (status, code), said
    assert answer["Content-Type"] == "application/json"
    assert said["request_id"] == answer["X-Request-Id"]
    assert said["error"].endswith(".")
    assert answer.get("Retry-After") == (str(said["retry_after"]) if "retry_after" in said else None)
    return said


@pytest.fixture
def press(make_device: Callable[..., Device]) -> Device:
    """The device, accepted."""
    return make_device("press-1", {}, PRESS.public_pem, status=Status.ACCEPTED)


class TestWhoGetsIn:
    @pytest.mark.parametrize(("method", "path"), ENDPOINTS)
    def test_without_a_certificate(self, method: str, path: str) -> None:
        no(call(method, path, holder=None), 403, "no_certificate")

    @pytest.mark.parametrize(("method", "path"), ENDPOINTS)
    def test_pending(self, method: str, path: str) -> None:
        said = no(call(method, path), 403, "device_pending")
        assert set(said) == {"error", "code", "request_id", "retry_after", "device", "fingerprint"}
        assert (said["device"], said["fingerprint"]) == ("press-1", PRESS.fingerprint)
        assert 60 <= said["retry_after"] <= 90

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "INITIAL"])
    def test_the_method_is_judged_before_the_certificate(self, method: str) -> None:
        answer = call(method, "/events", holder=None)
        no(answer, 405, "method_not_allowed")
        assert answer["Allow"] == "POST"

    @pytest.mark.parametrize(
        "path",
        ["/device/", "/devices", "/device/x", "/config/", "/jobs", "/portal/", "/", "/readyz",
         "/api/management/v1/admission/devices", "/api/im/v3/Users", "/vault/x"],
    )  # fmt: skip
    def test_the_path_is_judged_before_the_certificate(self, path: str) -> None:
        no(call("GET", path, holder=None), 404, "not_found")

    @pytest.mark.parametrize(("method", "path"), ENDPOINTS)
    def test_nothing_of_it_is_at_the_other_doors(self, method: str, path: str) -> None:
        assert call(method, path, door=False).status_code == 404

    def test_a_certificate_opens_nothing_else(self, press: Device) -> None:
        no(call("GET", "/api/v1/devices", door=False), 401, "not_authenticated")

    def test_a_bearer_token_opens_nothing_here(self) -> None:
        no(call("GET", "/device", holder=None, Authorization="Bearer gate_pat_x"), 403, "no_certificate")

    def test_from_pending_to_restored(self, root: Actor) -> None:
        no(call("GET", "/device"), 403, "device_pending")
        admission.decide(Device.objects.get(), Status.ACCEPTED, by=root)
        assert call("GET", "/device").status_code == 200
        denial.deny(Device.objects.get(), by=root)
        assert no(call("GET", "/device"), 403, "device_denied")["retry_after"] == 3600
        denial.restore(Device.objects.get(), by=root)
        assert call("GET", "/device").status_code == 200
        admission.decide(Device.objects.get(), Status.REJECTED, by=root)
        no(call("GET", "/device"), 403, "device_rejected")

    def test_another_key(self, press: Device) -> None:
        other = HALL.issue("press-1")
        assert no(call("GET", "/device", holder=other), 403, "key_change_pending")["fingerprint"] == other.fingerprint
        assert call("GET", "/device").status_code == 200


class TestSelf:
    def test_one_that_has_said_nothing(self, press: Device) -> None:
        with time_machine.travel(NOON, tick=False):
            answer = call("GET", "/device")
        assert answer.json() == {
            "uuid": "press-1", "docker_apps": "", "group_name": "", "last_seen": int(NOON.timestamp()),
            "ostree_hash": "", "pubkey": PRESS.public_pem, "target_name": "", "tag": "", "update_name": "",
        }  # fmt: skip

    def test_what_it_says_comes_back(self, press: Device) -> None:
        said: Any = {
            "x_ats_target": "lmp-1",
            "x_ats_tags": "main,dev",
            "x_ats_dockerapps": "a,b",
            "x_ats_ostreehash": "ab12",
        }
        answer = call("GET", "/device", **said).json()
        assert (answer["target_name"], answer["tag"], answer["docker_apps"], answer["ostree_hash"]) == (
            "lmp-1", "main,dev", "a,b", "ab12"
        )  # fmt: skip
        assert call("GET", "/device", x_ats_target="").json()["target_name"] == ""
        assert call("GET", "/device").json()["docker_apps"] == "a,b"

    @pytest.mark.parametrize("header", ["x-ats-target", "x-ats-tags", "x-ats-dockerapps", "x-ats-ostreehash"])
    @pytest.mark.parametrize("value", ["x" * 1025, "a\tb", "\x7f", "é"])
    def test_unfit_headers_are_named_at_every_endpoint(self, press: Device, header: str, value: str) -> None:
        for method, path in ENDPOINTS:
            unfit: Any = {header.replace("-", "_"): value}
            said = no(call(method, path, "[]", **unfit), 400, "invalid")
            assert list(said["invalid"]) == [header]
        assert not CheckIn.objects.exists()

    def test_1024_characters_are_taken(self, press: Device) -> None:
        assert call("GET", "/device", x_ats_target="~" * 1024).json()["target_name"] == "~" * 1024


class TestBodies:
    @pytest.mark.parametrize(("method", "path"), [pair for pair in ENDPOINTS if pair[0] != "GET"])
    def test_one_byte_too_many(self, press: Device, method: str, path: str) -> None:
        no(call(method, path, b"[" + b" " * 99_999 + b"]"), 413, "too_large")
        assert call(method, path, b"[" + b" " * 99_998 + b"]").status_code in (200, 400)

    @pytest.mark.parametrize("path", ["/events", "/apps-states", "/device/certificate"])
    @pytest.mark.parametrize(
        "body",
        [b"", b"x", b"{", b"\xff", b"\xef\xbb\xbf[]", b'["\\u0000"]', b'["\\ud800"]', b"[NaN]", b"[1e999]",
         b"[" * 40 + b"]" * 40, b"1", b'"x"', b"null", b"true"],
    )  # fmt: skip
    def test_what_is_not_the_json_that_is_expected(self, press: Device, path: str, body: bytes) -> None:
        assert no(call("POST", path, body), 400, "invalid")["invalid"]
        assert not UpdateEvent.objects.exists()
        assert not AppState.objects.exists()

    @pytest.mark.parametrize("body", [b"", b"\xff", b"x", b'{"a":"\\u0000"}', b'{"a":"\\udfff"}'])
    def test_system_information_that_is_no_json(self, press: Device, body: bytes) -> None:
        no(call("PUT", "/system_info", body), 400, "invalid")
        assert not SystemInfo.objects.exists()

    @pytest.mark.parametrize("body", [b"\xff", b"a\x00b"])
    def test_updater_configuration_that_is_no_text(self, press: Device, body: bytes) -> None:
        no(call("PUT", "/system_info/config", body), 400, "invalid")

    @given(st.binary(max_size=400))
    @settings(max_examples=many(60))
    def test_no_bytes_are_a_fault(self, press: Device, body: bytes) -> None:
        for method, path in ENDPOINTS:
            assert call(method, path, body).status_code in (200, 204, 400, 404 if "{" in path else 200)


class TestReports:
    def test_events_are_kept_once_and_bad_ones_skipped(self, press: Device) -> None:
        answer = call("POST", "/events", [EVENT, EVENT, {"id": 5}, "x", None, EVENT | {"id": "e2", "deviceTime": "?"}])
        assert (answer.status_code, answer.content) == (200, b"")
        assert sorted(UpdateEvent.objects.values_list("event_id", "correlation_id")) == [("e1", "u1"), ("e2", "u1")]

    def test_apps_states(self, press: Device) -> None:
        answer = call("POST", "/apps-states", STATES)
        assert (answer.status_code, answer.content) == (200, b"")
        assert AppState.objects.get().apps["edge"]["services"][0]["status"] == "Up 2 hours"
        no(call("POST", "/apps-states", STATES | {"deviceTime": "yesterday"}), 400, "invalid")

    def test_system_information(self, press: Device) -> None:
        for path, body in (("", '{"a": 1}'), ("/network", '{"hostname": "p"}'), ("/config", "[tls]\n")):
            answer = call("PUT", f"/system_info{path}", body)
            assert (answer.status_code, answer.content) == (200, b"")
        kept = SystemInfo.objects.get()
        assert (kept.hardware, kept.config) == ('{"a": 1}', "[tls]\n")
        no(call("PUT", "/system_info/network", '{"hostname": 1}'), 400, "invalid")

    def test_all_of_it_is_gone_after_a_denial(self, press: Device, root: Actor) -> None:
        call("POST", "/events", [EVENT])
        call("POST", "/apps-states", STATES)
        call("PUT", "/system_info", "{}")
        configs.put(press, {"a": {"Value": "1"}}, by=root)
        denial.deny(Device.objects.get(), by=root)
        for stored in (UpdateEvent, AppState, SystemInfo, DeviceConfig):
            assert not stored.objects.exists()
        denial.restore(Device.objects.get(), by=root)
        assert call("GET", "/config").status_code == 204


class TestConfig:
    FILES: dict[str, Any] = {
        "wg.conf": {"Value": "on", "Unencrypted": True, "OnChanged": ["/bin/x"]},
        "b": {"Value": ""},
    }

    def test_none(self, press: Device) -> None:
        answer = call("GET", "/config")
        assert (answer.status_code, answer.content) == (204, b"")

    def test_as_it_was_set_with_only_the_members_that_were(self, press: Device, root: Actor) -> None:
        configs.put(press, self.FILES, by=root)
        answer = call("GET", "/config")
        assert (answer.status_code, answer.json()) == (200, self.FILES)
        again = call("GET", "/config", If_None_Match=answer["ETag"])
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", answer["ETag"])
        assert call("GET", "/config", If_None_Match=f'"x", W/{answer["ETag"]}').status_code == 304
        assert call("GET", "/config", If_None_Match='"x"').status_code == 200

    @pytest.mark.parametrize(
        ("seconds", "zone", "status"),
        [(0, "GMT", 200), (1, "GMT", 304), (1, "UTC", 304), (-1, "GMT", 200), (1, "CET", 200), (1, "+0000", 200)],
    )
    def test_by_the_date_of_an_earlier_answer(
        self, press: Device, root: Actor, seconds: int, zone: str, status: int
    ) -> None:
        with time_machine.travel(NOON + timedelta(milliseconds=300), tick=False):
            configs.put(press, self.FILES, by=root)
        held = (NOON + timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S ") + zone
        with time_machine.travel(NOON + timedelta(minutes=1), tick=False):
            assert call("GET", "/config", If_Modified_Since=held).status_code == status

    def test_no_change_is_missed_after_the_clock_was_set_back(self, press: Device, root: Actor) -> None:
        with time_machine.travel(NOON + timedelta(minutes=5), tick=False):
            held = call("GET", "/config")["Date"]
        with time_machine.travel(NOON, tick=False) as clock:
            configs.put(press, self.FILES, by=root)
            clock.shift(60)
            assert call("GET", "/config", If_Modified_Since=held).status_code == 200

    @pytest.mark.parametrize("date", ["", "x", "0", "Wed, 99 Nov 2026 12:00:00 GMT", "2026-11-25T12:00:00Z"])
    def test_an_unreadable_date_is_ignored(self, press: Device, root: Actor, date: str) -> None:
        configs.put(press, self.FILES, by=root)
        assert call("GET", "/config", If_Modified_Since=date).status_code == 200

    def test_the_date_is_from_before_it_was_read(self, press: Device, root: Actor) -> None:
        with time_machine.travel(NOON, tick=False):
            assert call("GET", "/config")["Date"] == http_date(NOON.timestamp())


class TestRenewal:
    @pytest.fixture(autouse=True)
    def own_ca(self, root: Actor) -> None:
        device_cas.make("own", by=root)

    def test_with_the_same_key_it_changes_nothing_else(self, press: Device) -> None:
        answer = call("POST", "/device/certificate", {"csr": request_for("press-1", PRESS.key), "more": 1})
        assert answer.status_code == 201
        assert set(answer.json()) == {"certificate", "ca", "serial", "fingerprint", "not_before", "not_after"}
        assert answer.json()["not_after"].endswith("Z")
        assert IssuedCertificate.objects.get().device_id == "press-1"
        assert not KeyChangeRequest.objects.exists()

    def test_with_another_key_a_key_change_is_opened(self, press: Device) -> None:
        assert call("POST", "/device/certificate", {"csr": request_for("press-1", new_key())}).status_code == 201
        assert KeyChangeRequest.objects.get().proven

    @pytest.mark.parametrize("csr", [None, 1, "", "x", request_for("press-2", new_key())])
    def test_what_is_no_request_of_this_device(self, press: Device, csr: Any) -> None:
        assert list(no(call("POST", "/device/certificate", {"csr": csr}), 400, "invalid")["invalid"]) == ["csr"]
        assert not IssuedCertificate.objects.exists()

    def test_the_certificate_that_was_got_opens_the_door(self, press: Device) -> None:
        got = call("POST", "/device/certificate", {"csr": request_for("press-1", PRESS.key)}).json()["certificate"]
        device_identity.forget_bundle()
        holder = Holder(x509.load_pem_x509_certificate(got.encode()), PRESS.key)
        assert call("GET", "/device", holder=holder).status_code == 200


def test_one_that_is_denied_between_the_look_and_the_report_is_told_so(press: Device, root: Actor) -> None:
    """The rule finds the device denied under its lock, though it was let in a moment before."""

    def deny_then(device: Device, sent: Any) -> None:
        denial.deny(Device.objects.get(), by=root)
        update_events.report(device, sent)

    class Late(satellite_device.Events):
        def store(self, keep: Any, sent: Any) -> Any:
            return super().store(deny_then, sent)

    request = APIRequestFactory().post(
        "/events", [EVENT], format="json", HTTP_X_FORWARDED_CLIENT_CERT=PRESS.forwarded, REMOTE_ADDR="192.0.2.7"
    )
    answer = Late.as_view()(request)
    assert (answer.status_code, json.loads(answer.content)["code"]) == (403, "device_denied")


class TestDocument:
    """The second Swagger: what is served at the door, and nothing else."""

    def test_is_generated_without_a_warning_and_is_valid(self) -> None:
        call_command(
            "spectacular", validate=True, fail_on_warn=True, stdout=StringIO(), urlconf="gateway.device_urls",
            custom_settings="gateway.openapi.DEVICE_SETTINGS",
        )  # fmt: skip

    def test_tells_every_endpoint_and_mutual_tls(self) -> None:
        told = Client().get("/device/schema/").json()
        assert told["openapi"].startswith("3.1")
        served = {(method.upper(), path) for path, operations in told["paths"].items() for method in operations}
        assert served == set(ENDPOINTS)
        [scheme] = told["components"]["securitySchemes"].values()
        assert scheme["type"] == "mutualTLS"
        assert told["servers"][0]["url"].endswith(":8444")

    def test_the_other_document_tells_none_of_it(self) -> None:
        told = Client().get("/api/schema/").json()
        assert not set(told["paths"]) & {path for _, path in ENDPOINTS}

    def test_its_page_is_served_locally(self) -> None:
        page = Client().get("/device/docs/")
        assert page.status_code == 200
        assert b"/device/schema/" in Client().get("/device/docs/?script=").content
        assert b"://" not in page.content.replace(b"http://www.w3.org", b"")

    def test_its_examples_are_taken(self, press: Device) -> None:
        told = Client().get("/device/schema/").json()
        tried = []
        for path, operations in told["paths"].items():
            if "{" in path:
                continue  # It takes a shutdown; those are in test_device_jobs.
            for method, operation in operations.items():
                content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
                for example in content.get("examples", {}).values():
                    assert call(method.upper(), path, example["value"]).status_code == 200
                    tried.append(path)
        assert tried == ["/apps-states", "/events"]
