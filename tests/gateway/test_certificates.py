"""The door's own certificate: what stands in it, and when it is made anew."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID
from django.db import IntegrityError, transaction
from django.utils import timezone

from gateway import certificates
from gateway.models import Role, TlsCertificate
from portal import sealing
from portal.actor import Actor
from portal.models import AuditEvent

pytestmark = pytest.mark.django_db


def leaf(row: TlsCertificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(row.chain.encode())


def age(row: TlsCertificate, *, days_left: int) -> None:
    TlsCertificate.objects.filter(pk=row.pk).update(not_after=timezone.now() + timedelta(days=days_left))


def test_it_is_for_servers_and_of_no_ca(root: Actor, settings: Any) -> None:
    settings.PUBLIC_URL, settings.BIND = "https://gate.example:8443", "192.0.2.7"
    made = certificates.ensure_default(by=root)
    certificate = leaf(made)
    extensions = certificate.extensions
    assert certificate.version is x509.Version.v3
    assert certificate.issuer == certificate.subject
    certificate.verify_directly_issued_by(certificate)
    assert certificate.serial_number.bit_length() > 64
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca) == (True, False)
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "gate.example", "edge-iot-core.proxy-redirect"} <= set(names.get_values_for_type(x509.DNSName))
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert {"127.0.0.1", "::1", "192.0.2.7"} <= addresses
    began, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    assert timedelta(minutes=4) < timezone.now() - began < timedelta(minutes=6)
    assert timedelta(days=364) < ends - timezone.now() <= timedelta(days=365)


def test_its_key_is_kept_sealed(root: Actor) -> None:
    made = certificates.ensure_default(by=root)
    assert "PRIVATE" not in made.sealed_key
    key = load_pem_private_key(sealing.unseal(made.sealed_key), password=None)
    assert key.public_key() == leaf(made).public_key()


def test_it_stays_while_it_is_good(root: Actor) -> None:
    first = certificates.ensure_default(by=root)
    assert certificates.ensure_default(by=root).fingerprint == first.fingerprint
    assert not certificates.renew_due(by=root)
    assert list(AuditEvent.objects.values_list("verb", flat=True)) == ["certificate.made"]


@pytest.mark.parametrize(("days_left", "renewed"), [(31, False), (29, True), (-1, True)])
@pytest.mark.parametrize("rule", [certificates.ensure_default, certificates.renew_due])
def test_it_is_renewed_thirty_days_before_its_end_with_the_same_key(
    root: Actor, rule: Callable[..., object], days_left: int, renewed: bool
) -> None:
    first = certificates.ensure_default(by=root)
    TlsCertificate.objects.update(not_before=timezone.now() - timedelta(days=365))
    age(first, days_left=days_left)
    rule(by=root)
    now = TlsCertificate.objects.get()
    assert (now.fingerprint != first.fingerprint) is renewed
    assert leaf(now).public_key() == leaf(first).public_key()
    assert AuditEvent.objects.filter(verb="certificate.renewed").count() == int(renewed)


def test_it_is_made_anew_when_a_name_is_missing(root: Actor, settings: Any) -> None:
    first = certificates.ensure_default(by=root)
    settings.PUBLIC_URL = "https://new.example"
    second = certificates.ensure_default(by=root)
    assert "new.example" in second.names
    assert leaf(second).public_key() == leaf(first).public_key()


def test_one_that_was_installed_goes_before_it_and_is_never_touched(root: Actor) -> None:
    own = certificates.ensure_default(by=root)
    facts = {name: getattr(own, name) for name in ("chain", "sealed_key", "names", "not_before", "not_after")}
    installed = TlsCertificate.objects.create(role=Role.DOOR, installed=True, fingerprint="f" * 64, **facts)
    assert TlsCertificate.objects.shown(Role.DOOR) == installed
    age(installed, days_left=5)
    assert not certificates.renew_due(by=root)
    installed.refresh_from_db()
    assert installed.fingerprint == "f" * 64


def test_there_is_one_of_each_origin(root: Actor) -> None:
    own = certificates.ensure_default(by=root)
    own.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        own.save(force_insert=True)


def test_the_chain_is_published_for_clients_to_trust(root: Actor, settings: Any) -> None:
    settings.RUN_DIR.mkdir(parents=True, exist_ok=True)
    made = certificates.ensure_default(by=root)
    certificates.publish()
    path = settings.RUN_DIR / "door.pem"
    assert path.read_text() == made.chain
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_certificate_whose_key_is_another_is_refused_before_the_door_waits_for_it(root: Actor) -> None:
    made = certificates.ensure_default(by=root)
    certificates.refuse_unusable()
    other = ec.generate_private_key(ec.SECP256R1())
    plain = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    TlsCertificate.objects.filter(pk=made.pk).update(sealed_key=sealing.seal(plain))
    with pytest.raises(certificates.Unusable, match="does not fit its key"):
        certificates.refuse_unusable()
    TlsCertificate.objects.filter(pk=made.pk).update(chain="half a certi")
    with pytest.raises(certificates.Unusable):
        certificates.refuse_unusable()
