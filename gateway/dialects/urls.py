"""Where the dialects are. Every address is exact: no slash is added and none is forgiven."""

from django.urls import include, path, re_path

from devices.models import ID
from gateway.dialects import mender_admission, mender_device, satellite
from gateway.dialects.mender import nowhere

# One segment without a dot, as Mender's router has it; whether it is an id, the endpoint says.
SEGMENT = r"[^/.]+"

admission = [
    re_path(r"^devices\Z", mender_admission.DeviceList.as_view()),
    re_path(rf"^devices/(?P<id>{SEGMENT})\Z", mender_admission.OneDevice.as_view()),
    re_path(rf"^devices/(?P<id>{SEGMENT})/status\Z", mender_admission.DeviceStatus.as_view()),
]
device = [
    re_path(r"^v1/authentication/auth_requests\Z", mender_device.AuthRequests.as_view()),
    re_path(r"^v1/inventory/device/attributes\Z", mender_device.InventoryCall.as_view()),
    re_path(r"^v1/deployments/device/deployments/next\Z", mender_device.NextDeploymentV1.as_view()),
    re_path(r"^v2/deployments/device/deployments/next\Z", mender_device.NextDeployment.as_view()),
    re_path(
        rf"^v1/deployments/device/deployments/(?P<deployment>{SEGMENT})/status\Z",
        mender_device.DeploymentStatus.as_view(),
    ),
    re_path(
        rf"^v1/deployments/device/deployments/(?P<deployment>{SEGMENT})/log\Z", mender_device.DeploymentLog.as_view()
    ),
]
fleet = [
    re_path(r"^devices\Z", satellite.DeviceList.as_view()),
    re_path(rf"^devices/(?P<uuid>{ID})\Z", satellite.OneDevice.as_view()),
    re_path(r"^denied-devices\Z", satellite.DeniedList.as_view()),
    re_path(rf"^denied-devices/(?P<uuid>{ID})\Z", satellite.OneDenied.as_view()),
]
urlpatterns = [
    path("api/management/v1/admission/", include(admission)),
    path("api/devices/", include(device)),
    re_path(r"^api/(?:management|devices)/", nowhere),
    path("", include(fleet)),
    path("v1/", include(fleet)),
]
