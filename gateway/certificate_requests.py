"""Certificate requests (PKCS#10): one is judged before anything is signed; only its name and its key are read."""

import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from devices import keys

MAX_BYTES = 16_384
RSA_BITS = range(2048, 4097)
CURVES = (ec.SECP256R1, ec.SECP384R1)

_PEM = re.compile(r"-----BEGIN CERTIFICATE REQUEST-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE REQUEST-----", re.ASCII)


class Unusable(ValueError):
    """The text is no request that is signed here; the message is a sentence that says why."""


@dataclass(frozen=True)
class CertificateRequest:
    """What a request asks for: a certificate in this name for this key."""

    name: str
    key: keys.Key
    public: RSAPublicKey | ec.EllipticCurvePublicKey


def read(pem: str) -> CertificateRequest:
    """One PEM `CERTIFICATE REQUEST` and nothing else, signed by its own key, with exactly one CN.

    The key is EC on P-256 or P-384, or RSA of 2048 to 4096 bits.
    """
    if keys.is_private(pem):
        raise Unusable("This holds a private key; send the request alone, and make a new key if others saw it.")
    if len(pem) > MAX_BYTES:
        raise Unusable(f"It is over {MAX_BYTES} bytes; a request for one name and one key is far shorter.")
    if pem.count("-----BEGIN") > 1:
        raise Unusable("It holds more than one PEM block; send one request.")
    if not _PEM.fullmatch(pem.strip()):
        raise Unusable("It is not one PEM CERTIFICATE REQUEST with nothing around it.")
    try:
        return _judged(x509.load_pem_x509_csr(pem.strip().encode()))
    except Unusable:
        raise
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as broken:
        raise Unusable("It cannot be decoded as a certificate request.") from broken


def _judged(request: x509.CertificateSigningRequest) -> CertificateRequest:
    public = request.public_key()
    if isinstance(public, RSAPublicKey):
        if public.key_size not in RSA_BITS:
            raise Unusable("An RSA key must have 2048 to 4096 bits.")
    elif not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, CURVES):
        raise Unusable("The key must be EC on P-256 or P-384, or RSA of 2048 to 4096 bits.")
    if public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) not in request.tbs_certrequest_bytes:
        # Another spelling of the key, such as a compressed point, would have another fingerprint at the door.
        raise Unusable("The key is not in the usual DER form.")
    try:
        key = keys.read(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
    except keys.Unusable as unusable:
        raise Unusable(f"The key is not accepted: {unusable}.") from unusable
    if not request.is_signature_valid:
        raise Unusable("It is not signed by its own key; make a new request.")
    names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1:
        raise Unusable(f"Its subject must have exactly one common name (CN); it has {len(names)}.")
    return CertificateRequest(str(names[0].value), key, public)
