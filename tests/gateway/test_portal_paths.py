"""Which first path segments are the portal's own."""

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.urls import include, path, re_path

from gateway import portal_paths


def found(*patterns: object) -> set[str]:
    return set(portal_paths._below(list(patterns), "", "the test")) - {""}  # type: ignore[arg-type]


def view(request: object) -> None: ...


def test_they_are_read_from_the_urlconf() -> None:
    segments = portal_paths.segments(settings.ROOT_URLCONF)
    assert {
        "a.service",
        "portal",
        "api",
        "device",
        "devices",
        "denied-devices",
        "v1",
        "v3",
        "healthz",
        "readyz",
        "static",
    } <= set(segments)
    assert list(segments) == sorted(segments)
    assert not [segment for segment in segments if not segment or "/" in segment]


def test_those_of_the_device_door_are_others() -> None:
    segments = portal_paths.segments(settings.DEVICE_URLCONF)
    assert segments == ("a.service", "api", "apps-states", "config", "device", "events", "jobs", "system_info")


def test_of_every_kind_of_pattern() -> None:
    inner = [path("", view), path("b/<int:pk>/", view), re_path(r"^c\Z", view)]
    assert found(
        path("", view),
        path("whole", view),
        path("with/<str:variable>", view),
        path("v3/discovery:<str:kind>", view),
        path("included/", include(inner)),
        path("", include([path("nested/x", view), re_path(r"^exact\Z", view)])),
        re_path(r"^api/(?:a|b)/", view),
        re_path(r"^\.well-known/x\Z", view),
        re_path(r"^a\.service(?:/|\Z)", view),
    ) == {"whole", "with", "v3", "included", "nested", "exact", "api", ".well-known", "a.service"}


@pytest.mark.parametrize("pattern", [path("<slug:any>/x", view), re_path(r"^(?:a|b)/", view), re_path(r"^ab?/x", view)])
def test_one_whose_first_segment_is_not_fixed_stops_the_start(pattern: object) -> None:
    with pytest.raises(ImproperlyConfigured):
        found(pattern)
