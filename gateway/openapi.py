"""The second document: the API of the device door, which a client certificate opens."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

DEVICE_URLCONF = settings.DEVICE_URLCONF

_HOST = urlsplit(settings.PUBLIC_URL).hostname

DEVICE_SETTINGS: dict[str, Any] = {
    "TITLE": "Gatehouse device gateway",
    "DESCRIPTION": (
        "What a device calls at its own door, with its client certificate. A device that is not accepted is told what "
        "it waits for, and when it is worth asking again. The calls of a Mender client are served at this door too."
    ),
    "SERVERS": [{"url": f"https://{_HOST}:{settings.DEVICE_PORT}", "description": "The device door."}],
    "SCHEMA_PATH_PREFIX": "",
}
