"""The device door's addresses, and `/trivial`: the smallest view that Django serves there."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.urls import path

from gateway import device_urls


@login_not_required
def trivial(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


urlpatterns = [path("trivial", trivial), *device_urls.urlpatterns]

handler400, handler404, handler500 = device_urls.handler400, device_urls.handler404, device_urls.handler500
