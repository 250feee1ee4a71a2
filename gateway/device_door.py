"""The device door: what comes in by it finds other addresses than at the doors of people and programs."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse


class DeviceDoorMiddleware:
    """Look a request of the device door up among its own addresses.

    The header is Envoy's, which removes it from what clients send; nobody else reaches the portal.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.META.get("HTTP_X_GATEHOUSE_DOOR") == "device":
            request.urlconf = settings.DEVICE_URLCONF
        return self.get_response(request)
