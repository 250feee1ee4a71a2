"""An error as Industrial Edge writes it, and the addresses at which every error is written so."""

from collections.abc import Mapping
from typing import Any

# Below the first two everything is for apps on devices; elsewhere, what ends as the address of an access token does.
PREFIXES = ("/device/edge/", "/a.service/")
ENDINGS = ("/token/permit", "/token/permit/")
# The same as a regular expression, for Envoy.
ENDING = "/token/permit/?"

WRONG_PATH = "wrongPath"
# What is meant by a status if nothing more is known.
WORDS: Mapping[int, str] = {
    400: "badRequest",
    401: "auth.invalidToken",
    403: "forbidden",
    404: WRONG_PATH,
    405: "methodNotAllowed",
    408: "requestTimeout",
    409: "conflict",
    411: "lengthRequired",
    413: "tooLarge",
    415: "unsupportedMediaType",
    422: "idempotencyKeyReused",
    426: "upgradeRequired",
    429: "tooManyRequests",
    431: "headersTooLarge",
    500: "internalError",
    503: "unavailable",
    504: "timeout",
}


def body(word: str, sentence: str, logref: str) -> dict[str, Any]:
    """The body of every answer that is not a success; `logref` is the id of the request."""
    return {"errors": [{"code": f"edge.{word}", "message": sentence, "logref": logref}]}
