"""Public keys of devices: which are taken, their fingerprint, and whether a signature is theirs."""

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

MAX_BYTES = 16_384
RSA_BITS = range(2048, 8193)
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)

PublicKey = RSAPublicKey | ec.EllipticCurvePublicKey | Ed25519PublicKey


class Unusable(ValueError):
    """The text is no public key that we take; the message says why."""


@dataclass(frozen=True)
class Key:
    """A public key of a device: its PEM as sent, and the SHA-256 of its SubjectPublicKeyInfo in hex."""

    pem: str
    fingerprint: str
    public: PublicKey


def read(pem: str) -> Key:
    """One PEM `PUBLIC KEY` and nothing else: RSA of 2048 to 8192 bits, EC P-256, P-384 or P-521, or Ed25519."""
    if len(pem) > MAX_BYTES:
        raise Unusable("it is too long")
    stripped = pem.strip()
    if not (stripped.startswith("-----BEGIN PUBLIC KEY-----") and stripped.endswith("-----END PUBLIC KEY-----")):
        raise Unusable("it is not one PEM PUBLIC KEY")
    if stripped.count("-----BEGIN") != 1:
        raise Unusable("it holds more than one PEM block")
    try:
        public = load_pem_public_key(stripped.encode())
    except (ValueError, UnsupportedAlgorithm) as broken:
        raise Unusable("it is not a PEM PUBLIC KEY that can be decoded") from broken
    taken = judge(public)
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if "".join(stripped.splitlines()[1:-1]).strip() != _base64(taken):
        # Explicit curve parameters, trailing bytes and other spellings of one key would make two fingerprints of it.
        raise Unusable("it is not in the usual DER form")
    return Key(pem, digest(spki), taken)


def judge(public: object, *, rsa: str = "an RSA key", curve: str = "an EC key", other: str = "it") -> PublicKey:
    """The key, if it is one that we take; if not, what is wrong with it begins with the word for its kind."""
    if isinstance(public, RSAPublicKey):
        if public.key_size not in RSA_BITS or public.public_numbers().e >= 2**33:
            raise Unusable(f"{rsa} must have 2048 to 8192 bits and a usual exponent")
    elif isinstance(public, ec.EllipticCurvePublicKey):
        if not isinstance(public.curve, CURVES):
            raise Unusable(f"{curve} must be on P-256, P-384 or P-521")
    elif not isinstance(public, Ed25519PublicKey):
        raise Unusable(f"{other} is neither RSA nor EC nor Ed25519")
    return public


def digest(spki: bytes) -> str:
    """The fingerprint of a key: SHA-256 of its SubjectPublicKeyInfo in DER, 64 lower-case hex digits."""
    return hashlib.sha256(spki).hexdigest()


def fingerprint(text: str) -> str:
    """The fingerprint of a text that is a public key; empty if it is none, and so can never prove anything."""
    try:
        return read(text).fingerprint
    except Unusable:
        return ""


def is_private(text: str) -> bool:
    """Whether a private key was pasted by mistake."""
    return "PRIVATE KEY" in text.upper()


def verifies(key: Key, signature: bytes, message: bytes) -> bool:
    """PKCS#1 v1.5 or ECDSA over SHA-256 of the message, or Ed25519 over the message itself."""
    try:
        match key.public:
            case RSAPublicKey() as rsa:
                rsa.verify(signature, message, padding.PKCS1v15(), SHA256())
            case ec.EllipticCurvePublicKey() as curve:
                curve.verify(signature, message, ec.ECDSA(SHA256()))
            case edwards:
                edwards.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _base64(public: PublicKey) -> str:
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return "".join(pem.splitlines()[1:-1])
