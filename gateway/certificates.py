"""The certificate that Gatehouse makes for each TLS door, so that TLS works from the first minute.

Its renewals keep the key, so a client that pinned it goes on. One that an operator installed is never touched.
"""

import ipaddress
import socket
from collections.abc import Iterable
from contextlib import suppress
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
from django.db.models import QuerySet
from django.utils import timezone

from gateway import addresses, certificate_parts, run_folder
from gateway.models import GatewayNode, Role, TlsCertificate
from portal import audit, sealing, whole_file
from portal.actor import Actor
from portal.refusal import Refusal

LIFE = timedelta(days=365)
RENEWED_BEFORE = timedelta(days=30)
ALWAYS = ("localhost", "127.0.0.1", "::1", "edge-iot-core.proxy-redirect")


def ensure_default(*, by: Actor) -> TlsCertificate:
    """Make the door's own certificate if there is none, if it ends within 30 days, or if it lacks a name of today."""
    names = wanted_names()
    now = timezone.now()
    with transaction.atomic():
        own = _own().filter(node=None).first()
        if own is not None and settings.ON_SERVER:
            names = list(dict.fromkeys([*own.names, *names]))  # Other hosts show it too.
        if own is None or own.not_after - now < RENEWED_BEFORE or not set(names) <= set(own.names):
            own = _issue(own, names, now, by=by)
    return own


def make_for(node: GatewayNode, names: Iterable[str], *, by: Actor) -> TlsCertificate:
    """Make the one of a remote node's door, or make it anew with the same key if it lacks one of these names."""
    wanted = list(dict.fromkeys(name for name in (*ALWAYS[:3], node.name, *names) if _alternative(name)))
    with transaction.atomic():
        own = _own().filter(node=node).first()
        if own is None or not set(wanted) <= set(own.names):
            known = own.names if own else []
            own = _issue(own, list(dict.fromkeys([*wanted, *known])), timezone.now(), by=by, node=node)
    return own


def renew_due(*, by: Actor) -> bool:
    """Renew those that end within 30 days; each keeps its names. Whether any did."""
    now, renewed = timezone.now(), False
    with transaction.atomic():
        for own in _own().filter(not_after__lt=now + RENEWED_BEFORE).order_by("pk"):
            _issue(own, own.names, now, by=by, node=own.node)
            renewed = True
    return renewed


def subject(node: GatewayNode | None) -> tuple[str, str]:
    """By which the history knows the certificate of a door."""
    return ("certificate", f"{Role.DOOR} of {node}" if node else Role.DOOR)


def fits(certificate: TlsCertificate) -> bool:
    """Whether the stored key belongs to the stored certificate; a key that does not open is refused."""
    plain = sealing.unseal(certificate.sealed_key)
    try:
        key, first = (
            # It was judged when it was installed, and nobody but us could seal another.
            load_pem_private_key(plain, password=None, unsafe_skip_rsa_key_validation=True),
            x509.load_pem_x509_certificate(certificate.chain.encode()),
        )
        return key.public_key() == first.public_key()
    except (ValueError, TypeError):
        return False


class Unusable(Refusal):
    """The door would stay shut with this certificate."""

    code = "certificate_unusable"


def refuse_unusable() -> None:
    """Refuse a stored certificate whose key does not open or belongs to another, before a door waits for it in vain."""
    shown = TlsCertificate.objects.shown(Role.DOOR)
    if shown and not fits(shown):
        raise Unusable(
            "The certificate of the TLS door does not fit its key; install it again with install_certificate, or "
            "restore the database from your backup."
        )


def publish() -> None:
    """Put the chain that the door shows into the run folder, for clients that want to trust it."""
    shown = TlsCertificate.objects.shown(Role.DOOR)
    path = run_folder.DOOR_CHAIN
    # A command may be run where no door is.
    is_new = shown is not None and path.parent.is_dir() and not (path.exists() and path.read_text() == shown.chain)
    if shown is not None and is_new:
        whole_file.write(path, shown.chain, mode=0o644)


def wanted_names() -> list[str]:
    """The names and addresses by which people may come to this machine."""
    host, whole = socket.gethostname(), socket.getfqdn()
    public = urlsplit(settings.PUBLIC_URL).hostname or ""
    names = [*ALWAYS, host, whole, public, *addresses.of_door(settings.BIND)]
    return list(dict.fromkeys(name for name in names if _alternative(name)))


def is_host(name: str) -> bool:
    """Whether a certificate can carry this name: an address, or what may be a host's."""
    return _alternative(name) is not None


def _own() -> QuerySet[TlsCertificate]:
    """Those that Gatehouse made, locked."""
    made: QuerySet[TlsCertificate] = TlsCertificate.objects.select_for_update(of=("self",)).filter(
        role=Role.DOOR, installed=False
    )
    return made


def _issue(
    own: TlsCertificate | None, names: list[str], now: datetime, *, by: Actor, node: GatewayNode | None = None
) -> TlsCertificate:
    key = _key_of(own)
    certificate = make(key, node.name if node else socket.gethostname(), names, now)
    facts = {
        "chain": certificate.public_bytes(Encoding.PEM).decode(),
        "sealed_key": own.sealed_key if own else sealing.seal(_pem(key)),
        "fingerprint": certificate.fingerprint(SHA256()).hex(),
        "subject": certificate.subject.rfc4514_string(),
        "names": names,
        "not_before": certificate.not_valid_before_utc,
        "not_after": certificate.not_valid_after_utc,
        "created_at": now,
        "created_by": str(by),
    }
    issued: TlsCertificate
    issued, _ = TlsCertificate.objects.update_or_create(role=Role.DOOR, installed=False, node=node, defaults=facts)
    audit.record(
        by,
        "certificate.renewed" if own else "certificate.made",
        subject(node),
        before={"fingerprint": own.fingerprint, "not_after": own.not_after} if own else None,
        after={"fingerprint": issued.fingerprint, "not_after": issued.not_after, "names": names},
    )
    return issued


def make(key: ec.EllipticCurvePrivateKey, host: str, names: Iterable[str], now: datetime) -> x509.Certificate:
    """A self-signed certificate for servers, of no CA."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64] or "gatehouse")])
    alternatives = [made for name_ in names if (made := _alternative(name_))]
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(certificate_parts.serial_number())
        .not_valid_before(now - certificate_parts.BACKDATED)
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(certificate_parts.key_usage("digital_signature"), critical=True)
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
    """The name as a certificate carries it; None if it is no host name, or an address with a zone of this machine."""
    with suppress(ValueError):
        return None if "%" in name else x509.IPAddress(ipaddress.ip_address(name))
    fit = name.isascii() and len(name) <= 253 and all(char.isalnum() or char in "-._" for char in name)
    return x509.DNSName(name) if name and fit else None
