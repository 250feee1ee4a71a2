"""Where everything is at the device door; `gateway.device_door` leads here. Every address is exact."""

from django.urls import include, path, re_path

from gateway.dialects import industrial_edge_paths, satellite_device, satellite_device_jobs
from gateway.dialects.mender import nowhere
from gateway.dialects.urls import ANY, device

urlpatterns = [
    re_path(r"^device\Z", satellite_device.Self.as_view()),
    re_path(r"^device/certificate\Z", satellite_device.Certificate.as_view()),
    re_path(r"^config\Z", satellite_device.Configuration.as_view()),
    re_path(r"^events\Z", satellite_device.Events.as_view()),
    re_path(r"^apps-states\Z", satellite_device.AppsStates.as_view()),
    re_path(r"^system_info\Z", satellite_device.Hardware.as_view()),
    re_path(r"^system_info/network\Z", satellite_device.Network.as_view()),
    re_path(r"^system_info/config\Z", satellite_device.UpdaterConfig.as_view()),
    re_path(r"^jobs/next\Z", satellite_device_jobs.NextJob.as_view()),
    re_path(rf"^jobs/(?P<id>{ANY})\Z", satellite_device_jobs.OneJob.as_view()),
    re_path(rf"^jobs/(?P<id>{ANY})/claim\Z", satellite_device_jobs.JobClaim.as_view()),
    re_path(rf"^jobs/(?P<id>{ANY})/report\Z", satellite_device_jobs.JobReport.as_view()),
    path("api/devices/", include(device)),
    re_path(r"^api/devices/", nowhere),
    re_path(r"^device/edge/", industrial_edge_paths.wrong_door),
    re_path(r"^a\.service/", industrial_edge_paths.wrong_door),
    re_path(r"^api/v3/token/permit\Z", industrial_edge_paths.wrong_door),
]

handler400 = "portal.errors.bad_request"
handler404 = "portal.errors.not_found"
handler500 = "portal.errors.server_error"
