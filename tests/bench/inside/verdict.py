"""A verdict service as one would write it in Python: 200 if the access token is good, else 401.

It judges what the gateway does: signature, audience, scope, and what was revoked, which it reads at each request.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

import jwt

KEYS = {key["kid"]: jwt.PyJWK(key) for key in json.loads(os.environ["VERDICT_JWKS"])["keys"]}
ISSUER = os.environ["VERDICT_ISSUER"]
DATABASE = sqlite3.connect(f"file:{os.environ['VERDICT_DATABASE']}?mode=ro", uri=True, check_same_thread=False)
REVOKED = "SELECT 1 FROM tokens_revocation WHERE value IN (?, ?, ?)"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/healthz" or is_good(environ.get("HTTP_AUTHORIZATION", "")):
        start_response("200 OK", [("Content-Length", "0")])
    else:
        start_response("401 Unauthorized", [("Content-Length", "0")])
    return []


def is_good(authorization: str) -> bool:
    token = authorization.removeprefix("Bearer ")
    try:
        kid = jwt.get_unverified_header(token)["kid"]
        claims = jwt.decode(
            token, KEYS[kid].key, algorithms=["RS256"], audience=["gateway", "edgex"], issuer=ISSUER,
            options={"require": ["exp", "iat"]},
        )  # fmt: skip
    except (jwt.PyJWTError, KeyError):
        return False
    if DATABASE.execute(REVOKED, [claims.get(name, "") for name in ("jti", "grant", "sub")]).fetchone():
        return False
    scopes = claims.get("scope", "")
    return "gateway:*" in (scopes.split() if isinstance(scopes, str) else scopes)
