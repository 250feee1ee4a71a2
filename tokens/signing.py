"""The ring of signing keys: RS256, one active, each known by its `kid`; private halves are kept sealed."""

import base64
import hashlib
import json
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from django.db import IntegrityError, transaction

from portal import audit, sealing
from portal.actor import Actor
from portal.refusal import Refusal
from tokens import claims as claims_of
from tokens.models import KeyState, SigningKey

ALGORITHM = "RS256"
BITS = 2048
LEEWAY = 30
LONGEST = 8192
RING_TTL = 2.0
# A `kid` that is not in the ring lets it be read anew, but whoever makes them up costs no more reads than this.
REREAD_EVERY = 1.0
REMEMBERED = 4096

_ORDER = {KeyState.ACTIVE: 0, KeyState.NEXT: 1, KeyState.RETIRING: 2}
# The compact serialization of RFC 7515, which has no padding.
_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_KID = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Untrusted(Exception):
    """This is no token of ours that is good now; whoever asks tells the client no more than that."""


class Unusable(Refusal):
    """The key that has to sign is gone or damaged."""

    status, code = 503, "signing_key_unusable"


@dataclass(frozen=True)
class Listed:
    """A key of the ring as everybody may see it; `n` and `e` are its numbers in base64."""

    kid: str
    state: str
    n: str
    e: str


def ensure_active(*, by: Actor) -> None:
    """Make the first key, if there is none; of two replicas at first start one makes it."""
    if SigningKey.objects.filter(state=KeyState.ACTIVE).exists():
        return
    key = new_key(KeyState.ACTIVE)
    try:
        with transaction.atomic():
            key.save(force_insert=True)
            audit.record(by, "signing_key.made", ("signing_key", key.kid), after={"state": KeyState.ACTIVE})
    except IntegrityError:
        return
    forget_ring()


