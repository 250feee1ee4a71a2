"""Signatures of what webhooks send, as Standard Webhooks has them (standardwebhooks.com, version 1)."""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime


def headers(message: str, at: datetime, body: bytes, secrets: Iterable[str]) -> dict[str, str]:
    """The three headers; one signature for each secret, so that the receiver may hold either."""
    stamp = str(int(at.timestamp()))
    signed = b".".join((message.encode(), stamp.encode(), body))
    signatures = " ".join(_sign(secret, signed) for secret in secrets)
    return {"webhook-id": message, "webhook-timestamp": stamp, "webhook-signature": signatures}


def _sign(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.partition("_")[2])
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"
