"""The device door: what comes in by it finds other addresses than at the doors of people and programs."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import resolve


class DeviceDoorMiddleware:
    """Look a request of the device door up among its own addresses, past all that serves people.

    Devices have neither cookies nor sessions nor pages; many ask often, so what they do not need is not done for them.
    The header is Envoy's, which removes it from what clients send; nobody else reaches the portal.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.META.get("HTTP_X_GATEHOUSE_DOOR") != "device":
            return self.get_response(request)
        request.urlconf = settings.DEVICE_URLCONF  # Where its errors look too.
        view, args, kwargs = resolve(request.path_info, settings.DEVICE_URLCONF)
        response: Any = view(request, *args, **kwargs)
        if not getattr(response, "is_rendered", True):
            response.render()
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("Content-Length", str(len(response.content)))
        return response  # type: ignore[no-any-return]
