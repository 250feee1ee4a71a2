"""The CAs whose certificates open the device door: the first one, those made here, and those of others."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import ca_certificates, device_cas, doctor, trial
from gateway.models import DeviceCA
from portal import audit, sealing
from portal.actor import Actor
from portal.models import AuditEvent
from portal.refusal import Invalid
from tests.amount import many
from tests.gateway.authorities import ca_certificate, named, new_key, private_pem

pytestmark = pytest.mark.django_db


def told() -> list[Any]:
    """What the trail says of device CAs."""
    return list(AuditEvent.objects.filter(subject_kind="device_ca").order_by("number"))


def invalid(pem: str, root: Actor) -> str:
    """What is said against this certificate; nothing must be left of it."""
    with pytest.raises(Invalid) as refusal:
        device_cas.add("plant-7", pem, by=root)
    assert not DeviceCA.objects.exists()
    assert not told()
    [sentence] = (refusal.value.invalid or {})["certificate"]
    return sentence


class TestTheFirst:
    def test_it_signs_devices_and_no_further_ca_for_ten_years(self, root: Actor) -> None:
        device_cas.ensure_first(by=root)
        ca = device_cas.signing_ca()
        certificate = x509.load_pem_x509_certificate(ca.certificate.encode())
        certificate.verify_directly_issued_by(certificate)
        assert (ca.name, ca.signs_here, ca.created_by) == ("gatehouse", True, "command test")
        assert ca.subject.startswith("CN=Gatehouse device CA ")
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        assert constraints.critical
        assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.critical
        assert (usage.value.key_cert_sign, usage.value.crl_sign) == (True, True)
        assert not usage.value.digital_signature
        assert certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == "secp256r1"
        assert timedelta(days=3650) < ca.not_after - timezone.now() < timedelta(days=3654)
        assert ca.not_before < timezone.now() - timedelta(minutes=4)

    def test_its_key_is_sealed_and_in_no_audit_row(self, root: Actor) -> None:
        device_cas.ensure_first(by=root)
        ca = device_cas.signing_ca()
        assert b"PRIVATE" not in ca.sealed_key.encode()
        assert device_cas.key_of(ca).public_key()
        [event] = told()
        assert (event.verb, event.subject_kind, event.subject_id) == ("device_ca.made", "device_ca", "gatehouse")
        assert set(event.after) == {"fingerprint", "subject", "not_after", "signs_here"}

    def test_it_is_made_once_and_never_again_though_it_was_withdrawn(self, root: Actor) -> None:
        device_cas.ensure_first(by=root)
        first = device_cas.find("gatehouse")
        device_cas.ensure_first(by=root)
        assert list(device_cas.bundle()) == [first]
        device_cas.withdraw(first, by=root)
        device_cas.ensure_first(by=root)
        assert not DeviceCA.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_two_replicas_that_start_at_once_make_one(self, root: Actor, at_once: Callable[..., list[Any]]) -> None:
        assert at_once(*[lambda: device_cas.ensure_first(by=root)] * 4) == [None] * 4
        assert DeviceCA.objects.count() == 1
        assert AuditEvent.objects.filter(verb="device_ca.made").count() == 1
        assert audit.verify().holds


class TestSigning:
    def test_the_newest_one_that_is_valid_and_has_its_key_here_signs(self, root: Actor) -> None:
        device_cas.make("old", by=root)
        new = device_cas.make("a-new", by=root)
        device_cas.add("other", ca_certificate(), by=root)
        assert device_cas.signing_ca() == new
        DeviceCA.objects.filter(pk=new.pk).update(not_before="2020-01-01T00:00Z", not_after="2021-01-01T00:00Z")
        assert device_cas.signing_ca().name == "old"
        assert [ca.name for ca in device_cas.bundle()] == ["a-new", "old", "other"]

    def test_without_one_it_is_refused(self, root: Actor) -> None:
        device_cas.add("other", ca_certificate(), by=root)
        with pytest.raises(device_cas.NoSigningCA) as refusal:
            device_cas.signing_ca()
        assert (refusal.value.status, refusal.value.code) == (409, "no_signing_ca")

    def test_a_key_that_does_not_open_or_fit_is_told_as_such(self, root: Actor) -> None:
        ca, other = device_cas.make("one", by=root), device_cas.make("two", by=root)
        ca.sealed_key = other.sealed_key
        with pytest.raises(device_cas.KeyUnusable, match="does not fit"):
            device_cas.key_of(ca)
        ca.sealed_key = sealing.seal(b"nonsense")
        with pytest.raises(device_cas.KeyUnusable):
            device_cas.key_of(ca)
        ca.sealed_key = "nonsense"
        with pytest.raises(sealing.Broken):
            device_cas.key_of(ca)


class TestForeign:
    @pytest.mark.parametrize(
        "key",
        [
            pytest.param(ec.generate_private_key(ec.SECP256R1()), id="P-256"),
            pytest.param(ec.generate_private_key(ec.SECP384R1()), id="P-384"),
            pytest.param(ec.generate_private_key(ec.SECP521R1()), id="P-521"),
            pytest.param(rsa.generate_private_key(65537, 2048), id="RSA 2048"),
            pytest.param(Ed25519PrivateKey.generate(), id="Ed25519"),
        ],
    )
    def test_usual_keys_are_taken_by_the_real_envoy(self, root: Actor, key: Any) -> None:
        text = ca_certificate(key)
        ca = device_cas.add("plant-7", f"\n{text}\n\n", by=root)
        assert (ca.certificate, ca.signs_here, ca.subject) == (text, False, "CN=Device CA of plant 7")
        assert trial.reason_against_bundle([ca.certificate]) is None
        [event] = told()
        assert (event.verb, event.after["signs_here"]) == ("device_ca.added", False)

    @pytest.mark.parametrize(
        ("pem", "said"),
        [
            pytest.param("", "not one PEM", id="nothing"),
            pytest.param("hello", "not one PEM", id="text"),
            pytest.param(ca_certificate() + ca_certificate(), "more than one", id="two"),
            pytest.param("Subject: x\n" + ca_certificate(), "nothing around", id="text around"),
            pytest.param(ca_certificate().replace("\n", "\n" + " " * 17_000, 1), "over 16384", id="huge"),
            pytest.param(ca_certificate()[:300] + "\n-----END CERTIFICATE-----", "decoded", id="truncated"),
            pytest.param(ca_certificate().replace("\n", "\n\0", 1), "not one PEM", id="NUL"),
            pytest.param(private_pem(new_key()), "private key", id="a key"),
            pytest.param(ca_certificate() + private_pem(new_key()), "private key", id="with its key"),
            pytest.param(ca_certificate(ca=False), "CA:TRUE", id="no CA"),
            pytest.param(ca_certificate(ca=None), "CA:TRUE", id="no basic constraints"),
            pytest.param(ca_certificate(uses=("digital_signature",)), "keyCertSign", id="may not sign"),
            pytest.param(ca_certificate(rsa.generate_private_key(65537, 1024)), "2048", id="RSA 1024"),
            pytest.param(ca_certificate(ec.generate_private_key(ec.SECP256K1())), "P-256", id="secp256k1"),
            pytest.param(ca_certificate(ec.generate_private_key(ec.SECP224R1())), "P-256", id="P-224"),
            pytest.param(ca_certificate(days=-1), "ended on", id="ended"),
            pytest.param(ca_certificate(subject=named()), "subject is empty", id="nobody"),
            pytest.param(ca_certificate(subject=named("x\u202ey")), "invisible", id="hidden text"),
        ],
    )
    def test_others_are_refused_and_nothing_is_left(self, root: Actor, pem: str, said: str) -> None:
        assert said in invalid(pem, root)

    def test_a_key_usage_need_not_be_there(self, root: Actor) -> None:
        assert device_cas.add("plant-7", ca_certificate(uses=None), by=root)

    def test_what_envoy_would_not_take_is_refused_in_its_words(
        self, root: Actor, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        picky = tmp_path / "envoy"
        picky.write_text("#!/bin/sh\necho 'error: no such trust' >&2\nexit 1\n")
        picky.chmod(0o755)
        monkeypatch.setattr("django.conf.settings.ENVOY", str(picky))
        assert "no such trust" in invalid(ca_certificate(), root)

    @pytest.mark.parametrize("name", ["", "-x", "X", "a b", "ä", "a" * 64, "a\n", "../x"])
    def test_a_name_that_is_none_is_refused(self, root: Actor, name: str) -> None:
        with pytest.raises(Invalid) as refusal:
            device_cas.add(name, ca_certificate(), by=root)
        assert "name" in (refusal.value.invalid or {})
        with pytest.raises(Invalid):
            device_cas.make(name, by=root)

    def test_a_name_or_a_certificate_stands_once(self, root: Actor) -> None:
        text = ca_certificate()
        device_cas.add("plant-7", text, by=root)
        with pytest.raises(device_cas.NameTaken) as refusal:
            device_cas.make("plant-7", by=root)
        assert (refusal.value.status, refusal.value.code) == (409, "device_ca_exists")
        with pytest.raises(device_cas.Exists, match="as plant-7"):
            device_cas.add("plant-8", text, by=root)

    def test_one_that_the_doors_would_take_for_another_is_refused(self, root: Actor) -> None:
        device_cas.add("plant-7", ca_certificate(with_key_id=False), by=root)
        with pytest.raises(device_cas.Exists, match="plant-7 has the same subject and another key"):
            device_cas.add("plant-7-new", ca_certificate(), by=root)

    @pytest.mark.parametrize("name", ["DEVICE ca OF PLANT 7", "Device  CA of   plant 7", " Device CA of plant 7 "])
    def test_names_are_compared_as_the_doors_compare_them(self, root: Actor, name: str) -> None:
        device_cas.add("plant-7", ca_certificate(with_key_id=False), by=root)
        with pytest.raises(device_cas.Exists, match="plant-7 has the same subject and another key"):
            device_cas.add("plant-7-new", ca_certificate(subject=named(name), with_key_id=False), by=root)
        device_cas.add("plant-70", ca_certificate(subject=named("Device CA of plant 70"), with_key_id=False), by=root)

    def test_the_successor_of_a_ca_may_have_its_subject_and_a_key_that_is_told_apart(self, root: Actor) -> None:
        key = new_key()
        device_cas.add("plant-7", ca_certificate(key), by=root)
        device_cas.add("plant-7-new-key", ca_certificate(), by=root)
        device_cas.add("plant-7-same-key", ca_certificate(key), by=root)
        assert DeviceCA.objects.count() == 3

    @pytest.mark.django_db(transaction=True)
    def test_of_two_who_add_the_same_at_once_one_is_refused(
        self, root: Actor, at_once: Callable[..., list[Any]]
    ) -> None:
        text = ca_certificate()
        outcomes = at_once(*[lambda: device_cas.add("plant-7", text, by=root)] * 2)
        assert sorted(type(outcome).__name__ for outcome in outcomes) in (
            ["DeviceCA", "Exists"],
            ["DeviceCA", "NameTaken"],
        )
        assert DeviceCA.objects.count() == len(told()) == 1


GOOD = ca_certificate()


@settings(max_examples=many(80))
@given(at=st.integers(0, len(GOOD) - 1), text=st.text(max_size=8), cut=st.integers(0, 8))
def test_a_certificate_that_was_changed_anywhere_is_read_or_refused_in_words(at: int, text: str, cut: int) -> None:
    said = "."
    try:
        ca_certificates.read(GOOD[:at] + text + GOOD[at + cut :], datetime.now(UTC))
    except ca_certificates.Unusable as refusal:
        said = str(refusal)
    assert said.endswith(".")


class TestWithdrawing:
    def test_the_row_and_the_key_in_it_go_and_the_trail_says_why(self, root: Actor) -> None:
        ca = device_cas.make("plant-7", by=root)
        device_cas.withdraw(ca, by=root, reason="It was copied.")
        assert not DeviceCA.objects.exists()
        event: Any = AuditEvent.objects.get(verb="device_ca.withdrawn")
        assert (event.subject_id, event.reason, event.before["fingerprint"]) == (
            "plant-7",
            "It was copied.",
            ca.fingerprint,
        )

    def test_a_second_time_it_is_unknown(self, root: Actor) -> None:
        ca = device_cas.make("plant-7", by=root)
        device_cas.withdraw(ca, by=root)
        ca.pk = 1
        with pytest.raises(device_cas.Unknown):
            device_cas.withdraw(ca, by=root)
        with pytest.raises(device_cas.Unknown):
            device_cas.find("plant-7")
        assert len(told()) == 2

    def test_one_that_ended_stays_until_it_is_withdrawn(self, root: Actor) -> None:
        device_cas.add("plant-7", ca_certificate(days=3), by=root)
        with time_machine.travel(timezone.now() + timedelta(days=30)):
            assert [ca.name for ca in device_cas.bundle()] == ["plant-7"]


class TestTheDoctor:
    @staticmethod
    def says() -> str | None:
        return {finding.about: finding.wrong for finding in doctor.examine()}["device CAs"]

    def test_is_content_with_one_that_signs(self, root: Actor) -> None:
        device_cas.ensure_first(by=root)
        assert self.says() is None

    def test_misses_one_that_signs(self, root: Actor) -> None:
        device_cas.add("other", ca_certificate(), by=root)
        assert "make one" in (self.says() or "")

    def test_notices_a_key_that_does_not_fit_or_open(self, root: Actor) -> None:
        device_cas.ensure_first(by=root)
        DeviceCA.objects.update(sealed_key=sealing.seal(b"nonsense"))
        assert "does not fit" in (self.says() or "")
        DeviceCA.objects.update(sealed_key="nonsense")
        assert "GATEHOUSE_MASTER_KEY" in (self.says() or "")

    def test_warns_before_it_ends(self, root: Actor) -> None:
        device_cas.ensure_first(by=root)
        DeviceCA.objects.update(not_after=timezone.now() + timedelta(days=29))
        assert "make the next one" in (self.says() or "")
