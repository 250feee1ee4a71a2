"""Where the pages about the certificates of the doors are."""

from django.urls import path

from gateway import certificate_pages

app_name = "door_certificates"
urlpatterns = [
    path("", certificate_pages.index, name="list"),
    path("install/", certificate_pages.install, name="install"),
    path("<int:number>/remove/", certificate_pages.remove, name="remove"),
]
