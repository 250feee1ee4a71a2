"""The client id and the secret that a program shows in a header, in every way in which clients write it."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.dialects.insights_hub import InsightsRefusal, InvalidParameter

BASIC = 'Basic realm="gatehouse"'
OWN, STANDARD = "X-SPACE-AUTH-KEY", "Authorization"

_KEYS = {OWN: "HTTP_X_SPACE_AUTH_KEY", STANDARD: "HTTP_AUTHORIZATION"}
_FORM = "Basic <base64 of client-id:secret>"
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)
_URL_SAFE = str.maketrans("-_", "+/")


class Unauthorized(InsightsRefusal):
    """The header is missing, or says nothing that can be read."""

    status, code = 401, "unauthorized"

    def challenge(self) -> str:
        return BASIC


def refuse_repeated(headers: Mapping[str, Any]) -> None:
    """Refuse a header that was sent twice; on its way here it became one, with a comma that none of its values has."""
    for name, key in _KEYS.items():
        if "," in headers.get(key, ""):
            raise InvalidParameter(f"{name} was sent twice, or holds a comma; send it once, as {_FORM}.")


def credentials(
    headers: Mapping[str, Any], names: Sequence[str] = (OWN, STANDARD), *, told: str = OWN
) -> tuple[str, str]:
    """Client id and secret from the first of these headers that was sent; who sent none is told to send `told`."""
    for name in names:
        if (sent := headers.get(_KEYS[name])) is not None:
            return _read(name, sent)
    raise Unauthorized(f"Send your app credentials in a header: {told}: {_FORM}.")


def _read(name: str, sent: str) -> tuple[str, str]:
    """White space in the value is dropped, both alphabets are taken, the padding may be missing."""
    scheme, *pieces = sent.split() or [""]
    value = "".join(pieces)
    if scheme.lower() not in ("basic", "bearer") or not value:
        raise Unauthorized(f"{name} says neither Basic nor Bearer with a value; send {name}: {_FORM}.")
    if value.startswith("$("):
        raise Unauthorized(
            f"The value of {name} was sent as written: put the header into double quotes so that the shell runs the "
            "command."
        )
    text = _decoded(value)
    if text is None:
        raise Unauthorized(f"The value of {name} cannot be decoded; send {name}: {_FORM}.")
    client_id, colon, secret = text.partition(":")
    if not colon:
        raise Unauthorized(f"What {name} decodes to has no ':'; send {name}: {_FORM}.")
    return client_id, secret


def _decoded(value: str) -> str | None:
    value = value.translate(_URL_SAFE)
    if not _BASE64.fullmatch(value):
        return None
    bare = value.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
