"""Where the REST endpoints about device CAs and certificates are."""

from django.urls import re_path
from rest_framework.routers import SimpleRouter

from devices.models import ID
from gateway.rest import CertificatesViewSet, CertificateView, DeviceCAViewSet

router = SimpleRouter(trailing_slash=False)
router.register("device-cas", DeviceCAViewSet, basename="device-ca")
urlpatterns = [
    *router.urls,
    re_path(rf"^devices/(?P<id>{ID})/certificate$", CertificateView.as_view()),
    re_path(rf"^devices/(?P<id>{ID})/certificates$", CertificatesViewSet.as_view({"get": "list"})),
]
