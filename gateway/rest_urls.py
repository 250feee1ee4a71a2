"""Where the REST endpoints about device CAs, certificates, routes and the files of apps are."""

from django.urls import re_path
from rest_framework.routers import SimpleRouter

from devices.models import ID
from gateway.certificates_rest import DoorCertificateViewSet
from gateway.certsips_rest import CertsipsView
from gateway.nodes_rest import NodeViewSet
from gateway.rest import CertificatesViewSet, CertificateView, DeviceCAViewSet
from gateway.routes_rest import RouteViewSet
from gateway.traffic_rest import TrafficView
from tokens import installing, registration

router = SimpleRouter(trailing_slash=False)
router.register("certificates", DoorCertificateViewSet, basename="door-certificate")
router.register("device-cas", DeviceCAViewSet, basename="device-ca")
router.register("nodes", NodeViewSet, basename="node")
router.register("routes", RouteViewSet, basename="route")
urlpatterns = [
    *router.urls,
    re_path(r"^routes/(?P<id>[0-9]{1,18})/traffic$", TrafficView.as_view()),
    re_path(rf"^devices/(?P<id>{ID})/certificate$", CertificateView.as_view()),
    re_path(rf"^devices/(?P<id>{ID})/certificates$", CertificatesViewSet.as_view({"get": "list"})),
    re_path(
        rf"^apps/(?P<app>{registration.NAME})/installations/(?P<id>{installing.ID})/certsips\.json$",
        CertsipsView.as_view(),
    ),
]
