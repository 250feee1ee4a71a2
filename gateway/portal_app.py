"""The portal as the app server's workers load it: each ends with its parent, and reads a body before it answers."""

import multiprocessing
import sys
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from gateway import lifeline
from portal import wsgi

# None where the app server has no processes of its own for its workers.
if (started_by := multiprocessing.parent_process()) and started_by.pid:
    lifeline.end_with_parent(started_by.pid)

# A thread that waits for its turn waits so long, in seconds: with Python's 5 ms, a request that signs or asks the
# database, and gives its turn away meanwhile, would get it back late whenever the other thread is busy.
sys.setswitchinterval(0.0005)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Take the whole body, which Envoy has bounded and holds already.

    A refusal that left a long body unread would close the socket under Envoy's hands, and be lost.
    """
    length = environ.get("CONTENT_LENGTH") or "0"
    if length != "0":
        environ["wsgi.input"] = BytesIO(environ["wsgi.input"].read(int(length)))
    return wsgi.application(environ, start_response)
