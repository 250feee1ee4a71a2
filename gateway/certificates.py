"""The certificate of the TLS door that Gatehouse makes for itself, so that TLS works from the first minute.

Its renewals keep the key, so a client that pinned it goes on. One that an operator installed is never touched.
"""

import ipaddress
import os
import socket
from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from gateway import addresses, run_folder
from gateway.models import Role, TlsCertificate
from portal import audit, sealing
from portal.actor import Actor
from portal.refusal import Refusal

LIFE = timedelta(days=365)
RENEWED_BEFORE = timedelta(days=30)
BACKDATED = timedelta(minutes=5)
ALWAYS = ("localhost", "127.0.0.1", "::1", "edge-iot-core.proxy-redirect")


def ensure_default(*, by: Actor) -> TlsCertificate:
    """Make the door's own certificate if there is none, if it ends within 30 days, or if it lacks a name of today."""
    names = wanted_names()
    now = timezone.now()
    with transaction.atomic():
        own = TlsCertificate.objects.select_for_update().filter(role=Role.DOOR, installed=False).first()
        if own is None or own.not_after - now < RENEWED_BEFORE or not set(names) <= set(own.names):
            own = _issue(own, names, now, by=by)
    return own


def renew_due(*, by: Actor) -> bool:
    """Renew the door's own certificate when it ends within 30 days; keeps its names."""
    now = timezone.now()
    with transaction.atomic():
        own = TlsCertificate.objects.select_for_update().filter(role=Role.DOOR, installed=False).first()
        if own is None or own.not_after - now >= RENEWED_BEFORE:
            return False
        _issue(own, own.names, now, by=by)
    return True


class Unusable(Refusal):
    """The door would stay shut with this certificate."""

    code = "certificate_unusable"


def refuse_unusable() -> None:
    """Refuse a stored certificate whose key does not open or belongs to another, before a door waits for it in vain."""
    shown = TlsCertificate.objects.shown(Role.DOOR)
    if shown is None:
        return
    plain = sealing.unseal(shown.sealed_key)
    try:
        key, first = load_pem_private_key(plain, password=None), x509.load_pem_x509_certificate(shown.chain.encode())
        fits = key.public_key() == first.public_key()
    except (ValueError, TypeError):
        fits = False
    if not fits:
        raise Unusable("The certificate of the TLS door does not fit its key; restore the database from your backup.")


def publish() -> None:
    """Put the chain that the door shows into the run folder, for clients that want to trust it."""
    shown = TlsCertificate.objects.shown(Role.DOOR)
    path = run_folder.DOOR_CHAIN
    if shown is not None and not (path.exists() and path.read_text() == shown.chain):
        run_folder.write(path, shown.chain, mode=0o644)


def wanted_names() -> list[str]:
    """The names and addresses by which people may come to this machine."""
    host, whole = socket.gethostname(), socket.getfqdn()
    public = urlsplit(settings.PUBLIC_URL).hostname or ""
    names = [*ALWAYS, host, whole, public, *addresses.of_door(settings.BIND)]
    return list(dict.fromkeys(name for name in names if _alternative(name)))


def _issue(own: TlsCertificate | None, names: list[str], now: datetime, *, by: Actor) -> TlsCertificate:
    key = _key_of(own)
    certificate = make(key, socket.gethostname(), names, now)
    facts = {
        "chain": certificate.public_bytes(Encoding.PEM).decode(),
        "sealed_key": own.sealed_key if own else sealing.seal(_pem(key)),
        "fingerprint": certificate.fingerprint(SHA256()).hex(),
        "subject": certificate.subject.rfc4514_string(),
        "names": names,
        "not_before": certificate.not_valid_before_utc,
        "not_after": certificate.not_valid_after_utc,
    }
    issued, _ = TlsCertificate.objects.update_or_create(role=Role.DOOR, installed=False, defaults=facts)
    audit.record(
        by,
        "certificate.renewed" if own else "certificate.made",
        ("certificate", Role.DOOR),
        before={"fingerprint": own.fingerprint, "not_after": own.not_after} if own else None,
        after={"fingerprint": issued.fingerprint, "not_after": issued.not_after, "names": names},
    )
    return issued


def make(key: ec.EllipticCurvePrivateKey, host: str, names: Iterable[str], now: datetime) -> x509.Certificate:
    """A self-signed certificate for servers, of no CA."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64] or "gatehouse")])
    usage = dict.fromkeys(
        (
            "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
            "crl_sign", "encipher_only", "decipher_only",
        ),
        False,
    )  # fmt: skip
    alternatives = [made for name_ in names if (made := _alternative(name_))]
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(os.urandom(16)) >> 1 or 1)
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, SHA256())
    )


def _key_of(own: TlsCertificate | None) -> ec.EllipticCurvePrivateKey:
    if own is None:
        return ec.generate_private_key(ec.SECP256R1())
    key = load_pem_private_key(sealing.unseal(own.sealed_key), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("Gatehouse's own certificates have keys on P-256.")
    return key


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _alternative(name: str) -> x509.GeneralName | None:
    """The name as a certificate carries it; None if it is no host name."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    fit = name.isascii() and len(name) <= 253 and all(char.isalnum() or char in "-._" for char in name)
    return x509.DNSName(name) if name and fit else None
