"""Who presents a client certificate at the device door (contracts: exactly one CN, an accepted key, a CA of ours).

Envoy has checked the signature and the dates at the handshake, and hands the certificate on with each request. All is
judged again at every request, for what was true when the connection was made need not be true any more.
"""

import hashlib
import re
import threading
import time
import warnings
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.utils import timezone

from devices import keys
from gateway.models import DeviceCA
from portal.refusal import Refusal

CN = re.compile(r"[A-Za-z0-9_:-]{1,64}")  # X.509 ends a common name at 64 characters.
BUNDLE_HELD = 1.0
REMEMBERED = 16_384

# A name of another length than X.509 allows is refused below; a line in the log would let clients fill it.
warnings.filterwarnings("ignore", message="Attribute's length must be", category=UserWarning)

# What reading a certificate may raise: a member that is looked at late may be broken by itself.
BROKEN = (
    ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)  # fmt: skip

_CERTIFICATE = re.compile(r'(?:\A|;)Cert="([^"]+)"')


class NoCertificate(Refusal):
    status, code = 403, "no_certificate"

    def __init__(self) -> None:
        super().__init__(
            "Present a client certificate of a device CA of this installation, for a key on P-256 or P-384 or RSA; "
            "enrol_device signs one."
        )


class NotAccepted(Refusal):
    """The certificate came through the handshake and says nothing that a device may say."""

    status, code = 403, "certificate_not_accepted"


@dataclass(frozen=True)
class Presented:
    """A certificate whose own contents are in order: the device's id and its key, and when it holds."""

    id: str
    key: keys.Key
    not_before: datetime
    not_after: datetime


class Issuer(NamedTuple):
    """A CA of the bundle: the SHA-256 of its certificate, and the certificate as PEM."""

    fingerprint: str
    certificate: str


def read(forwarded: str, now: datetime) -> tuple[Presented, str]:
    """Who presents the certificate that Envoy forwarded, and the fingerprint of the CA that signed it."""
    if not forwarded:
        raise NoCertificate
    digest = hashlib.sha256(forwarded.encode()).digest()
    known = _remembered.get(digest)
    presented = known[0] if known else _presented(forwarded)
    if now < presented.not_before:
        raise NotAccepted(f"The certificate is not valid before {presented.not_before:%Y-%m-%d %H:%M:%S} UTC.")
    if now > presented.not_after:
        raise NotAccepted(f"The certificate ended at {presented.not_after:%Y-%m-%d %H:%M:%S} UTC; get a new one.")
    if known and known[1] in _bundle():
        return presented, known[1].fingerprint
    certificate = _certificate(forwarded)
    # Envoy may know of a CA a moment before this process does, so it looks again before it says no.
    for bundle in (_bundle, _bundle_anew):
        for issuer in bundle():
            if _signed(certificate, issuer):
                _remember(digest, presented, issuer)
                return presented, issuer.fingerprint
    raise NotAccepted("The CA that signed the certificate is not, or no longer, among the device CAs.")


def key_fingerprint(forwarded: str) -> str:
    """The fingerprint of the key in a certificate that Envoy forwarded; empty if it cannot be read."""
    try:
        spki = _certificate(forwarded).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (NotAccepted, *BROKEN):
        return ""
    return keys.digest(spki)


# Who presented a certificate and which CA signed it, by the digest of what Envoy forwarded, so that the certificate is
# taken apart once and not at every request; the oldest are forgotten first.
_remembered: dict[bytes, tuple[Presented, Issuer]] = {}
_remembering = threading.Lock()


def _remember(digest: bytes, presented: Presented, issuer: Issuer) -> None:
    with _remembering:
        if len(_remembered) >= REMEMBERED:
            del _remembered[next(iter(_remembered))]
        _remembered[digest] = (presented, issuer)


def _presented(forwarded: str) -> Presented:
    """Judge the contents of a certificate."""
    certificate = _certificate(forwarded)
    try:
        subject, extensions = certificate.subject, certificate.extensions
        public = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    except BROKEN as broken:
        raise NotAccepted("The certificate cannot be read; have a new one signed.") from broken
    try:
        key = keys.read(public)
    except keys.Unusable as unusable:
        raise NotAccepted(f"The key of the certificate is not accepted: {unusable}.") from unusable
    _judge_purpose(extensions)
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1:
        raise NotAccepted(f"The certificate must have exactly one common name (CN); it has {len(names)}.")
    name = names[0].value
    if not isinstance(name, str) or not CN.fullmatch(name):
        raise NotAccepted("The common name (CN) of the certificate must be 1 to 64 of A-Z a-z 0-9 _ : and -.")
    return Presented(name, key, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def _judge_purpose(extensions: x509.Extensions) -> None:
    try:
        usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        raise NotAccepted("The certificate has no extended key usage; it must name clientAuth.") from None
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        raise NotAccepted("The extended key usage of the certificate does not name clientAuth.")
    try:
        is_ca = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_ca = False
    if is_ca:
        raise NotAccepted("This is the certificate of a CA; a device presents one of its own.")


def _certificate(forwarded: str) -> x509.Certificate:
    found = _CERTIFICATE.search(forwarded)
    try:
        return x509.load_pem_x509_certificate(unquote_to_bytes(found[1] if found else ""))
    except BROKEN as broken:
        raise NotAccepted("The certificate cannot be read; have a new one signed.") from broken


def _signed(certificate: x509.Certificate, issuer: Issuer) -> bool:
    try:
        certificate.verify_directly_issued_by(_ca(issuer))
    except (InvalidSignature, *BROKEN):
        return False
    return True


@lru_cache(maxsize=256)
def _ca(issuer: Issuer) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issuer.certificate.encode())


# Read again after a second: one that is withdrawn has no effect within the two that it may take.
_held: tuple[float, list[Issuer]] = (0.0, [])


def _bundle() -> list[Issuer]:
    until, bundle = _held
    return bundle if time.monotonic() < until else _bundle_anew()


def _bundle_anew() -> list[Issuer]:
    global _held  # One bundle a process.
    now = timezone.now()
    holding = DeviceCA.objects.filter(not_before__lte=now, not_after__gt=now).order_by("name")
    bundle = [Issuer(*row) for row in holding.values_list("fingerprint", "certificate")]
    _held = (time.monotonic() + BUNDLE_HELD, bundle)
    return bundle


def forget_bundle() -> None:
    """Read the bundle anew at the next request of this process."""
    global _held
    _held = (0.0, [])
