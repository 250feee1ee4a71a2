"""Where the pages about device CAs are."""

from django.urls import path, re_path

from gateway import device_ca_pages, device_cas

app_name = "device_cas"
urlpatterns = [
    path("", device_ca_pages.index, name="list"),
    # Longer than the addresses of one CA, whose name may be any word.
    path("new/make/", device_ca_pages.make, name="make"),
    path("new/add/", device_ca_pages.add, name="add"),
    re_path(rf"^(?P<name>{device_cas.NAME})/$", device_ca_pages.detail, name="detail"),
    re_path(rf"^(?P<name>{device_cas.NAME})/withdraw/$", device_ca_pages.withdraw, name="withdraw"),
]
