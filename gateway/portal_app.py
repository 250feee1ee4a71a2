"""The portal as the app server's workers load it: each ends with its parent, and reads a body before it answers."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from gateway import lifeline
from portal import wsgi

lifeline.end_with_parent()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Take the whole body, which Envoy has bounded and holds already.

    A refusal that left a long body unread would close the socket under Envoy's hands, and be lost.
    """
    length = environ.get("CONTENT_LENGTH") or "0"
    if length != "0":
        environ["wsgi.input"] = BytesIO(environ["wsgi.input"].read(int(length)))
    return wsgi.application(environ, start_response)
