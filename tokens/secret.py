"""Generated secrets: recognisable, looked up by id, kept as a digest under a pepper.

Tokens are `<kind>_<id12>_<secret43><crc6>`; the secret of a client, whose id goes beside it, is
`gatecs<secret43><crc6>`. The checksum lets garbage be refused without a look into the database, and lets scanners find
leaked secrets surely.
"""

import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field

from tokens import peppers

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID_CHARACTERS = string.ascii_lowercase + string.digits

CLIENT = "gatecs"

_FORM = re.compile(r"(gate_[a-z]+)_([0-9A-Za-z]{12})_([A-Za-z0-9_-]{43})([0-9A-Za-z]{6})", re.ASCII)
_CLIENT_FORM = re.compile(rf"{CLIENT}[0-9A-Za-z]{{49}}", re.ASCII)
_IDENTIFIER = re.compile(r"[a-z0-9]{12}", re.ASCII)


@dataclass(frozen=True)
class Generated:
    """A new secret: its id, the text to show once, and what is kept of it."""

    id: str
    text: str = field(repr=False)
    digest: str
    pepper: str

    @property
    def hint(self) -> str:
        """What tells it from its sisters when it is not shown any more."""
        return self.text[-4:]


def generate(kind: str) -> Generated:
    """A secret of 256 random bits; `kind` is its prefix, such as `gate_pat`."""
    identifier = new_id()
    body = f"{kind}_{identifier}_{secrets.token_urlsafe(32)}"
    return _generated(identifier, body + checksum(body))


def app_token(kind: str, installation: str) -> Generated:
    """The token of an app on a device, which bears the id of the installation; its own id is another."""
    body = f"{kind}_{installation}_{_random43()}"
    return _generated(new_id(), body + checksum(body))


def client_secret(client_id: str) -> Generated:
    """A secret of letters and digits alone; its digest is one of both, `client_id:secret`."""
    body = CLIENT + _random43()
    text = body + checksum(body)
    generated = _generated(new_id(), f"{client_id}:{text}")
    return Generated(generated.id, text, generated.digest, generated.pepper)


def password(username: str) -> Generated:
    """A password of letters and digits alone; its digest is one of both, `username:password`."""
    text = _random43()
    generated = _generated(new_id(), f"{username}:{text}")
    return Generated(generated.id, text, generated.digest, generated.pepper)


def new_id(characters: str = ID_CHARACTERS) -> str:
    """12 random characters."""
    return "".join(secrets.choice(characters) for _ in range(12))


def _generated(identifier: str, text: str) -> Generated:
    pepper = peppers.active()
    return Generated(identifier, text, digest(text, pepper), pepper)


def _random43() -> str:
    return _base62(int.from_bytes(secrets.token_bytes(32)), 43)


def is_client_secret(text: str) -> bool:
    """Whether it has the form of a client secret and its checksum."""
    return _CLIENT_FORM.fullmatch(text) is not None and checksum(text[:-6]) == text[-6:]


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
    key = peppers.key(pepper)
    return key is not None and hmac.compare_digest(peppers.under(key, text).encode(), kept.encode())


def digests(text: str) -> dict[str, str]:
    """The digest under every pepper that verifies, by the pepper's id."""
    return {pepper: peppers.under(key, text) for pepper, key in peppers.keys().items()}


def digest(text: str, pepper: str) -> str:
    """HMAC-SHA-256 under the pepper, 64 hex digits."""
    return peppers.digest(text, pepper)


def checksum(text: str) -> str:
    """CRC-32 as six digits of base 62."""
    return _base62(zlib.crc32(text.encode()), 6)


def _base62(number: int, places: int) -> str:
    digits = ""
    for _ in range(places):
        number, digit = divmod(number, 62)
        digits = DIGITS[digit] + digits
    return digits
