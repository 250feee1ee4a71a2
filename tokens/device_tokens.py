"""The tokens of Mender devices: bought with the device's key, good for its own calls while it is accepted."""

import re
import time
import uuid
from typing import Any

from django.conf import settings

from devices.models import ID, Device
from tokens import signing

AUDIENCE = "mender-device"
LIFETIME = 3600

_ID = re.compile(ID)


def issue(device: Device) -> str:
    """A JWT for an accepted device. It names the device's epoch, so that it ends with what the device was granted, and
    when its record began, so that it does not live on in another record after a purge."""
    now = int(time.time())
    return signing.sign(
        {
            "iss": settings.PUBLIC_URL,
            "aud": AUDIENCE,
            "sub": device.pk,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + LIFETIME,
            "grant": _grant(device),
            "mender.device": True,
        }
    )


def holder(token: str) -> Device | None:
    """The device whose token this is, if it is accepted now and has been since it bought the token; else None."""
    try:
        claims: dict[str, Any] = signing.verified(token, audience=AUDIENCE, issuer=settings.PUBLIC_URL)
    except signing.Untrusted:
        return None
    if not _ID.fullmatch(claims.get("sub", "")):
        return None
    device: Device | None = Device.objects.filter(pk=claims["sub"]).first()
    if device is None or not device.is_admitted or claims.get("grant") != _grant(device):
        return None
    return device


def _grant(device: Device) -> str:
    return f"{device.fingerprint[:16]}.{device.epoch}.{device.request_time.timestamp():.6f}"
