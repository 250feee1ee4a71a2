"""The portal behind Envoy: what Envoy says of the client is true, for nobody else reaches the unix socket."""

import ipaddress
import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

_django = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Take the client's address and the scheme from Envoy's headers; `manage.py runserver` never comes through here."""
    environ["REMOTE_ADDR"] = _address(environ.pop("HTTP_X_FORWARDED_FOR", ""))
    environ["wsgi.url_scheme"] = environ.pop("HTTP_X_FORWARDED_PROTO", "http")
    environ["SCRIPT_NAME"] = ""
    return _django(environ, start_response)


def _address(forwarded_for: str) -> str:
    """The last address, which is the one that Envoy saw; nothing if that is none."""
    try:
        return str(ipaddress.ip_address(forwarded_for.rpartition(",")[2].strip()))
    except ValueError:
        return ""
