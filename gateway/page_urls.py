"""Where the pages of the gateway are: routes, certificates of the doors, nodes, signing keys."""

from django.urls import include, path

urlpatterns = [
    path("certificates/", include("gateway.certificate_urls")),
    path("nodes/", include("gateway.node_urls")),
    path("signing-keys/", include("gateway.signing_key_urls")),
    path("", include("gateway.route_urls")),
]
