"""The file `certsips.json` of apps on devices (seed 000): where to call, and which certificates to trust there."""

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.models import Role, TlsCertificate
from portal.refusal import Refusal
from tokens import device_files

SERVICE_NAME = "edge-iot-core.proxy-redirect"
# Without a slash in front, and the other with one, as in the original: an app joins each in its own way.
AUTH_API_PATH = "a.service/api/v3"
SECURE_STORAGE_API_PATH = "/device/edge/iert/api/v1/secure-storage"


class NameNotCovered(Refusal):
    """An app would not trust the door."""

    code = "name_not_covered"

    def __init__(self) -> None:
        super().__init__(
            f"The certificate of the TLS door does not cover the name {SERVICE_NAME} that apps call; install one that "
            "has it among its names."
        )


def content() -> dict[str, Any]:
    """The members of the file, from the certificate that the TLS door shows now."""
    shown = TlsCertificate.objects.shown(Role.DOOR)
    if shown is None:
        raise NameNotCovered
    chain = x509.load_pem_x509_certificates(shown.chain.encode())
    names = _names(chain[0])
    if not any(_covers(name) for name in names.get_values_for_type(x509.DNSName)):
        raise NameNotCovered
    return {
        "auth-api-path": AUTH_API_PATH,
        "cert-chain": _encoded(chain),
        "edge-certificates": {"certificate-chain": _encoded(_trusted(chain)), "service-name": SERVICE_NAME},
        "edge-ips": ",".join(map(str, names.get_values_for_type(x509.IPAddress))),
        "secure-storage-api-path": SECURE_STORAGE_API_PATH,
    }


@device_files.makes_certsips
def text() -> str:
    """The file as it stands on a device."""
    return json.dumps(content(), separators=(",", ":")) + "\n"


def _names(leaf: x509.Certificate) -> x509.SubjectAlternativeName:
    try:
        return leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])


def _covers(name: str) -> bool:
    """Whether clients take the name, or what it stands for with a `*` in place of its first label, for ours."""
    wildcard = f"*.{SERVICE_NAME.partition('.')[2]}"
    return name.lower() in (SERVICE_NAME, wildcard)


def _trusted(chain: Sequence[x509.Certificate]) -> Sequence[x509.Certificate]:
    """The CAs in the chain; where it has none, the leaf, which is a self-signed one or has a CA that nobody gave us."""
    leaf, *others = chain
    return [leaf] if _is_self_signed(leaf) or not others else others


def _is_self_signed(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _encoded(certificates: Iterable[x509.Certificate]) -> str:
    """Base64, on one line, of PEM, which is text."""
    pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
    return base64.b64encode(pem).decode()
