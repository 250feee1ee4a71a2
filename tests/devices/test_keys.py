"""Which public keys of devices are taken, and whose signature a signature is."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, padding, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import keys
from tests.amount import many

MESSAGE = b'{"id_data":"{}"}\n'

# P-256 with its parameters written out in place of its name; made with `openssl ecparam -param_enc explicit`.
EXPLICIT = """-----BEGIN PUBLIC KEY-----
MIIBSzCCAQMGByqGSM49AgEwgfcCAQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAA
AAAAAAAAAAAA////////////////MFsEIP////8AAAABAAAAAAAAAAAAAAAA////
///////////8BCBaxjXYqjqT57PrvVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSd
NgiG5wSTamZ44ROdJreBn36QBEEEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5
RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA
//////////+85vqtpxeehPO5ysL8YyVRAgEBA0IABLIlgx+FVwwsZw69umlvFyBn
X5nnc8GsXwr63AAjkzFcsisCUdlG9xELi4rovSGvONnMnV7emor/JBR9zCf4ZvA=
-----END PUBLIC KEY-----
"""
RSA_1024 = """-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDYNHrAz6nEekQq6HysTTyzHMzb
jREPOwZjfTl/VfyFOrIL7WiG/2XDlN4MNWiA9PDy00eBoDX2QCC3LwUtAk6BFMMO
Txek1zSuinGdlND9KFxTK07nCDGVruqVBEvpJRhnRh6f23vDFCrgwsdvJ3x41Yte
Qf7mY3JnTkeaIzCUIQIDAQAB
-----END PUBLIC KEY-----
"""


def pem_of(private: Any) -> str:
    public: bytes = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return public.decode()


def der_as_pem(der: bytes) -> str:
    text = base64.b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])


@pytest.fixture(scope="module")
def rsa_3072() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 3072)


@pytest.fixture(scope="module")
def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


TAKEN: dict[str, tuple[Callable[[], Any], Callable[[Any, bytes], bytes]]] = {
    "RSA 2048": (
        lambda: rsa.generate_private_key(65537, 2048),
        lambda key, text: key.sign(text, padding.PKCS1v15(), SHA256()),
    ),
    "RSA 3072": (
        lambda: rsa.generate_private_key(65537, 3072),
        lambda key, text: key.sign(text, padding.PKCS1v15(), SHA256()),
    ),
    "P-256": (lambda: ec.generate_private_key(ec.SECP256R1()), lambda key, text: key.sign(text, ec.ECDSA(SHA256()))),
    "P-384": (lambda: ec.generate_private_key(ec.SECP384R1()), lambda key, text: key.sign(text, ec.ECDSA(SHA256()))),
    "P-521": (lambda: ec.generate_private_key(ec.SECP521R1()), lambda key, text: key.sign(text, ec.ECDSA(SHA256()))),
    "Ed25519": (Ed25519PrivateKey.generate, lambda key, text: key.sign(text)),
}


@pytest.mark.parametrize("kind", TAKEN)
def test_every_kind_that_is_taken_proves_itself_and_nothing_else(kind: str) -> None:
    make, sign = TAKEN[kind]
    private = make()
    key = keys.read(pem_of(private))
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key.fingerprint == hashlib.sha256(spki).hexdigest() == keys.fingerprint(pem_of(private))
    signature = sign(private, MESSAGE)
    assert keys.verifies(key, signature, MESSAGE)
    assert not keys.verifies(key, signature, MESSAGE + b"\n")
    assert not keys.verifies(key, signature[:-1], MESSAGE)
    assert not keys.verifies(key, signature + b"\0", MESSAGE)
    assert not keys.verifies(key, b"", MESSAGE)
    assert not keys.verifies(keys.read(pem_of(make())), signature, MESSAGE)


def test_the_digest_is_sha_256_whatever_the_curve_and_the_padding_is_pkcs_1(rsa_3072: rsa.RSAPrivateKey) -> None:
    p384 = ec.generate_private_key(ec.SECP384R1())
    assert not keys.verifies(keys.read(pem_of(p384)), p384.sign(MESSAGE, ec.ECDSA(SHA384())), MESSAGE)
    pss = rsa_3072.sign(MESSAGE, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
    assert not keys.verifies(keys.read(pem_of(rsa_3072)), pss, MESSAGE)


def test_line_ends_and_blanks_around_do_not_change_the_fingerprint(p256: ec.EllipticCurvePrivateKey) -> None:
    pem = pem_of(p256)
    spellings = (pem, pem.strip(), f"\n {pem} \n", pem.replace("\n", "\r\n"))
    assert len({keys.read(spelling).fingerprint for spelling in spellings}) == 1
    assert keys.read(spellings[3]).pem == spellings[3]


def with_exponent(e: int) -> str:
    p = rsa.generate_private_key(65537, 2048).private_numbers()
    # cryptography makes no such key, so the modulus is put into DER by hand.
    spki = p.public_numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    usual, other = bytes.fromhex("0203010001"), b"\x02\x03" + e.to_bytes(3, "big")
    return der_as_pem(spki.replace(usual, other))


REFUSED: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "any text": lambda: "any text",
    "RSA 1024": lambda: RSA_1024,
    "secp256k1": lambda: pem_of(ec.generate_private_key(ec.SECP256K1())),
    "P-224": lambda: pem_of(ec.generate_private_key(ec.SECP224R1())),
    "brainpool": lambda: pem_of(ec.generate_private_key(ec.BrainpoolP256R1())),
    "Ed448": lambda: pem_of(ed448.Ed448PrivateKey.generate()),
    "X25519": lambda: pem_of(x25519.X25519PrivateKey.generate()),
    "DSA": lambda: pem_of(dsa.generate_private_key(2048)),
    "even exponent": lambda: with_exponent(65536),
    "exponent of one": lambda: with_exponent(1),
    "two PEMs": lambda: pem_of(Ed25519PrivateKey.generate()) * 2,
    "a PEM after text": lambda: "text\n" + pem_of(Ed25519PrivateKey.generate()),
    "trailing text": lambda: pem_of(Ed25519PrivateKey.generate()) + "text",
    "a PEM header": lambda: pem_of(Ed25519PrivateKey.generate()).replace("KEY-----\n", "KEY-----\nProc-Type: 4\n\n", 1),
    "trailing bytes": lambda: der_as_pem(spki_of(Ed25519PrivateKey.generate()) + b"\0\0"),
    "cut off": lambda: der_as_pem(spki_of(Ed25519PrivateKey.generate())[:-1]),
    "a compressed point": lambda: der_as_pem(compressed()),
    "explicit curve parameters": lambda: EXPLICIT,
    "PKCS#1": lambda: (
        rsa.generate_private_key(65537, 2048).public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()
    ),
    "a private key": lambda: (
        Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    ),
    "over 16 kB": lambda: pem_of(Ed25519PrivateKey.generate()) + " " * 16_384,
    "nothing inside": lambda: "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
    "one line": lambda: "-----BEGIN PUBLIC KEY----------END PUBLIC KEY-----",
    "NUL": lambda: pem_of(Ed25519PrivateKey.generate()).replace("A", "\0", 1),
    "a letter that is none": lambda: pem_of(Ed25519PrivateKey.generate()).replace("M", "М", 1),
    "half of a surrogate pair": lambda: pem_of(Ed25519PrivateKey.generate()).replace("M", "\ud800", 1),
}


def spki_of(private: Any) -> bytes:
    spki: bytes = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return spki


def compressed() -> bytes:
    """A P-256 key whose point is written in its short form."""
    private = ec.generate_private_key(ec.SECP256R1())
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point


@pytest.mark.parametrize("kind", REFUSED)
def test_anything_else_is_refused_and_has_no_fingerprint(kind: str) -> None:
    text = REFUSED[kind]()
    with pytest.raises(keys.Unusable):
        keys.read(text)
    assert keys.fingerprint(text) == ""


@pytest.mark.parametrize(
    "make",
    [
        lambda: rsa.generate_private_key(65537, 2048),
        lambda: ec.generate_private_key(ec.SECP256R1()),
        Ed25519PrivateKey.generate,
    ],
)
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL, PrivateFormat.OpenSSH])
def test_a_private_key_is_known_as_one(make: Callable[[], Any], form: PrivateFormat) -> None:
    private = make()
    try:
        text = private.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    except ValueError:
        pytest.skip("there is no such form of this key")
    assert keys.is_private(text)
    assert keys.is_private(f"{pem_of(private)}{text}".lower())
    assert not keys.is_private(pem_of(private))


@given(text=st.text(max_size=200))
@settings(max_examples=many(80))
def test_any_text_is_a_key_or_unusable(text: str) -> None:
    for pem in (text, f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----"):
        assert keys.fingerprint(pem) == ""


@given(der=st.binary(max_size=200))
@settings(max_examples=many(80))
def test_any_bytes_in_a_pem_are_unusable(der: bytes) -> None:
    assert keys.fingerprint(der_as_pem(der)) == ""


@given(at=st.integers(0, 90), bit=st.integers(0, 7), signature=st.binary(max_size=100))
@settings(max_examples=many(80))
def test_a_broken_key_or_signature_is_no_fault_of_ours(
    p256: ec.EllipticCurvePrivateKey, at: int, bit: int, signature: bytes
) -> None:
    spki = bytearray(spki_of(p256))
    spki[at] ^= 1 << bit
    assert keys.fingerprint(der_as_pem(bytes(spki))) != keys.fingerprint(pem_of(p256))
    assert not keys.verifies(keys.read(pem_of(p256)), signature, MESSAGE)
