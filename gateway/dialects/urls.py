"""Where the dialects are."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
