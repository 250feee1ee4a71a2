"""Device CAs and client certificates of every kind, with real keys and signatures, for the tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Holder:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()  # type: ignore[no-any-return]

    @property
    def public_pem(self) -> str:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()  # type: ignore[no-any-return]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key, as pages and refusals show it."""
        spki = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return sha256(spki).hexdigest()

    @property
    def forwarded(self) -> str:
        """X-Forwarded-Client-Cert as Envoy writes it for a connection with this certificate."""
        return f'Cert="{quote(self.pem, safe="")}"'

    def files(self, folder: Path) -> tuple[str, str]:
        """The certificate and the key as files, such as TLS clients read."""
        name = self.certificate.serial_number
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_text(self.pem)
        key.write_text(self.key_pem)
        return str(certificate), str(key)


class Authority(Holder):
    """A CA with its own key, made anew."""

    def __init__(self, name: str = "press hall CA", *, days: int = 3650, key: Any = None) -> None:
        key = key or new_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, SHA256())
        )
        super().__init__(certificate, key)

    def issue(
        self,
        cn: str | Sequence[str] = "press-1",
        *,
        key: Any = None,
        starts: timedelta = timedelta(minutes=-5),
        ends: timedelta = timedelta(days=365),
        purposes: Sequence[x509.ObjectIdentifier] | None = (CLIENT,),
        is_ca: bool | None = False,
        subject: x509.Name | None = None,
        dns_names: Sequence[str] = (),
    ) -> Holder:
        """A certificate signed by this CA; say only what is odd about it."""
        key = key or new_key()
        names = [cn] if isinstance(cn, str) else cn
        subject = subject or x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, name, _validate=False) for name in names]
        )
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + starts)
            .not_valid_after(now + ends)
        )
        if purposes is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(list(purposes)), critical=False)
        if is_ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        if dns_names:
            others = x509.SubjectAlternativeName(map(x509.DNSName, dns_names))
            builder = builder.add_extension(others, critical=False)
        return Holder(builder.sign(self.key, SHA256()), key)


def request_for(cn: str, key: Any) -> str:
    """A certificate request as a device makes it, as PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA256())
    return request.public_bytes(Encoding.PEM).decode()
