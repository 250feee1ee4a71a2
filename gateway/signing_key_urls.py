"""Where the pages about signing keys are."""

from django.urls import path

from gateway import signing_key_pages

app_name = "signing_keys"
urlpatterns = [
    path("", signing_key_pages.index, name="list"),
    path("rotate/", signing_key_pages.rotate, name="rotate"),
]
