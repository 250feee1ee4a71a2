"""Where the control plane, the metrics and the document of the device gateway are."""

from django.urls import path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from gateway import control_plane
from gateway.metrics import MetricsView
from gateway.openapi import DEVICE_SETTINGS, DEVICE_URLCONF

device_schema = SpectacularJSONAPIView.as_view(urlconf=DEVICE_URLCONF, custom_settings=DEVICE_SETTINGS)
device_docs = SpectacularSwaggerSplitView.as_view(url_name="device_schema", title=DEVICE_SETTINGS["TITLE"])

urlpatterns = [
    path("v3/discovery:<str:kind>", control_plane.discover),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("device/schema/", device_schema, name="device_schema"),
    path("device/docs/", device_docs, name="device_docs"),
]
