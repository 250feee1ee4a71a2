"""Certificates for devices: who gets one, and what stands in it (contracts: satellite, B5).

A certificate says who a device is; only admission says that it may enter. Signing creates, accepts and changes no
device.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from devices import admission, contact, keychange
from devices.keys import Key
from devices.models import Device
from devices.records import NotAdmitted
from gateway import certificate_parts, certificate_requests, device_cas
from gateway.certificate_requests import CertificateRequest
from gateway.device_identity import CN
from gateway.models import DeviceCA, IssuedCertificate
from portal import audit
from portal.actor import Actor
from portal.refusal import Invalid, TooMany

USUAL_DAYS, MOST_DAYS = 365, 730
RENEWALS_A_DAY = 20
DAY = timedelta(days=1)
KEPT = timedelta(days=365)


@dataclass(frozen=True)
class Signed:
    """A certificate that was signed now, as PEM, and the CA that signed it; `serial` and `fingerprint` are hex."""

    certificate: str
    ca: str
    serial: str
    fingerprint: str
    not_before: datetime
    not_after: datetime


def sign(device_id: str, csr: str, *, days: int = USUAL_DAYS, by: Actor) -> Signed:
    """Sign a certificate for whatever device is called so, known or not; one that is denied gets none.

    It lives so many days, and never longer than the CA.
    """
    if not CN.fullmatch(device_id):
        # No common name can be equal to it.
        raise Invalid("csr", "A certificate names a device by 1 to 64 of A-Z a-z 0-9 _ : and -; this id is another.")
    if not 1 <= days <= MOST_DAYS:
        raise Invalid("days", f"A certificate lives 1 to {MOST_DAYS} days.")
    request = _read(csr, device_id)
    with transaction.atomic():
        return _sign(device_id, request, _locked(device_id), days, by)


def renew(device: Device, csr: str, *, by: Actor) -> Signed:
    """Sign the successor of the certificate that a device has just shown, in the same name.

    With another key it also asks for the key change, as proven by the present key. A key that was refused or replaced
    gets no certificate, for none would ever be served with it.
    """
    request = _read(csr, device.pk)
    with transaction.atomic():
        ca = _locked(device.pk)
        admission.read_again(device)
        if not device.is_admitted:
            raise NotAdmitted(f"{device} is not accepted any more, so it gets no certificate.")
        if request.key.fingerprint != device.fingerprint:
            _change_key(device, request.key, by)
        _refuse_haste(device, by)
        return _sign(device.pk, request, ca, USUAL_DAYS, by)


def forget() -> None:
    """Remove the records of certificates that ended a year ago; the audit trail keeps what was signed."""
    IssuedCertificate.objects.filter(not_after__lt=timezone.now() - KEPT).delete()


def issued_to(device_id: str) -> QuerySet[IssuedCertificate]:
    """What was signed for the device, the latest first."""
    return IssuedCertificate.objects.filter(device_id=device_id).order_by("-pk")


def issued_by(ca: DeviceCA) -> QuerySet[IssuedCertificate]:
    """What the CA has signed here, the latest first."""
    return IssuedCertificate.objects.filter(ca_fingerprint=ca.fingerprint).order_by("-pk")


def _read(csr: str, device_id: str) -> CertificateRequest:
    try:
        request = certificate_requests.read(csr)
    except certificate_requests.Unusable as unusable:
        raise Invalid("csr", str(unusable)) from unusable
    if request.name != device_id:
        raise Invalid("csr", f"Its common name (CN) must be {device_id}, the id of the device.")
    return request


def _change_key(device: Device, key: Key, by: Actor) -> None:
    if keychange.is_retired(device, key.fingerprint):
        raise contact.KeyRefused(device.pk, key)
    keychange.prove(device, key, by=by)


def _refuse_haste(device: Device, by: Actor) -> None:
    """A device that renews at every call would fill the trail; it has some attempts a day."""
    now = timezone.now()
    since = now - DAY
    own = issued_to(device.pk).filter(issued_by=str(by))[:RENEWALS_A_DAY]
    lately = [each.issued_at for each in own if each.issued_at > since]
    if len(lately) == RENEWALS_A_DAY:
        wait = int((lately[-1] + DAY - now).total_seconds()) + 1
        raise TooMany(f"{device} got {RENEWALS_A_DAY} certificates within a day; use one of them.", wait)


def _locked(device_id: str) -> DeviceCA:
    """The CA that signs. The device and it are locked, so that neither is denied or withdrawn in this moment.

    Both come before anything is recorded: whoever withdraws the CA holds it while they wait for the audit trail.
    """
    device = Device.objects.select_for_update().filter(pk=device_id).first()
    if device is not None and device.is_denied:
        raise admission.Denied(device)
    ca = device_cas.signing_ca()
    if not DeviceCA.objects.select_for_update().filter(pk=ca.pk).exists():
        raise device_cas.NoSigningCA
    return ca


def _sign(device_id: str, request: CertificateRequest, ca: DeviceCA, days: int, by: Actor) -> Signed:
    certificate = _certificate(device_id, request, ca, days, timezone.now())
    issued = IssuedCertificate.objects.create(
        device_id=device_id,
        ca_fingerprint=ca.fingerprint,
        serial=f"{certificate.serial_number:032x}",
        fingerprint=certificate.fingerprint(SHA256()).hex(),
        key_fingerprint=request.key.fingerprint,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        issued_by=str(by),
    )
    facts = {"serial": issued.serial, "fingerprint": issued.fingerprint, "key_fingerprint": issued.key_fingerprint}
    audit.record(
        by,
        "certificate.issued",
        ("device", device_id),
        after={**facts, "device_ca": ca.name, "not_after": issued.not_after},
    )
    pem = certificate.public_bytes(Encoding.PEM).decode()
    return Signed(pem, ca.certificate, issued.serial, issued.fingerprint, issued.not_before, issued.not_after)


def _certificate(
    device_id: str, request: CertificateRequest, ca: DeviceCA, days: int, now: datetime
) -> x509.Certificate:
    private = device_cas.key_of(ca)
    issuer = x509.load_pem_x509_certificate(ca.certificate.encode())
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device_id)]))
        .issuer_name(issuer.subject)
        .public_key(request.public)
        .serial_number(certificate_parts.serial_number())
        .not_valid_before(now - certificate_parts.BACKDATED)
        .not_valid_after(min(now + timedelta(days=days), ca.not_after))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(certificate_parts.key_usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(request.public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(private.public_key()), critical=False)
        .sign(private, SHA256())
    )