def new_key(state: KeyState) -> SigningKey:
    """A new key, which is still to be stored; this takes a tenth of a second."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    jwk = _public_jwk(private.public_key())
    plain = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return SigningKey(kid=jwk["kid"], state=state, public_jwk=jwk, sealed_private=sealing.seal(plain))


def refuse_unusable(kid: str) -> None:
    """Refuse a key whose private half does not open, before anything depends on it."""
    _private(kid)


def sign(claims: dict[str, Any]) -> str:
    """A JWT with these claims under the active key."""
    first = _order()[0]
    if first.state != KeyState.ACTIVE:
        ensure_active(by=Actor.worker())
        first = _order()[0]
    kid = first.kid
    return jwt.encode(claims, _private(kid), ALGORITHM, headers={"kid": kid})


def verified(token: str, *, audience: str, issuer: str, leeway: int = LEEWAY) -> dict[str, Any]:
    """The claims of a JWT of ours that is good now; its `kid` must be of the ring, keys it brings are not read.

    The signature is verified once, the ring and the claims are judged each time.
    """
    kid, claims = _signed(token)
    good = claims_of.are_good(claims, audience=audience, issuer=issuer, leeway=leeway, now=time.time())
    if not good or _listed(kid) is None:
        raise Untrusted
    return claims_of.copied(claims)


def subject(token: str) -> str:
    """Whose a JWT of ours says that it is, for whatever audience; whether it is good now, `verified` judges."""
    _, claims = _signed(token)
    named = claims.get("sub") if isinstance(claims, dict) else None
    return named if isinstance(named, str) and "\x00" not in named else ""


def jwks() -> dict[str, Any]:
    """The public keys that verify what is signed here, the active one first (RFC 7517)."""
    return {
        "keys": [
            {"kty": "RSA", "kid": key.kid, "use": "sig", "alg": ALGORITHM, "n": key.n, "e": key.e} for key in _order()
        ]
    }


def token_keys() -> dict[str, Any]:
    """The same keys in the same order, each with its PEM as well."""
    return {
        "keys": [
            {
                "kid": key.kid, "kty": "RSA", "alg": ALGORITHM, "use": "sig", "value": _pem(key.n, key.e),
                "n": key.n, "e": key.e,
            }
            for key in _order()
        ]
    }  # fmt: skip


_cached: tuple[float, Sequence[Listed]] = (0.0, ())
_reread_at = 0.0
# What was signed by which key, by the SHA-256 of the token; the least lately used goes first.
_remembered: OrderedDict[bytes, tuple[str, Any]] = OrderedDict()
_remembering = threading.Lock()


def forget_ring() -> None:
    """Read the ring anew at the next use."""
    global _cached, _reread_at
    _cached, _reread_at = (0.0, ()), 0.0


def _ring() -> Sequence[Listed]:
    """The keys that are not retired: the active one, the next, then the retiring ones, the newest first."""
    read_at, ring = _cached
    return ring if ring and 0 <= time.monotonic() - read_at <= RING_TTL else _read_ring()


def _order() -> Sequence[Listed]:
    """The ring in the order of this moment.

    Clients look at the first key alone. So while another waits to become that, no process goes by what it remembers.
    """
    ring = _ring()
    return _read_ring() if any(key.state == KeyState.NEXT for key in ring) else ring


def _read_ring() -> Sequence[Listed]:
    global _cached
    began = time.monotonic()
    keys = list(SigningKey.objects.exclude(state=KeyState.RETIRED).defer("sealed_private"))
    if not keys:
        ensure_active(by=Actor.worker())
        return _read_ring()
    keys.sort(key=lambda key: (_ORDER[KeyState(key.state)], -key.changed_at.timestamp()))
    ring = [Listed(key.kid, key.state, key.public_jwk["n"], key.public_jwk["e"]) for key in keys]
    _cached = (began, ring)
    return ring


def _listed(kid: str) -> Listed | None:
    """The key of the ring; another process may have made it since this one read the ring."""
    global _reread_at
    found = next((key for key in _ring() if key.kid == kid), None)
    if found is None and not 0 <= time.monotonic() - _reread_at < REREAD_EVERY:
        _reread_at = time.monotonic()
        found = next((key for key in _read_ring() if key.kid == kid), None)
    return found


def _signed(token: str) -> tuple[str, Any]:
    """The key that signed the token, by its `kid`, and what it signed."""
    if len(token) > LONGEST or not _JWS.fullmatch(token):
        raise Untrusted
    try:
        name = hashlib.sha256(token.encode()).digest()
        with _remembering:
            if known := _remembered.get(name):
                _remembered.move_to_end(name)
                return known
        header = jwt.get_unverified_header(token)
        kid = header.get("kid")
        if header.get("alg") != ALGORITHM or "crit" in header or not isinstance(kid, str) or not _KID.fullmatch(kid):
            raise Untrusted
        key = _listed(kid)
        if key is None:
            raise Untrusted
        signed = kid, json.loads(jwt.PyJWS().decode(token, _public(key.n, key.e), [ALGORITHM]))
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as wrong:
        raise Untrusted from wrong
    with _remembering:
        _remembered[name] = signed
        if len(_remembered) > REMEMBERED:
            _remembered.popitem(last=False)
    return signed


@lru_cache(maxsize=16)
def _private(kid: str) -> Any:
    sealed = SigningKey.objects.filter(pk=kid).values_list("sealed_private", flat=True).first()
    try:
        # We made the key ourselves and its seal held: to prove its primes again would take 30 ms of each start.
        return load_der_private_key(sealing.unseal(sealed or ""), password=None, unsafe_skip_rsa_key_validation=True)
    except (sealing.Broken, ValueError, TypeError) as broken:
        raise Unusable(
            f"The signing key {kid} does not open with this GATEHOUSE_MASTER_KEY; give back the key it was made with, "
            "or restore the database."
        ) from broken


@lru_cache(maxsize=64)
def _public(n: str, e: str) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(_number(e), _number(n)).public_key()


@lru_cache(maxsize=64)
def _pem(n: str, e: str) -> str:
    return _public(n, e).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _public_jwk(public: rsa.RSAPublicKey) -> dict[str, str]:
    """The key as RFC 7517, its kid being its RFC 7638 thumbprint."""
    numbers = public.public_numbers()
    members = {"e": _base64(numbers.e), "kty": "RSA", "n": _base64(numbers.n)}
    thumbprint = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    kid = base64.urlsafe_b64encode(thumbprint).rstrip(b"=").decode()
    return {**members, "kid": kid, "alg": ALGORITHM, "use": "sig"}


def _base64(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8)).rstrip(b"=").decode()


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
