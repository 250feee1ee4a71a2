"""Certificates of CAs: what stands in those made here, and which of others may join them at the device door."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from devices import keys
from gateway import certificate_parts
from portal import text

LIFE = timedelta(days=3652)
MAX_BYTES = 16_384

UNREADABLE = (
    ValueError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType
)  # fmt: skip

Kind = TypeVar("Kind", bound=x509.ExtensionType)

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----", re.ASCII)


class Unusable(ValueError):
    """The text is no certificate of a CA that we take; the message is a sentence that says why."""


@dataclass(frozen=True)
class CACertificate:
    """A certificate of a CA: as PEM without anything around it, and what stands in it."""

    pem: str
    fingerprint: str
    subject: str
    key_fingerprint: str
    key_id: bytes | None
    not_before: datetime
    not_after: datetime


def read(pem: str, now: datetime) -> CACertificate:
    """One PEM `CERTIFICATE` and nothing else, of a CA that may sign and has not ended.

    Its key is RSA of 2048 to 8192 bits, EC on P-256, P-384 or P-521, or Ed25519: those the doors were seen to verify.
    """
    if keys.is_private(pem):
        raise Unusable("This holds a private key; send the certificate alone, and make a new key if others saw it.")
    if len(pem) > MAX_BYTES:
        raise Unusable(f"It is over {MAX_BYTES} bytes; send one certificate.")
    if pem.count("-----BEGIN") > 1:
        raise Unusable("It holds more than one PEM block; add each CA by itself.")
    if not _PEM.fullmatch(pem.strip()):
        raise Unusable("It is not one PEM CERTIFICATE with nothing around it.")
    try:
        certificate = x509.load_pem_x509_certificate(pem.strip().encode())
        return _judged(certificate, now)
    except Unusable:
        raise
    except UNREADABLE as broken:
        raise Unusable("It cannot be decoded as a certificate.") from broken


def of(certificate: x509.Certificate) -> CACertificate:
    """What is kept of a certificate."""
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    named = _extension(certificate.extensions, x509.SubjectKeyIdentifier)
    return CACertificate(
        certificate.public_bytes(Encoding.PEM).decode(),
        certificate.fingerprint(SHA256()).hex(),
        certificate.subject.rfc4514_string(),
        keys.digest(spki),
        named.digest if named else None,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )


def self_signed(private: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    """A CA that signs devices and no further CA. Its name is its own, so that no two are taken for each other."""
    public = private.public_key()
    key_id = x509.SubjectKeyIdentifier.from_public_key(public)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Gatehouse device CA {key_id.digest.hex()[:8]}")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(certificate_parts.serial_number())
        .not_valid_before(now - certificate_parts.BACKDATED)
        .not_valid_after(now + LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(certificate_parts.key_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(key_id, critical=False)
        .sign(private, SHA256())
    )


def _judged(certificate: x509.Certificate, now: datetime) -> CACertificate:
    constraints = _extension(certificate.extensions, x509.BasicConstraints)
    usage = _extension(certificate.extensions, x509.KeyUsage)
    if constraints is None or not constraints.ca:
        raise Unusable("It is not the certificate of a CA: its basic constraints do not say CA:TRUE.")
    if usage is not None and not usage.key_cert_sign:
        raise Unusable("Its key usage does not allow it to sign certificates (keyCertSign).")
    _judge_key(certificate.public_key())
    read = of(certificate)
    if not read.subject:
        raise Unusable("Its subject is empty, so no certificate can name it as its issuer.")
    if wrong := text.fault(read.subject, most=500):
        raise Unusable(f"Its subject is not taken: {wrong}")
    if read.not_after <= now:
        raise Unusable(f"It ended on {read.not_after:%Y-%m-%d}; add the CA that took its place.")
    if read.not_after <= read.not_before:
        raise Unusable("It ends before it begins.")
    return read


def _judge_key(public: object) -> None:
    try:
        keys.judge(public, rsa="Its RSA key", curve="Its EC key", other="Its key")
    except keys.Unusable as unfit:
        raise Unusable(f"{unfit}.") from unfit


def _extension(extensions: x509.Extensions, kind: type[Kind]) -> Kind | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
