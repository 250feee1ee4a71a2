"""Where the REST endpoints about devices are."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from devices.bulk_rest import DeviceDecisionsView
from devices.keychange_rest import KeyChangeViewSet
from devices.rest import DeniedDeviceViewSet, DeviceCountsView, DeviceViewSet
from devices.rules_rest import EnrolmentRuleViewSet
from devices.shutdown_rest import ShutdownViewSet
from devices.stored_rest import StoredViewSet

router = SimpleRouter(trailing_slash=False)
router.register("devices", DeviceViewSet, basename="device")
router.register("devices", StoredViewSet, basename="device-stored")
router.register("denied-devices", DeniedDeviceViewSet, basename="denied-device")
router.register("key-changes", KeyChangeViewSet, basename="key-change")
router.register("enrolment-rules", EnrolmentRuleViewSet, basename="enrolment-rule")
# Its id is a UUID, which a pattern alone does not judge.
by_uuid = SimpleRouter(trailing_slash=False, use_regex_path=False)
by_uuid.register("shutdowns", ShutdownViewSet, basename="shutdown")
urlpatterns = [
    *router.urls,
    *by_uuid.urls,
    path("device-decisions", DeviceDecisionsView.as_view()),
    path("device-counts", DeviceCountsView.as_view()),
]
