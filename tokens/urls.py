"""Where the pages about tokens are."""

from django.urls import URLPattern

app_name = "tokens"
urlpatterns: list[URLPattern] = []
