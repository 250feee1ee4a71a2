"""The addresses of apps on devices that lead nowhere: each names the right one, and none is a 503 (seed 000)."""

import re
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import resolve
from django.views.decorators.csrf import csrf_exempt

from gateway.certsips import SERVICE_NAME
from gateway.dialects import industrial_edge
from gateway.dialects import industrial_edge_errors as words
from gateway.dialects.industrial_edge import PERMIT, SHUTDOWN, EdgeRefusal
from portal import errors
from portal.refusal import NotFound, Refusal

_SLASHES = re.compile("/{2,}")


class WrongPath(EdgeRefusal):
    status, code = 404, words.WRONG_PATH


def door() -> str:
    """Where apps call, by the name that they trust."""
    return f"https://{SERVICE_NAME}:{urlsplit(settings.PUBLIC_URL).port or 443}"


def right_path(path: str) -> str:
    """What whoever called this path is told."""
    path = path.lower()
    if "secure-storage" in path:
        return "Gatehouse serves no secure storage; certsips.json names its path because apps expect it there."
    if "shutdown" in path:
        return f"Nothing is served at this path; an app asks for a shutdown with POST {SHUTDOWN} at {door()}."
    return f"Nothing is served at this path; an app gets its access token with POST {PERMIT} at {door()}."


@csrf_exempt
@login_not_required
def nowhere(request: HttpRequest) -> HttpResponse:
    """Any other address of apps; one with doubled slashes is the one without."""
    merged = _SLASHES.sub("/", request.path_info)
    view, args, kwargs = resolve(merged)
    if view is not nowhere:
        answer: HttpResponse = view(request, *args, **kwargs)
        return answer
    return _answer(WrongPath(right_path(merged)))


@csrf_exempt
@login_not_required
def wrong_door(request: HttpRequest) -> HttpResponse:
    """An address of apps at the door of devices."""
    right = SHUTDOWN if "shutdown" in request.path_info.lower() else PERMIT
    return _answer(WrongPath(f"Apps are not served at this door, which is for devices; call {right} at {door()}."))


def _answer(refusal: Refusal) -> HttpResponse:
    return JsonResponse(industrial_edge.body(refusal), status=refusal.status)


def _body(refusal: Refusal) -> dict[str, object]:
    """The body where no view was found: whoever is here wants an access token."""
    return industrial_edge.body(WrongPath(right_path("")) if isinstance(refusal, NotFound) else refusal)


errors.speaks(words.PREFIXES, _body, endings=words.ENDINGS, at_device_door=True)
