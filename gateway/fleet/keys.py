"""Keys of simulated devices: real ones, but derived from a seed, so that a fleet is the same at every run.

Whoever knows the seed knows the keys; they are for simulated devices alone.
"""

import hashlib
from functools import cache
from typing import Literal

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Kind = Literal["ed25519", "ec", "rsa"]
PrivateKey = Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

RSA_BITS = 3072  # What mender-client makes.
RSA_EXPONENT = 65537
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SIEVED_BELOW = 20_000


def derive(kind: Kind, seed: str) -> PrivateKey:
    """The private key that belongs to the seed. RSA takes about a second, the others no time."""
    match kind:
        case "ed25519":
            return Ed25519PrivateKey.from_private_bytes(_bytes(f"ed25519 {seed}", 32))
        case "ec":
            return ec.derive_private_key(_number(f"ec {seed}", 320) % (P256_ORDER - 1) + 1, ec.SECP256R1())
        case "rsa":
            return _rsa(seed)


def public_pem(private: PrivateKey) -> str:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def sign(private: PrivateKey, message: bytes) -> bytes:
    """As mender-client signs: PKCS#1 v1.5 or ECDSA over SHA-256, Ed25519 over the message itself."""
    match private:
        case rsa.RSAPrivateKey():
            return private.sign(message, padding.PKCS1v15(), SHA256())
        case ec.EllipticCurvePrivateKey():
            return private.sign(message, ec.ECDSA(SHA256()))
        case _:
            return private.sign(message)


def _rsa(seed: str) -> rsa.RSAPrivateKey:
    p, q = (_prime(f"rsa {name} {seed}", RSA_BITS // 2) for name in "pq")
    d = rsa.rsa_recover_private_exponent(RSA_EXPONENT, p, q)
    public = rsa.RSAPublicNumbers(RSA_EXPONENT, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), rsa.rsa_crt_iqmp(p, q), public)
    return numbers.private_key()


def _prime(seed: str, bits: int) -> int:
    """The first prime from a number of the seed on, its two highest bits set, so that a product has all its bits."""
    start = _number(seed, bits) | 0b11 << (bits - 2) | 1
    composite = bytearray(8 * bits)  # Of the odd numbers from `start` on; about one in bits / 3 is prime.
    for small in _small_primes():
        first = -start * pow(2, -1, small) % small
        composite[first::small] = b"\1" * len(range(first, len(composite), small))
    # For a number that nobody chose with care, Fermat's test to one base is sure enough; the key is checked when made.
    return next(
        candidate
        for candidate in (start + 2 * at for at, is_composite in enumerate(composite) if not is_composite)
        if candidate % RSA_EXPONENT != 1 and pow(2, candidate - 1, candidate) == 1
    )


@cache
def _small_primes() -> tuple[int, ...]:
    """The odd primes to sieve with."""
    is_prime = bytearray(b"\1") * SIEVED_BELOW
    for number in range(3, int(SIEVED_BELOW**0.5) + 1, 2):
        if is_prime[number]:
            is_prime[number * number :: number] = bytes(len(range(number * number, SIEVED_BELOW, number)))
    return tuple(number for number in range(3, SIEVED_BELOW, 2) if is_prime[number])


def _number(seed: str, bits: int) -> int:
    return int.from_bytes(_bytes(seed, bits // 8))


def _bytes(seed: str, length: int) -> bytes:
    return hashlib.shake_256(seed.encode()).digest(length)
