"""Generated secrets: `<kind>_<id12>_<secret43><crc6>`, recognisable, looked up by id, kept as a digest under a pepper.

The checksum lets garbage be refused without a look into the database, and lets scanners find leaked secrets surely.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field

from django.conf import settings

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID_CHARACTERS = string.ascii_lowercase + string.digits

_FORM = re.compile(r"(gate_[a-z]+)_([a-z0-9]{12})_([A-Za-z0-9_-]{43})([0-9A-Za-z]{6})", re.ASCII)
_IDENTIFIER = re.compile(r"[a-z0-9]{12}", re.ASCII)


@dataclass(frozen=True)
class Generated:
    """A new secret: its id, the text to show once, and what is kept of it."""

    id: str
    text: str = field(repr=False)
    digest: str
    pepper: str


def generate(kind: str) -> Generated:
    """A secret of 256 random bits; `kind` is its prefix, such as `gate_pat`."""
    identifier = "".join(secrets.choice(ID_CHARACTERS) for _ in range(12))
    body = f"{kind}_{identifier}_{secrets.token_urlsafe(32)}"
    text = body + checksum(body)
    pepper = next(iter(settings.PEPPERS))
    return Generated(identifier, text, digest(text, pepper), pepper)


def parse(kind: str, text: str) -> str | None:
    """The id in a secret of this kind; None for another kind, another form or a wrong checksum."""
    form = _FORM.fullmatch(text)
    if form is None or form[1] != kind or checksum(text[:-6]) != form[4]:
        return None
    return form[2]


def found_in(kind: str, text: str) -> str | None:
    """The id in the first secret of this kind that stands anywhere in a text; None if none does."""
    return next((form[2] for form in _FORM.finditer(text) if parse(kind, form[0])), None)


def is_identifier(text: str) -> bool:
    return _IDENTIFIER.fullmatch(text) is not None


def matches(text: str, kept: str, pepper: str) -> bool:
    """Whether this is the secret whose digest was kept, in constant time; a pepper that is gone matches nothing."""
    return pepper in settings.PEPPERS and hmac.compare_digest(digest(text, pepper).encode(), kept.encode())


def digest(text: str, pepper: str) -> str:
    """HMAC-SHA-256 under the pepper, 64 hex digits."""
    return hmac.new(settings.PEPPERS[pepper], text.encode(), hashlib.sha256).hexdigest()


def checksum(text: str) -> str:
    """CRC-32 as six digits of base 62."""
    rest, digits = zlib.crc32(text.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = DIGITS[digit] + digits
    return digits
