"""Where the door's certificate, the metrics and the document of the device gateway are."""

from django.urls import path
from drf_spectacular.views import SpectacularSwaggerSplitView

from gateway import door_pages
from gateway.metrics import MetricsView
from gateway.openapi import DEVICE_SETTINGS, DEVICE_URLCONF
from portal.openapi_documents import DocumentView

device_schema = DocumentView.as_view(urlconf=DEVICE_URLCONF, custom_settings=DEVICE_SETTINGS)
device_docs = SpectacularSwaggerSplitView.as_view(url_name="device_schema", title=DEVICE_SETTINGS["TITLE"])

urlpatterns = [
    path("portal/door-certificate/", door_pages.certificate, name="door_certificate"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("device/schema/", device_schema, name="device_schema"),
    path("device/docs/", device_docs, name="device_docs"),
]
