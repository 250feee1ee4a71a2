"""Certificates for devices: what stands in them, who gets none, and what a renewal with another key brings."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from django.db import transaction
from django.utils import timezone

from devices import admission, contact, keychange, keys
from devices.models import Device, KeyChange, KeyChangeRequest
from gateway import device_cas, device_certificates
from gateway.models import DeviceCA, IssuedCertificate
from portal.actor import Actor
from portal.models import AuditEvent
from portal.refusal import Invalid, TooMany
from tests.gateway.authorities import csr, named, new_key, private_pem

pytestmark = pytest.mark.django_db

PRESS = Actor.device("press-1", "192.0.2.9")


@pytest.fixture(autouse=True)
def ca(root: Actor) -> DeviceCA:
    device_cas.ensure_first(by=root)
    return device_cas.signing_ca()


def public(key: ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture
def accepted(make_device: Callable[..., Device]) -> tuple[Device, ec.EllipticCurvePrivateKey]:
    """A device that is served, and its key."""
    key = new_key()
    return make_device("press-1", {}, public(key), status="accepted"), key


def leaf(signed: device_certificates.Signed) -> x509.Certificate:
    return x509.load_pem_x509_certificate(signed.certificate.encode())


class TestSigning:
    def test_the_certificate_says_who_the_device_is_and_nothing_that_was_asked_beyond(
        self, root: Actor, ca: DeviceCA
    ) -> None:
        key = new_key()
        asked = x509.CertificateSigningRequestBuilder().subject_name(
            x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Me"), *named("press-1")])
        )
        asked = asked.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        asked = asked.add_extension(x509.SubjectAlternativeName([x509.DNSName("press-2")]), critical=False)
        from_device = asked.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()
        with time_machine.travel(datetime(2027, 3, 1, 12, tzinfo=UTC), tick=False):
            signed = device_certificates.sign("press-1", from_device, by=root)
        certificate = leaf(signed)
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(ca.certificate.encode()))
        assert certificate.subject == named("press-1")
        assert certificate.public_key() == key.public_key()
        assert certificate.serial_number.bit_length() <= 128
        assert signed.serial == f"{certificate.serial_number:032x}"
        assert signed.ca == ca.certificate
        assert (signed.not_before, signed.not_after) == (
            datetime(2027, 3, 1, 11, 55, tzinfo=UTC), datetime(2028, 2, 29, 12, tzinfo=UTC)
        )  # fmt: skip
        assert (certificate.not_valid_before_utc, certificate.not_valid_after_utc) == (
            signed.not_before, signed.not_after
        )  # fmt: skip
        assert {each.oid: each.critical for each in certificate.extensions} == {
            ExtensionOID.BASIC_CONSTRAINTS: True,
            ExtensionOID.KEY_USAGE: True,
            ExtensionOID.EXTENDED_KEY_USAGE: False,
            ExtensionOID.SUBJECT_KEY_IDENTIFIER: False,
            ExtensionOID.AUTHORITY_KEY_IDENTIFIER: False,
        }
        assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        assert (usage.digital_signature, usage.key_cert_sign, usage.key_agreement) == (True, False, False)
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]

    def test_serials_are_random(self, root: Actor) -> None:
        request = csr("press-1")
        serials = {int(device_certificates.sign("press-1", request, by=root).serial, 16) for _ in range(8)}
        assert len(serials) == 8
        assert max(serials).bit_length() > 110

    def test_it_is_kept_and_told_and_makes_no_device(self, root: Actor, ca: DeviceCA) -> None:
        key = new_key()
        signed = device_certificates.sign("press-1", csr("press-1", key=key), by=root)
        [kept] = device_certificates.issued_to("press-1")
        assert list(device_certificates.issued_by(ca)) == [kept]
        assert (kept.serial, kept.fingerprint, kept.issued_by) == (signed.serial, signed.fingerprint, "command test")
        assert kept.key_fingerprint == keys.fingerprint(public(key))
        event: Any = AuditEvent.objects.get(verb="certificate.issued")
        assert (event.subject_kind, event.subject_id) == ("device", "press-1")
        assert event.after["serial"] == signed.serial
        assert event.after["fingerprint"] == signed.fingerprint
        assert event.after["device_ca"] == "gatehouse"
        assert not Device.objects.exists()

    @pytest.mark.parametrize("status", ["pending", "accepted", "rejected", "preauthorized"])
    def test_whatever_the_admission_it_is_signed_and_changes_no_device(
        self, root: Actor, make_device: Callable[..., Device], status: str
    ) -> None:
        device = make_device("press-1", {}, public(new_key()), status=status)
        device_certificates.sign("press-1", csr("press-1"), by=root)
        after = Device.objects.get()
        assert (after.status, after.revision, after.fingerprint) == (status, device.revision, device.fingerprint)
        assert not KeyChangeRequest.objects.exists()

    def test_a_denied_device_gets_none(self, root: Actor, make_device: Callable[..., Device]) -> None:
        make_device("press-1", status="accepted", denied_at=timezone.now())
        with pytest.raises(admission.Denied) as refusal:
            device_certificates.sign("press-1", csr("press-1"), by=root)
        assert (refusal.value.status, refusal.value.code) == (409, "device_denied")
        assert not IssuedCertificate.objects.exists()

    def test_without_a_signing_ca_there_is_none(self, root: Actor, ca: DeviceCA) -> None:
        device_cas.withdraw(ca, by=root)
        with pytest.raises(device_cas.NoSigningCA):
            device_certificates.sign("press-1", csr("press-1"), by=root)
        assert not IssuedCertificate.objects.exists()

    @pytest.mark.parametrize(("days", "lives"), [(1, 1), (365, 365), (730, 730)])
    def test_it_lives_as_long_as_asked(self, root: Actor, days: int, lives: int) -> None:
        signed = device_certificates.sign("press-1", csr("press-1"), days=days, by=root)
        assert signed.not_after - signed.not_before == timedelta(days=lives, minutes=5)

    @pytest.mark.parametrize("days", [-1, 0, 731, 10**9])
    def test_days_out_of_range_are_refused(self, root: Actor, days: int) -> None:
        with pytest.raises(Invalid) as refusal:
            device_certificates.sign("press-1", csr("press-1"), days=days, by=root)
        assert list(refusal.value.invalid or {}) == ["days"]

    def test_it_never_outlives_the_ca(self, root: Actor, ca: DeviceCA) -> None:
        with time_machine.travel(ca.not_after - timedelta(days=10)):
            signed = device_certificates.sign("press-1", csr("press-1"), by=root)
        assert signed.not_after == ca.not_after
        with time_machine.travel(ca.not_after), pytest.raises(device_cas.NoSigningCA):
            device_certificates.sign("press-1", csr("press-1"), by=root)

    @pytest.mark.parametrize(
        ("device_id", "request_text"),
        [
            ("press-1", csr("press-2")),
            ("press-1", csr("PRESS-1")),
            ("press-1", csr("press-1 ")),
            ("press-1", csr("press-1\0")),
            ("press-1", csr()),
            ("press-1", private_pem(new_key())),
            ("a" * 65, csr("a" * 64)),
            ("../x", csr("../x")),
            ("", csr()),
        ],
    )
    def test_a_request_that_does_not_fit_is_refused_under_its_name(
        self, root: Actor, device_id: str, request_text: str
    ) -> None:
        with pytest.raises(Invalid) as refusal:
            device_certificates.sign(device_id, request_text, by=root)
        assert list(refusal.value.invalid or {}) == ["csr"]
        assert not IssuedCertificate.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_of_signing_and_withdrawing_at_once_the_later_one_knows_of_the_other(
        self, root: Actor, at_once: Callable[..., list[Any]]
    ) -> None:
        device_cas.ensure_first(by=root)
        ca = device_cas.signing_ca()
        request = csr("press-1")
        signed, _ = at_once(
            lambda: device_certificates.sign("press-1", request, by=root), lambda: device_cas.withdraw(ca, by=root)
        )
        verbs = list(AuditEvent.objects.order_by("number").values_list("verb", flat=True))
        if isinstance(signed, device_certificates.Signed):
            assert verbs == ["device_ca.made", "certificate.issued", "device_ca.withdrawn"]
        else:
            assert isinstance(signed, device_cas.NoSigningCA)
            assert verbs == ["device_ca.made", "device_ca.withdrawn"]


class TestRenewing:
    def test_with_the_same_key_nothing_else_changes(self, accepted: tuple[Device, ec.EllipticCurvePrivateKey]) -> None:
        device, key = accepted
        signed = device_certificates.renew(device, csr("press-1", key=key), by=PRESS)
        assert leaf(signed).public_key() == key.public_key()
        assert signed.not_after - signed.not_before == timedelta(days=365, minutes=5)
        assert not KeyChangeRequest.objects.exists()
        events = AuditEvent.objects.exclude(verb="device_ca.made").order_by("number")
        assert list(events.values_list("verb", flat=True)) == ["certificate.issued"]
        assert Device.objects.get().revision == device.revision

    def test_with_another_key_a_change_is_asked_for_as_proven(
        self, accepted: tuple[Device, ec.EllipticCurvePrivateKey], root: Actor
    ) -> None:
        device, old = accepted
        new = new_key()
        assert leaf(device_certificates.renew(device, csr("press-1", key=new), by=PRESS))
        [change] = KeyChangeRequest.objects.all()
        assert (change.proven, change.state, change.seen_from) == (True, KeyChange.OPEN, "192.0.2.9")
        assert change.new_fingerprint == keys.fingerprint(public(new))
        assert contact.meet("press-1", keys.read(public(old)), ca="", address="").device == device
        with pytest.raises(contact.KeyChangePending):
            contact.meet("press-1", keys.read(public(new)), ca="", address="")
        keychange.accept(change, by=root)
        assert contact.meet("press-1", keys.read(public(new)), ca="", address="").device == device
        with pytest.raises(contact.KeyRefused):
            contact.meet("press-1", keys.read(public(old)), ca="", address="")

    def test_a_key_that_came_before_is_marked_as_proven_now(
        self, accepted: tuple[Device, ec.EllipticCurvePrivateKey]
    ) -> None:
        device, _ = accepted
        new = new_key()
        keychange.propose(device, keys.read(public(new)), by=PRESS)
        for _ in range(2):
            device_certificates.renew(device, csr("press-1", key=new), by=PRESS)
        [change] = KeyChangeRequest.objects.all()
        assert change.proven
        assert AuditEvent.objects.filter(verb="key_change.proven").count() == 1
        assert IssuedCertificate.objects.count() == 2

    def test_a_key_that_was_refused_or_replaced_gets_no_certificate(
        self, accepted: tuple[Device, ec.EllipticCurvePrivateKey]
    ) -> None:
        device, _ = accepted
        gone = new_key()
        keychange.retire(device, keys.fingerprint(public(gone)))
        with pytest.raises(contact.KeyRefused) as refusal, transaction.atomic():
            device_certificates.renew(device, csr("press-1", key=gone), by=PRESS)
        assert (refusal.value.status, refusal.value.code) == (403, "key_refused")
        assert not IssuedCertificate.objects.exists()
        assert not KeyChangeRequest.objects.exists()

    def test_strangers_cannot_keep_a_device_from_its_next_key(
        self, accepted: tuple[Device, ec.EllipticCurvePrivateKey]
    ) -> None:
        device, _ = accepted
        for _ in range(keychange.MOST_OPEN):
            keychange.propose(device, keys.read(public(new_key())), by=PRESS)
        device_certificates.renew(device, csr("press-1"), by=PRESS)
        states = list(KeyChangeRequest.objects.order_by("pk").values_list("state", "proven"))
        assert states == [("superseded", False), *[("open", False)] * 4, ("open", True)]

    def test_where_five_proven_keys_wait_there_is_neither_a_sixth_nor_a_certificate_for_it(
        self, accepted: tuple[Device, ec.EllipticCurvePrivateKey]
    ) -> None:
        device, key = accepted
        for _ in range(5):
            device_certificates.renew(device, csr("press-1"), by=PRESS)
        with pytest.raises(keychange.TooManyOpen) as refusal:
            device_certificates.renew(device, csr("press-1"), by=PRESS)
        assert (refusal.value.status, refusal.value.code) == (409, "too_many_key_changes")
        assert KeyChangeRequest.objects.count() == IssuedCertificate.objects.count() == 5
        assert device_certificates.renew(device, csr("press-1", key=key), by=PRESS)

    def test_a_device_that_renews_all_the_time_has_to_wait(
        self, accepted: tuple[Device, ec.EllipticCurvePrivateKey], root: Actor
    ) -> None:
        device, key = accepted
        request = csr("press-1", key=key)
        with time_machine.travel(datetime(2027, 3, 1, 12, tzinfo=UTC), tick=False) as now:
            for _ in range(20):
                device_certificates.renew(device, request, by=PRESS)
                now.shift(60)
            with pytest.raises(TooMany) as refusal:
                device_certificates.renew(device, request, by=PRESS)
            assert refusal.value.retry_after == 86400 - 20 * 60 + 1
            device_certificates.sign("press-1", request, by=root)
            now.shift(86400)
            assert device_certificates.renew(device, request, by=PRESS)

    def test_the_name_must_be_the_one_of_the_present_certificate(
        self, accepted: tuple[Device, ec.EllipticCurvePrivateKey]
    ) -> None:
        device, key = accepted
        with pytest.raises(Invalid, match="must be press-1"):
            device_certificates.renew(device, csr("press-2", key=key), by=PRESS)

    @pytest.mark.django_db(transaction=True)
    def test_a_new_key_and_a_withdrawal_at_once_never_wait_for_each_other(
        self, make_device: Callable[..., Device], root: Actor, at_once: Callable[..., list[Any]]
    ) -> None:
        ca, key, request = device_cas.signing_ca(), new_key(), csr("press-1")
        device = make_device("press-1", {}, public(key), status="accepted")

        is_held, comes = threading.Event(), threading.Event()

        def withdraw() -> None:
            with transaction.atomic():
                DeviceCA.objects.select_for_update().get(pk=ca.pk)
                is_held.set()
                assert comes.wait(60)
                time.sleep(0.2)  # The device waits by now.
                device_cas.withdraw(ca, by=root)

        def renew() -> Any:
            assert is_held.wait(60)
            comes.set()
            return device_certificates.renew(device, request, by=PRESS)

        _, renewed = at_once(withdraw, renew)
        assert isinstance(renewed, device_cas.NoSigningCA)
        assert not KeyChangeRequest.objects.exists()

    def test_one_that_is_denied_in_this_moment_gets_none(
        self, accepted: tuple[Device, ec.EllipticCurvePrivateKey]
    ) -> None:
        device, key = accepted
        Device.objects.filter(pk=device.pk).update(denied_at=timezone.now(), denied_by="ada")
        for request in (csr("press-1", key=key), csr("press-1")):
            with pytest.raises(admission.Denied):
                device_certificates.renew(device, request, by=PRESS)
        assert not IssuedCertificate.objects.exists()
