"""The ring of signing keys: RS256, one active, each known by its `kid`; private halves are kept sealed."""

import base64
import hashlib
import json
import time
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from django.db import IntegrityError, transaction

from portal import audit, sealing
from portal.actor import Actor
from tokens.models import KeyState, SigningKey

ALGORITHM = "RS256"
BITS = 2048
LEEWAY = 30
LONGEST = 8192
RING_TTL = 2.0

_REQUIRED = ["iss", "aud", "exp", "iat", "jti"]


class Untrusted(Exception):
    """This is no token of ours that is good now; whoever asks tells the client no more than that."""


def ensure_active(*, by: Actor) -> None:
    """Make the first key, if there is none; of two replicas at first start one makes it."""
    if SigningKey.objects.filter(state=KeyState.ACTIVE).exists():
        return
    private = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    jwk = _public_jwk(private.public_key())
    plain = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    try:
        with transaction.atomic():
            SigningKey.objects.create(
                kid=jwk["kid"], state=KeyState.ACTIVE, public_jwk=jwk, sealed_private=sealing.seal(plain)
            )
            audit.record(by, "signing_key.made", ("signing_key", jwk["kid"]), after={"state": KeyState.ACTIVE})
    except IntegrityError:
        return
    forget_ring()


def sign(claims: dict[str, Any]) -> str:
    """A JWT with these claims under the active key."""
    kid = _ring()[0]["kid"]
    return jwt.encode(claims, _private(kid), ALGORITHM, headers={"kid": kid})


def verified(token: str, *, audience: str, issuer: str) -> dict[str, Any]:
    """The claims of a JWT of ours that is good now; its `kid` must be of the ring, keys it brings are not read."""
    if len(token) > LONGEST:
        raise Untrusted
    try:
        header = jwt.get_unverified_header(token)
        jwk = next((key for key in _ring() if key["kid"] == header.get("kid")), None)
        if jwk is None or header.get("alg") != ALGORITHM or "crit" in header:
            raise Untrusted
        claims: dict[str, Any] = jwt.decode(
            token,
            _public(json.dumps(jwk)),
            algorithms=[ALGORITHM],
            audience=audience,
            issuer=issuer,
            leeway=LEEWAY,
            options={"require": _REQUIRED},
        )
    except (jwt.PyJWTError, ValueError, TypeError) as wrong:
        raise Untrusted from wrong
    return claims


def jwks() -> dict[str, Any]:
    """The public keys that verify what is signed here, the active one first (RFC 7517)."""
    return {"keys": list(_ring())}


_cached: tuple[float, list[dict[str, Any]]] = (0.0, [])


def _ring() -> list[dict[str, Any]]:
    global _cached
    read_at, ring = _cached
    if not ring or time.monotonic() - read_at > RING_TTL:
        order = {KeyState.ACTIVE: 0, KeyState.NEXT: 1, KeyState.RETIRING: 2}
        keys = SigningKey.objects.exclude(state=KeyState.RETIRED).only("kid", "state", "public_jwk", "created_at")
        ring = [key.public_jwk for key in sorted(keys, key=lambda key: (order[KeyState(key.state)], key.created_at))]
        if not ring:
            ensure_active(by=Actor.worker())
            return _ring()
        _cached = (time.monotonic(), ring)
    return ring


def forget_ring() -> None:
    """Read the ring anew at the next use."""
    global _cached
    _cached = (0.0, [])


@lru_cache(maxsize=16)
def _private(kid: str) -> Any:
    return load_der_private_key(sealing.unseal(SigningKey.objects.get(pk=kid).sealed_private), password=None)


@lru_cache(maxsize=64)
def _public(jwk: str) -> Any:
    return jwt.PyJWK.from_json(jwk, ALGORITHM).key


def _public_jwk(public: rsa.RSAPublicKey) -> dict[str, str]:
    """The key as RFC 7517, its kid being its RFC 7638 thumbprint."""
    numbers = public.public_numbers()
    members = {"e": _base64(numbers.e), "kty": "RSA", "n": _base64(numbers.n)}
    thumbprint = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    kid = base64.urlsafe_b64encode(thumbprint).rstrip(b"=").decode()
    return {**members, "kid": kid, "alg": ALGORITHM, "use": "sig"}


def _base64(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8)).rstrip(b"=").decode()
