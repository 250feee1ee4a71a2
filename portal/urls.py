"""The map of the site. Apps are included by name, so this file imports none of them."""

from django.urls import include, path

urlpatterns = [
    # First what programs call most; the order decides nothing else.
    path("", include("gateway.control_plane_urls")),
    path("", include("gateway.dialects.urls")),
    path("", include("portal.page_urls")),
    path("portal/devices/", include("devices.urls")),
    path("portal/enrolment-rules/", include("devices.rules_urls")),
    path("portal/shutdowns/", include("devices.shutdown_urls")),
    path("portal/tokens/", include("tokens.urls")),
    path("portal/apps/", include("tokens.apps_urls")),
    path("portal/device-cas/", include("gateway.device_ca_urls")),
    path("portal/gateway/", include("gateway.page_urls")),
    path("api/v1/", include("portal.rest_urls")),
    path("api/v1/", include("devices.rest_urls")),
    path("api/v1/", include("tokens.rest_urls")),
    path("api/v1/", include("gateway.rest_urls")),
    path("", include("gateway.urls")),
]

handler400 = "portal.errors.bad_request"
handler404 = "portal.errors.not_found"
handler500 = "portal.errors.server_error"
