"""Where the pages about devices are."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from devices import bulk_pages, pages, preauthorisation_pages, stored_pages
from devices.models import ID


class DeviceId(StringConverter):
    regex = ID


register_converter(DeviceId, "device")

app_name = "devices"
urlpatterns = [
    path("", pages.index, name="list"),
    path("list/live/", pages.live, name="live"),
    path("list/waiting/", pages.waiting, name="waiting"),
    path("list/devices.csv", pages.export_csv, name="csv"),
    path("list/decide/", bulk_pages.decide, name="decide"),
    path("list/preauthorize/", preauthorisation_pages.show, name="preauthorize"),
    path("list/preauthorize/one/", preauthorisation_pages.one, name="preauthorize_one"),
    path("list/preauthorize/judge/", preauthorisation_pages.judge, name="preauthorize_judge"),
    path("list/preauthorize/carry-out/", preauthorisation_pages.carry_out, name="preauthorize_list"),
    path("list/preauthorize/template.csv", preauthorisation_pages.template, name="preauthorize_template"),
    path("decisions/<uuid:bulk_id>/", bulk_pages.show, name="bulk_decision"),
    path("decisions/<uuid:bulk_id>/go-on/", bulk_pages.go_on, name="go_on"),
    path("<device:device_id>/", pages.detail, name="detail"),
    path("<device:device_id>/accept/", pages.accept, name="accept"),
    path("<device:device_id>/reject/", pages.reject, name="reject"),
    path("<device:device_id>/deny/", pages.deny, name="deny"),
    path("<device:device_id>/restore/", pages.restore, name="restore"),
    path("<device:device_id>/purge/", pages.purge, name="purge"),
    path("<device:device_id>/config/file/", stored_pages.put_file, name="put_file"),
    path("<device:device_id>/config/file/remove/", stored_pages.remove_file, name="remove_file"),
    path("<device:device_id>/key-changes/<int:change>/accept/", pages.accept_key, name="accept_key"),
    path("<device:device_id>/key-changes/<int:change>/refuse/", pages.refuse_key, name="refuse_key"),
]
