"""A certificate chain and a private key as they are sent: PEM in files or pasted, with whatever stands around it."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from devices.keys import RSA_BITS
from gateway.ca_certificates import UNREADABLE
from portal.refusal import Invalid

MAX_BYTES = 256 * 1024
CURVES = (ec.SECP256R1, ec.SECP384R1)
# No key that is taken is longer.
LONGEST_KEY = 8 * 1024
# Envoy takes no larger public exponent.
EXPONENTS = range(3, 2**33)

# It ends where the next one begins, so that no character is looked at for each block before it.
BLOCK = re.compile(
    r"-----BEGIN (?P<label>[A-Z0-9 ]{1,40})-----[ \t\r]*\n(?:[^-]|-(?!----))*-----END (?P=label)-----", re.ASCII
)


class Unfit(Invalid):
    """A door takes no such pair; `field` is the one of the two that must be another."""

    field: ClassVar = "certificate"

    def __init__(self, sentence: str) -> None:
        super().__init__(self.field, sentence)


class CertificateUnreadable(Unfit):
    code = "certificate_unreadable"


class KeyNotPem(CertificateUnreadable):
    field = "key"


class KeyUnreadable(Unfit):
    field, code = "key", "key_unreadable"


class KeyEncrypted(Unfit):
    field, code = "key", "key_encrypted"


class KeyUnsupported(Unfit):
    field, code = "key", "key_unsupported"


@dataclass(frozen=True)
class Sent:
    """What was sent, and how it is called in a sentence: `cert.pem`, or `The certificate` where it has no name."""

    text: str = field(repr=False)
    name: str


def from_file(path: str, unfit: type[Unfit] = CertificateUnreadable) -> Sent:
    """What stands in a file: one byte more than is taken at most, so that a longer one is refused as such."""
    try:
        with Path(path).open(encoding="ascii", errors="replace") as file:
            return Sent(file.read(MAX_BYTES + 1), Path(path).name)
    except OSError as failed:
        raise unfit(f"{path} cannot be read: {failed.strerror}.") from failed


def blocks(sent: Sent, unfit: type[Unfit] = CertificateUnreadable) -> list[tuple[str, str]]:
    """Label and text of each PEM block."""
    if len(sent.text) > MAX_BYTES:
        raise unfit(f"{sent.name} is over {MAX_BYTES // 1024} KiB; send the PEM blocks alone.")
    blocks = [(found["label"], found[0]) for found in BLOCK.finditer(sent.text)]
    if not blocks:
        raise unfit(f"{sent.name} is not a PEM file.")
    return blocks


def certificates(sent: Sent) -> list[x509.Certificate]:
    """Those in the file; one that cannot be decoded is refused whatever else is wrong.

    Whatever else stands there is dropped: many tools write the key into the same file.
    """
    found: list[x509.Certificate] = []
    for label, block in blocks(sent):
        if label not in ("CERTIFICATE", "X509 CERTIFICATE"):
            continue
        try:
            certificate = x509.load_pem_x509_certificate(block.encode())
            # What stands in it is read when it is looked at.
            certificate.public_key(), certificate.subject, certificate.issuer, list(certificate.extensions)
        except UNREADABLE as broken:
            sentence = f"Certificate {len(found) + 1} in {within(sent.name)} cannot be decoded."
            raise CertificateUnreadable(sentence) from broken
        found.append(certificate)
    return found


def private_key(blocks: list[tuple[str, str]], name: str) -> ec.EllipticCurvePrivateKey | RSAPrivateKey:
    keys = [(label, block) for label, block in blocks if label.endswith("PRIVATE KEY")]
    if len(keys) != 1:
        how_many = f"{len(keys)} private keys; leave the one of the certificate" if keys else "no private key"
        raise KeyUnreadable(f"{name} holds {how_many}.")
    [(label, block)] = keys
    encrypted = KeyEncrypted("The private key is encrypted; remove its password first (openssl pkey -in F -out F2).")
    if label.startswith("ENCRYPTED") or "ENCRYPTED" in block:
        raise encrypted
    unsupported = KeyUnsupported("The private key must be EC on P-256 or P-384, or RSA of 2048 to 8192 bits.")
    if len(block) > LONGEST_KEY:
        raise unsupported
    try:
        # Whether the primes of an RSA key are prime is not asked: for a long one that takes ten seconds and more.
        private = load_pem_private_key(block.encode(), password=None, unsafe_skip_rsa_key_validation=True)
    except TypeError as locked:
        raise encrypted from locked
    except UnsupportedAlgorithm as unknown:
        raise KeyUnsupported("The private key is of no kind that is known here; use EC P-256 or RSA.") from unknown
    except ValueError as broken:
        raise KeyUnreadable(f"The private key in {within(name)} cannot be decoded.") from broken
    if isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, CURVES):
        return private
    if not isinstance(private, RSAPrivateKey) or private.key_size not in RSA_BITS:
        raise unsupported
    numbers = private.private_numbers()
    if numbers.public_numbers.e not in EXPONENTS:
        raise unsupported
    if not _are_of_one_key(numbers):
        raise KeyUnreadable(f"The private key in {within(name)} does not fit together; make a new one.")
    return private


def _are_of_one_key(rsa: RSAPrivateNumbers) -> bool:
    """What Envoy asks of the numbers of an RSA key before it signs with them."""
    p, q, public = rsa.p, rsa.q, rsa.public_numbers
    return (
        min(p, q) > 2
        and p * q == public.n
        and public.n % 2 == 1
        and rsa.d < public.n
        and all(public.e * rsa.d % (prime - 1) == 1 for prime in (p, q))
        and (rsa.dmp1, rsa.dmq1) == (rsa.d % (p - 1), rsa.d % (q - 1))
        and rsa.iqmp < p
        and rsa.iqmp * q % p == 1
    )


def within(name: str) -> str:
    """The name as it stands inside a sentence."""
    return name[0].lower() + name[1:] if name.startswith("The ") else name
