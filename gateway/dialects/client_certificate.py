"""The client certificate that a device presented at the device door, as Envoy hands it on."""

import hashlib
import re
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rest_framework.request import Request

_CERTIFICATE = re.compile(r'(?:\A|;)Cert="([^"]+)"')


def fits(request: Request, fingerprint: str) -> bool:
    """Whether the request came without a certificate, or with one of the key with this fingerprint.

    Only Envoy reaches the portal. It sets X-Forwarded-Client-Cert itself at the device door and deletes it elsewhere.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_CLIENT_CERT")
    if not forwarded:
        return True
    found = _CERTIFICATE.search(forwarded)
    try:
        certificate = x509.load_pem_x509_certificate(unquote_to_bytes(found[1] if found else ""))
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return False
    return hashlib.sha256(spki).hexdigest() == fingerprint
