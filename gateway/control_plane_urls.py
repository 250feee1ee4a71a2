"""Where each Envoy asks for its configuration."""

from django.urls import path

from gateway import control_plane

urlpatterns = [path("v3/discovery:<str:kind>", control_plane.discover)]
