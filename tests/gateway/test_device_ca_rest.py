"""Device CAs and certificates for devices over REST and as a command: the same yes and the same no."""

import io
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from devices.models import Device
from gateway import device_cas, device_certificates, trial
from gateway.models import DeviceCA, IssuedCertificate
from portal.actor import Actor
from portal.models import AuditEvent
from portal.scopes import Scope
from tests.gateway.authorities import ca_certificate, csr, new_key, private_pem

pytestmark = pytest.mark.django_db

CAS = "/api/v1/device-cas"
Rest = Callable[..., APIClient]
FOREIGN = ca_certificate()


@pytest.fixture
def manager(rest: Rest) -> APIClient:
    return rest(Scope.GATEWAY_READ, Scope.GATEWAY_MANAGE)


@pytest.fixture
def first(root: Actor) -> DeviceCA:
    device_cas.ensure_first(by=root)
    return device_cas.find("gatehouse")


class TestDeviceCAs:
    def test_one_of_others_is_added_shown_and_listed_without_a_key(self, manager: APIClient, first: DeviceCA) -> None:
        added = manager.post(CAS, {"name": "plant-7", "certificate": FOREIGN}, format="json")
        assert (added.status_code, added["Location"]) == (201, f"{CAS}/plant-7")
        body = added.json()
        assert (body["name"], body["signs_here"], body["certificate"]) == ("plant-7", False, FOREIGN)
        assert body["created_by"] == "token test"
        shown = manager.get(added["Location"])
        assert (shown.json(), shown["ETag"]) == (body, added["ETag"])
        assert manager.get(added["Location"], headers={"If-None-Match": shown["ETag"]}).status_code == 304
        listed = manager.get(CAS).json()["results"]
        assert [(ca["name"], ca["signs_here"]) for ca in listed] == [("gatehouse", True), ("plant-7", False)]
        assert first.sealed_key not in str(listed)
        assert "sealed_key" not in listed[0]

    def test_without_a_certificate_one_is_made_that_signs_from_then_on(
        self, manager: APIClient, first: DeviceCA
    ) -> None:
        made = manager.post(CAS, {"name": "next"}, format="json").json()
        assert made["signs_here"] is True
        assert device_cas.signing_ca().fingerprint == made["fingerprint"]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "name"),
            ({"name": "A"}, "name"),
            ({"name": 7}, "name"),
            ({"name": "x", "certificate": ""}, "certificate"),
            ({"name": "x", "certificate": None}, "certificate"),
            ({"name": "x", "certificate": 7}, "certificate"),
            ({"name": "x", "certificate": private_pem(new_key())}, "certificate"),
            ({"name": "x", "key": "k"}, "key"),
        ],
    )
    def test_what_is_wrong_is_named(self, manager: APIClient, body: Any, field: str) -> None:
        answer = manager.post(CAS, body, format="json")
        assert (answer.status_code, list(answer.json()["invalid"])) == (400, [field])
        assert not DeviceCA.objects.exists()
        assert "PRIVATE" not in answer.content.decode()

    def test_what_is_there_already_is_a_409_that_names_it(self, manager: APIClient) -> None:
        manager.post(CAS, {"name": "plant-7", "certificate": FOREIGN}, format="json")
        again = manager.post(CAS, {"name": "plant-7"}, format="json")
        twin = manager.post(CAS, {"name": "plant-8", "certificate": FOREIGN}, format="json")
        assert (again.status_code, again.json()["code"]) == (409, "device_ca_exists")
        assert (twin.status_code, twin.json()["code"]) == (409, "device_ca_exists")
        assert "plant-7" in twin.json()["error"]

    def test_sent_again_with_the_same_key_it_is_done_once(self, manager: APIClient) -> None:
        sent = [
            manager.post(CAS, {"name": "next"}, format="json", headers={"Idempotency-Key": "one"}) for _ in range(2)
        ]
        assert sent[0].json() == sent[1].json()
        assert DeviceCA.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_envoy_is_asked_before_the_transaction_in_which_others_wait(
        self, manager: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked, real = [], trial.reason_against_bundle

        def watched(pems: list[str]) -> str:
            asked.append(connection.in_atomic_block)
            return real(pems)

        monkeypatch.setattr(trial, "reason_against_bundle", watched)
        sent: dict[str, Any] = {"name": "plant-7", "certificate": FOREIGN}
        headers = {"Idempotency-Key": "one"}
        first, again = (manager.post(CAS, sent, format="json", headers=headers) for _ in range(2))
        assert (first.status_code, again.status_code) == (201, 201)
        assert (first.json(), again["Idempotency-Replayed"]) == (again.json(), "true")
        assert asked == [False]

    def test_it_is_withdrawn_if_it_is_still_the_one_that_was_seen(
        self, manager: APIClient, first: DeviceCA, root: Actor
    ) -> None:
        seen = manager.get(f"{CAS}/gatehouse")["ETag"]
        device_cas.withdraw(first, by=root)
        device_cas.make("gatehouse", by=root)
        stale = manager.delete(f"{CAS}/gatehouse", headers={"If-Match": seen})
        assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
        assert manager.delete(f"{CAS}/gatehouse").status_code == 204
        gone = manager.get(f"{CAS}/gatehouse")
        assert (gone.status_code, gone.json()["code"]) == (404, "device_ca_not_found")
        assert not DeviceCA.objects.exists()

    def test_what_it_signed_is_listed_the_latest_first_in_pages(
        self, manager: APIClient, first: DeviceCA, root: Actor
    ) -> None:
        for device_id in ("a", "b", "c"):
            device_certificates.sign(device_id, csr(device_id), by=root)
        page = manager.get(f"{CAS}/gatehouse/certificates?limit=2").json()
        assert [each["device"] for each in page["results"]] == ["c", "b"]
        rest = manager.get(page["next"]).json()
        assert [each["device"] for each in rest["results"]] == ["a"]
        assert rest["results"][0]["ca_fingerprint"] == first.fingerprint

    @pytest.mark.parametrize("name", ["GATEHOUSE", "a_b", "x" * 64])
    def test_another_spelling_is_not_there(self, manager: APIClient, first: DeviceCA, name: str) -> None:
        assert manager.get(f"{CAS}/{name}").status_code == 404

    def test_reading_and_managing_are_scopes_of_their_own(self, rest: Rest, first: DeviceCA) -> None:
        reader, keeper = rest(Scope.GATEWAY_READ), rest(Scope.GATEWAY_MANAGE)
        assert reader.get(CAS).status_code == 200
        assert keeper.get(CAS).status_code == 403
        assert reader.post(CAS, {"name": "x"}, format="json").status_code == 403
        assert reader.delete(f"{CAS}/gatehouse").status_code == 403


def test_the_metrics_count_the_days_until_the_first_that_holds_ends(
    client: Client, first: DeviceCA, root: Actor
) -> None:
    device_cas.add("plant-7", ca_certificate(days=30), by=root)
    DeviceCA.objects.filter(pk=first.pk).update(not_before="2020-01-01T00:00Z", not_after="2021-01-01T00:00Z")
    assert 'gatehouse_days_to_expiry{kind="device_ca"} 29.9' in client.get("/metrics").content.decode()


class TestCertificates:
    URL = "/api/v1/devices/press-1/certificate"

    def test_signing_answers_exactly_what_the_contract_names(self, rest: Rest, first: DeviceCA) -> None:
        answer = rest(Scope.DEVICES_ENROL).post(self.URL, {"csr": csr("press-1"), "days": 30}, format="json")
        assert answer.status_code == 201
        body = answer.json()
        certificate = x509.load_pem_x509_certificate(body["certificate"].encode())
        assert body == {
            "certificate": body["certificate"],
            "ca": first.certificate,
            "serial": f"{certificate.serial_number:032x}",
            "fingerprint": IssuedCertificate.objects.get().fingerprint,
            "not_before": f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
            "not_after": f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
        }
        assert not Device.objects.exists()

    def test_without_days_it_lives_a_year(self, rest: Rest, first: DeviceCA) -> None:
        rest(Scope.DEVICES_ENROL).post(self.URL, {"csr": csr("press-1")}, format="json")
        kept = IssuedCertificate.objects.get()
        assert kept.not_after - kept.not_before == timedelta(days=365, minutes=5)
        assert kept.issued_by == "token test"

    @pytest.mark.parametrize("days", ["30", 0, 731, -1, True, 1.5, None, 10**30])
    def test_days_are_a_whole_number_within_bounds(self, rest: Rest, first: DeviceCA, days: Any) -> None:
        answer = rest(Scope.DEVICES_ENROL).post(self.URL, {"csr": csr("press-1"), "days": days}, format="json")
        assert (answer.status_code, list(answer.json()["invalid"])) == (400, ["days"])

    @pytest.mark.parametrize("text", [None, 7, "", csr("press-2"), csr("press-1") * 2, private_pem(new_key())])
    def test_a_request_that_does_not_fit_is_named(self, rest: Rest, first: DeviceCA, text: Any) -> None:
        answer = rest(Scope.DEVICES_ENROL).post(self.URL, {"csr": text}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        assert list(answer.json()["invalid"]) == ["csr"]

    def test_denied_devices_and_a_missing_ca_are_conflicts(
        self, rest: Rest, make_device: Callable[..., Device]
    ) -> None:
        client = rest(Scope.DEVICES_ENROL)
        missing = client.post(self.URL, {"csr": csr("press-1")}, format="json")
        make_device("press-1", denied_at=timezone.now())
        denied = client.post(self.URL, {"csr": csr("press-1")}, format="json")
        assert (missing.status_code, missing.json()["code"]) == (409, "no_signing_ca")
        assert (denied.status_code, denied.json()["code"]) == (409, "device_denied")

    def test_it_needs_the_scope_to_enrol_and_no_other(self, rest: Rest, first: DeviceCA) -> None:
        others = [scope for scope in Scope if scope != Scope.DEVICES_ENROL]
        assert rest(*others).post(self.URL, {"csr": csr("press-1")}, format="json").status_code == 403
        assert not IssuedCertificate.objects.exists()

    def test_sent_again_with_the_same_key_one_is_signed(self, rest: Rest, first: DeviceCA) -> None:
        client, body = rest(Scope.DEVICES_ENROL), {"csr": csr("press-1")}
        sent = [client.post(self.URL, body, format="json", headers={"Idempotency-Key": "one"}) for _ in range(2)]
        assert sent[0].json() == sent[1].json()
        assert IssuedCertificate.objects.count() == 1

    def test_what_a_device_was_given_is_listed_also_if_nobody_knows_it(
        self, rest: Rest, first: DeviceCA, root: Actor
    ) -> None:
        signed = device_certificates.sign("press-1", csr("press-1"), by=root)
        device_certificates.sign("press-2", csr("press-2"), by=root)
        [given] = rest(Scope.DEVICES_READ).get("/api/v1/devices/press-1/certificates").json()["results"]
        assert (given["serial"], given["device"], given["issued_by"]) == (signed.serial, "press-1", "command test")
        assert rest(Scope.DEVICES_READ).get("/api/v1/devices/nobody/certificates").json()["results"] == []
        assert rest(Scope.GATEWAY_READ).get("/api/v1/devices/press-1/certificates").status_code == 403

    def test_the_other_paths_of_a_device_are_still_found(self, rest: Rest, make_device: Callable[..., Device]) -> None:
        make_device("certificate")
        client = rest(*Scope)
        assert client.get("/api/v1/devices/certificate").json()["id"] == "certificate"
        assert client.get("/api/v1/devices/certificate/history").status_code == 200
        assert client.get("/api/v1/devices/certificate/certificate").status_code == 405


class TestCommand:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "device.csr"
        path.write_text(csr("press-1"))
        return path

    def test_it_prints_the_certificate_alone(self, first: DeviceCA, file: Path, capsys: Any) -> None:
        call_command("enrol_device", "press-1", csr=str(file), days=7)
        printed = capsys.readouterr().out
        certificate = x509.load_pem_x509_certificate(printed.encode())
        assert printed.startswith("-----BEGIN CERTIFICATE-----\n")
        assert printed.endswith("-----END CERTIFICATE-----\n")
        assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=7, minutes=5)
        event = AuditEvent.objects.get(verb="certificate.issued")
        assert (event.actor_kind, event.actor) == ("command", "enrol_device")

    def test_a_dash_reads_the_request_from_stdin(
        self, first: DeviceCA, file: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
        call_command("enrol_device", "press-1", csr="-")
        assert capsys.readouterr().out.startswith("-----BEGIN CERTIFICATE-----\n")

    @pytest.mark.parametrize(
        ("device_id", "options", "said"),
        [
            ("press-2", {}, "must be press-2"),
            ("../x", {}, "1 to 64"),
            ("press-1", {"days": 731}, "1 to 730 days"),
            ("press-1", {"csr": "/nowhere/at.all"}, "cannot be read"),
            ("press-1", {"csr": "/"}, "cannot be read"),
            ("press-1", {"csr": "/dev/zero"}, "over 16384"),
        ],
    )
    def test_a_refusal_is_one_sentence_and_nothing_is_signed(
        self, first: DeviceCA, file: Path, device_id: str, options: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(CommandError, match=said):
            call_command("enrol_device", device_id, **{"csr": str(file), **options})
        assert not IssuedCertificate.objects.exists()

    def test_a_denied_device_and_a_missing_ca_are_refused(
        self, first: DeviceCA, root: Actor, file: Path, make_device: Callable[..., Device]
    ) -> None:
        make_device("press-1", denied_at=timezone.now())
        with pytest.raises(CommandError, match="denied list"):
            call_command("enrol_device", "press-1", csr=str(file))
        Device.objects.all().delete()
        device_cas.withdraw(first, by=root)
        with pytest.raises(CommandError, match="No device CA"):
            call_command("enrol_device", "press-1", csr=str(file))
