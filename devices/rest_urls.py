"""Where the REST endpoints about devices are."""

from rest_framework.routers import SimpleRouter

from devices.rest import DeniedDeviceViewSet, DeviceViewSet

router = SimpleRouter(trailing_slash=False)
router.register("devices", DeviceViewSet, basename="device")
router.register("denied-devices", DeniedDeviceViewSet, basename="denied-device")
urlpatterns = router.urls
