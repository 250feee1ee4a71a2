"""Where the dialects and the control plane are."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
