"""An error as Insights Hub writes it, and the addresses below which every error is written so."""

from collections.abc import Mapping
from typing import Any

PREFIXES = ("/api/identitymanagement/", "/api/im/", "/api/technicaltokenmanager/")

INVALID_PARAMETER, MISSING_PARAMETER = "invalidParameter", "missingParameter"
INVALID_PROPERTY, MISSING_PROPERTY = "invalidRequestBodyProperty", "missingRequestBodyProperty"
# What is meant by a status if nothing more is known.
WORDS: Mapping[int, str] = {
    400: INVALID_PARAMETER,
    401: "unauthorized",
    403: "forbidden",
    404: "noMatch",
    405: "methodNotAllowed",
    408: "requestTimeout",
    409: "conflict",
    411: "lengthRequired",
    413: "payloadTooLarge",
    415: "unsupportedMediaType",
    426: "upgradeRequired",
    429: "tooManyRequests",
    431: "headersTooLarge",
    500: "internalServerError",
    503: "serviceUnavailable",
    504: "gatewayTimeout",
}


def body(word: str, sentence: str, logref: str) -> dict[str, Any]:
    """The body of every answer that is not a success; `logref` is the id of the request."""
    return {"errors": [{"code": f"mdsp.core.generic.{word}", "logref": logref, "message": sentence}]}
