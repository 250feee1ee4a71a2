"""Seal what must be read again, such as signing keys, under the master key; everything else secret is a digest."""

import base64
import hashlib
import hmac
from functools import cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from portal.refusal import Refusal


class Broken(Refusal):
    """A sealed text does not open: the master key is another one, or the row was changed."""

    status, code = 503, "sealed_secret_broken"


@cache
def derived_key(purpose: str) -> bytes:
    """32 bytes for one purpose; knowing one tells nothing about another or about the master key."""
    return HKDF(SHA256(), 32, salt=None, info=f"gatehouse {purpose}".encode()).derive(settings.MASTER_KEY)


def seal(plain: bytes) -> str:
    return _box().encrypt(plain).decode()


def unseal(sealed: str) -> bytes:
    try:
        return _box().decrypt(sealed.encode())
    except InvalidToken as broken:
        raise Broken(
            "A sealed secret does not open with this GATEHOUSE_MASTER_KEY; give back the key it was made with."
        ) from broken


def mac(purpose: str, message: bytes) -> str:
    """HMAC-SHA-256 under the key of the purpose, 64 hex digits."""
    return hmac.new(derived_key(purpose), message, hashlib.sha256).hexdigest()


@cache
def _box() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(derived_key("sealing")))
