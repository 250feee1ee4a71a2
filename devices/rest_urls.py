"""Where the REST endpoints about devices are."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from devices.bulk_rest import DeviceDecisionsView
from devices.keychange_rest import KeyChangeViewSet
from devices.rest import DeniedDeviceViewSet, DeviceCountsView, DeviceViewSet
from devices.rules_rest import EnrolmentRuleViewSet
from devices.stored_rest import StoredViewSet

router = SimpleRouter(trailing_slash=False)
router.register("devices", DeviceViewSet, basename="device")
router.register("devices", StoredViewSet, basename="device-stored")
router.register("denied-devices", DeniedDeviceViewSet, basename="denied-device")
router.register("key-changes", KeyChangeViewSet, basename="key-change")
router.register("enrolment-rules", EnrolmentRuleViewSet, basename="enrolment-rule")
urlpatterns = [
    *router.urls,
    path("device-decisions", DeviceDecisionsView.as_view()),
    path("device-counts", DeviceCountsView.as_view()),
]
