"""CAs of others, and the requests that devices make, for tests; each says only what matters to it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

USES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def named(*names: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])


def ca_certificate(
    key: Any = None,
    *,
    subject: x509.Name | None = None,
    ca: bool | None = True,
    uses: Sequence[str] | None = ("key_cert_sign",),
    days: int = 365,
    with_key_id: bool = True,
) -> str:
    """The PEM certificate of a CA; `ca` None leaves the basic constraints out, `uses` None the key usage."""
    key = key or new_key()
    name = named("Device CA of plant 7") if subject is None else subject
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if uses is not None:
        builder = builder.add_extension(x509.KeyUsage(**{use: use in uses for use in USES}), critical=True)
    if with_key_id:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return pem(builder.sign(key, None if isinstance(key, Ed25519PrivateKey) else SHA256()))


def csr(*names: str, key: Any = None, subject: x509.Name | None = None) -> str:
    """A PEM request in these common names."""
    key = key or new_key()
    builder = x509.CertificateSigningRequestBuilder().subject_name(named(*names) if subject is None else subject)
    return pem(builder.sign(key, None if isinstance(key, Ed25519PrivateKey) else SHA256()))


def private_pem(key: Any) -> str:
    text: str = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return text


def pem(thing: x509.Certificate | x509.CertificateSigningRequest) -> str:
    return thing.public_bytes(Encoding.PEM).decode()
