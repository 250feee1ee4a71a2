"""Where the control plane and the metrics are."""

from django.urls import path

from gateway import control_plane
from gateway.metrics import MetricsView

urlpatterns = [
    path("v3/discovery:<str:kind>", control_plane.discover),
    path("metrics", MetricsView.as_view(), name="metrics"),
]
