"""The id that ties an answer, its log lines and its audit rows together."""

import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

PRINTABLE = re.compile(r"[ -~]{1,128}")
MENDER = ("/api/management/", "/api/devices/")

_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """The id of the request under way; empty in a command or the worker."""
    return _current.get()


class RequestIdMiddleware:
    """Take the caller's id if it can be read, else the door's, else a new one; it stands in every answer.

    Envoy moves what the caller sent aside as X-Gatehouse-Caller-Request-Id and sets X-Request-Id itself. Mender's
    clients name theirs X-MEN-RequestID and look for it under that name in the answer.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        mender = request.path.startswith(MENDER)
        names = ("X_MEN_REQUESTID",) if mender else ("X_GATEHOUSE_CALLER_REQUEST_ID", "X_REQUEST_ID")
        sent = (request.META.get(f"HTTP_{name}", "") for name in names)
        chosen = next((value for value in sent if PRINTABLE.fullmatch(value)), "") or str(uuid.uuid4())
        token = _current.set(chosen)
        try:
            response = self.get_response(request)
        finally:
            _current.reset(token)
        response["X-Request-Id"] = chosen
        if mender:
            response["X-MEN-RequestID"] = chosen
        return response
