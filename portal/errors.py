"""Answers to what no view caught: a page for a browser in the portal, JSON everywhere else, never Django's own HTML."""

import logging
import sys
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views.decorators.csrf import requires_csrf_token

from portal.failures import InternalError, Unavailable, body, is_outage
from portal.pages import show
from portal.refusal import NotFound, Refusal
from portal.rest import MethodNotAllowed

log = logging.getLogger("gatehouse.errors")

Body = Callable[[Refusal], Any]

FAULT = "Something went wrong here; the log of Gatehouse says what, under this request id."

_bodies: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[Body, bool]] = {}


class BadRequest(Refusal):
    status, code = 400, "bad_request"


class Forbidden(Refusal):
    status, code = 403, "csrf"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, SessionInterrupted):
        return answer(request, BadRequest("Your session has ended meanwhile; log in again and look what was changed."))
    return answer(request, unreadable(exception))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, NotFound("There is nothing at this address; check its spelling."))


def server_error(request: HttpRequest) -> HttpResponse:
    if is_outage(sys.exc_info()[1]):
        return answer(request, Unavailable("The database does not answer; nothing was changed, try again."))
    return answer(request, InternalError(FAULT))


@requires_csrf_token
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return answer(request, Forbidden("This form is too old or came from another site; reload the page and try again."))


class MethodMiddleware:
    """Methods are told apart by case (RFC 9110 9.1), which Django forgets: `post` is one that is served nowhere.

    So it becomes TRACE, which nothing serves either; the answer to that names what is served.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.META["REQUEST_METHOD"] != request.method:
            request.method = "TRACE"
        return self.get_response(request)


class NotServedMiddleware:
    """Give a body to Django's own 405, which has none."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not isinstance(response, HttpResponseNotAllowed):
            return response
        allowed = response["Allow"]
        told = answer(request, MethodNotAllowed(request, f"use {allowed}"))
        told["Allow"] = allowed
        return told


def unreadable(exc: Exception) -> BadRequest:
    """The refusal of a request that Django itself does not read."""
    if isinstance(exc, TooManyFieldsSent):
        most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        return BadRequest(f"The request has too many parameters or fields; at most {most} are taken, so send fewer.")
    if isinstance(exc, TooManyFilesSent):
        most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
        return BadRequest(f"The request has too many files; at most {most} are taken, so send fewer.")
    return BadRequest("The request cannot be read; check its host name and headers.")


def speaks(
    prefixes: tuple[str, ...], said: Body, endings: tuple[str, ...] = (), *, at_device_door: bool = False
) -> None:
    """Below these prefixes, and where a path ends so, a dialect is spoken: a refusal has the body of the dialect.

    So it is at the doors of people and programs, and `at_device_door` if something of it is served there.
    """
    _bodies[prefixes, endings] = said, at_device_door


def answer(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The refusal in the shape of the place where the client is."""
    path = request.path
    # The device door has addresses of its own, and no pages.
    by_device = hasattr(request, "urlconf")
    spoken = (
        said
        for (begins, ends), (said, at_device_door) in _bodies.items()
        if (path.startswith(begins) or path.endswith(ends)) and (at_device_door or not by_device)
    )
    said = next(spoken, None)
    if said is None and path.startswith("/portal/") and not by_device:
        page: Any = request
        return show(page, refusal)
    response = JsonResponse((said or body)(refusal), status=refusal.status)
    if refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)
    return response
