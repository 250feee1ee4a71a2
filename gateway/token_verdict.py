"""What a gateway route says to an access token: judged here as each Envoy judges it, to the same word."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
from jwt.algorithms import RSAAlgorithm

from gateway.envoy.extension_configs import SKEW
from gateway.envoy.gateway_routes import EVERY_ROUTE
from gateway.envoy.plan import Keys, Revoked
from gateway.envoy.reply import Reply
from gateway.envoy.verdicts import SCOPE, VERDICTS
from tokens.access_tokens import GATEWAY_SCOPE

WORDS: Final = {reply.code: reply for reply in VERDICTS}
# Envoy passes over what stands before a token and cannot be of one.
_BEFORE = re.compile(r"[^A-Za-z0-9_.-]+(?=[A-Za-z0-9_.-])")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
_ALGORITHMS = frozenset(
    f"{kind}{bits}" for kind in ("RS", "PS", "ES", "HS") for bits in ("256", "384", "512")
) | {"EdDSA"}  # fmt: skip
_LARGEST = 2**63


@dataclass(frozen=True)
class Judged:
    """One step of the judgement: what it passed with, or the answer that it is refused with."""

    step: str
    said: str
    no: Reply | None = None


class _Refused(Exception):
    """The code of the answer."""


def judge(token: str, scope: str, keys: Keys, revoked: Revoked, now: float) -> tuple[list[Judged], Mapping[str, Any]]:
    """The steps until one refuses: the token, its revocation, its scope; and the claims, if it is good.

    `now` is in seconds since 1970.
    """
    try:
        claims = read(token, keys, now)
    except _Refused as no:
        return [Judged("token", "", WORDS[str(no)])], {}
    steps = [Judged("token", f"It was signed here for {' and '.join(_audiences(claims))} and is good now.")]
    if _is_revoked(claims, revoked):
        return [*steps, Judged("revocation", "", WORDS["token_revoked"])], {}
    steps.append(Judged("revocation", "Nothing that it names was revoked."))
    held = scopes(claims)
    if not {scope, EVERY_ROUTE} & set(held):
        return [*steps, Judged("scope", "", WORDS["scope_missing"])], {}
    return [*steps, Judged("scope", f"It holds {scope if scope in held else EVERY_ROUTE}.")], claims


def sentence(reply: Reply, scope: str) -> str:
    """The words of an answer as they are read."""
    return reply.sentence.replace(SCOPE, scope)


def read(token: str, keys: Keys, now: float) -> dict[str, Any]:
    """The claims of a token that is good now.

    Envoy looks at the issuer, then at the clock, then for whom it is, and at the signature last; so does this, for the
    first no is the one that is told.
    """
    if not token:
        raise _Refused("token_missing")
    if token.lower().startswith("gate_"):
        raise _Refused("api_token_not_accepted")
    before = _BEFORE.match(token)
    parts = token[before.end() if before else 0 :].split(".")
    if len(parts) != 3 or not all(parts):
        raise _Refused("token_malformed")
    header, claims = _object(parts[0]), _object(parts[1])
    algorithm, kid = header.get("alg", ""), header.get("kid", "")
    named = isinstance(algorithm, str) and algorithm in _ALGORITHMS and isinstance(kid, str)
    shaped = named and _are_shaped(claims)
    if not shaped or not _is_base64(parts[2]) or claims.get("iss") != keys.issuer or not claims.get("exp"):
        raise _Refused("token_invalid")
    if claims.get("nbf") and now + SKEW < claims["nbf"]:
        raise _Refused("token_not_yet_valid")
    if now > claims["exp"] + SKEW:
        raise _Refused("token_expired")
    if not {_plain(audience) for audience in _audiences(claims)} & set(keys.audiences):
        raise _Refused("token_audience")
    if not any(_is_signed(parts, jwk) for jwk in _fitting(keys, kid, algorithm)):
        raise _Refused("token_invalid")
    return claims


def scopes(claims: Mapping[str, Any]) -> list[str]:
    """The scopes that it holds for the gateway, which stand in one text in either claim."""
    said = [claims.get(name) for name in ("scope", GATEWAY_SCOPE)]
    return [word for text in said if isinstance(text, str) for word in text.split(" ") if word]


def _is_revoked(claims: Mapping[str, Any], revoked: Revoked) -> bool:
    named = (("sub", revoked.subjects), ("grant", revoked.grants), ("jti", revoked.tokens))
    return any(_written(claims.get(claim)) in values for claim, values in named)


def _written(value: Any) -> str:
    """A claim as it stands in a header; what is neither text nor number stands in none."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else str(int(value)) if isinstance(value, int | float) else ""


def _are_shaped(claims: Mapping[str, Any]) -> bool:
    """Texts are texts and moments are whole seconds, where they stand at all."""
    texts = all(isinstance(claims.get(name, ""), str) for name in ("iss", "sub", "jti"))
    moments = all(_is_moment(claims.get(name, 0)) for name in ("iat", "nbf", "exp"))
    audience = claims.get("aud", "")
    return texts and moments and (isinstance(audience, str) or _are_texts(audience))


def _is_moment(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _LARGEST


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _audiences(claims: Mapping[str, Any]) -> list[str]:
    said = claims.get("aud", [])
    return [said] if isinstance(said, str) else list(said)


def _plain(audience: str) -> str:
    """Envoy compares audiences without their scheme and without a slash at the end."""
    return re.sub("^https?://", "", audience).removesuffix("/")


def _fitting(keys: Keys, kid: str, algorithm: str) -> Iterator[dict[str, Any]]:
    """The keys that may have signed: the one that the token names, or each where it names none."""
    for jwk in json.loads(keys.jwks)["keys"]:
        if (not kid or jwk["kid"] == kid) and jwk["alg"] == algorithm:
            yield jwk


def _is_signed(parts: list[str], jwk: dict[str, Any]) -> bool:
    try:
        key: Any = RSAAlgorithm.from_jwk(jwk)
        signature = base64.urlsafe_b64decode(parts[2] + "=" * (-len(parts[2]) % 4))
        return bool(RSAAlgorithm(RSAAlgorithm.SHA256).verify(f"{parts[0]}.{parts[1]}".encode(), key, signature))
    except (jwt.PyJWTError, ValueError, TypeError):
        return False


def _is_base64(text: str) -> bool:
    return _BASE64URL.fullmatch(text) is not None and len(text) % 4 != 1


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON.")


def _object(part: str) -> dict[str, Any]:
    """A JSON object in base64; what is none is no token of this gateway."""
    try:
        if not _is_base64(part):
            raise ValueError
        text = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        found = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as unread:
        raise _Refused("token_invalid") from unread
    if not isinstance(found, dict):
        raise _Refused("token_invalid")
    return found
