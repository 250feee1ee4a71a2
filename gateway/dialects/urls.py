"""Where the dialects are. Every address is exact: no slash is added and none is forgiven."""

from django.urls import include, path, re_path

from devices.models import ID
from gateway.dialects import (
    industrial_edge_paths,
    industrial_edge_permit,
    industrial_edge_shutdown,
    insights_clients,
    insights_hub,
    insights_identity,
    insights_token,
    mender_admission,
    mender_device,
    oauth_metadata,
    oauth_tokens,
    satellite,
    token_keys,
    vault,
    vault_login,
)
from gateway.dialects.mender import nowhere

# One segment without a dot, as Mender's router has it; whether it is an id, the endpoint says.
SEGMENT = r"[^/.]+"
ANY = r"[^/]+"

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
identity = [
    re_path(r"^Users\Z", insights_identity.UserList.as_view()),
    re_path(r"^Users/me\Z", insights_identity.OwnGroups.as_view()),
    re_path(rf"^Users/(?P<id>{ANY})\Z", insights_identity.OneUser.as_view()),
    re_path(r"^Groups\Z", insights_identity.GroupList.as_view()),
    re_path(rf"^Groups/(?P<id>{ANY})\Z", insights_identity.OneGroup.as_view()),
    re_path(rf"^Groups/(?P<id>{ANY})/members\Z", insights_identity.GroupMembers.as_view()),
    re_path(rf"^provider/oauth/clients/(?P<id>{ANY})\Z", insights_clients.OneClient.as_view()),
    re_path(rf"^provider/oauth/clients/(?P<id>{ANY})/secrets\Z", insights_clients.ClientSecrets.as_view()),
]
edge = [
    re_path(r"^device/edge/a\.service/api/v3/token/permit\Z", industrial_edge_permit.Permit.as_view()),
    re_path(r"^a\.service/api/v3/token/permit\Z", industrial_edge_permit.PermitAtService.as_view()),
    re_path(r"^api/v3/token/permit\Z", industrial_edge_permit.PermitAtRoot.as_view()),
    re_path(r"^device/edge/api/v2/shutdown\Z", industrial_edge_shutdown.Shutdown.as_view()),
    re_path(r"^a\.service/api/v3/device/shutdown\Z", industrial_edge_shutdown.ShutdownAtService.as_view()),
    re_path(r"^device/edge/api/v2/shutdown/pending\Z", industrial_edge_shutdown.Pending.as_view()),
    re_path(rf"^device/edge/api/v2/shutdown/(?P<job>{ANY})\Z", industrial_edge_shutdown.Job.as_view()),
    re_path(rf"^device/edge/api/v2/shutdown/(?P<job>{ANY})/ack\Z", industrial_edge_shutdown.Ack.as_view()),
    re_path(r"^device/+edge(?:/|\Z)", industrial_edge_paths.nowhere),
    re_path(r"^a\.service(?:/|\Z)", industrial_edge_paths.nowhere),
    re_path(r"^api/(?:.*/)?token/+permit/*\Z", industrial_edge_paths.nowhere),
]
edgex = [
    re_path(rf"^vault/v1/auth/userpass/login/(?P<user>{ANY})\Z", vault_login.Login.as_view()),
    re_path(rf"^vault/v1/identity/oidc/token/(?P<user>{ANY})\Z", vault_login.IdentityToken.as_view()),
    re_path(r"^vault(?:/|\Z)", vault.nowhere),
]
urlpatterns = [
    re_path(r"^api/technicaltokenmanager/v3/oauth/token\Z", insights_token.TokenCall.as_view()),
    *edge,
    *edgex,
    path("api/management/v1/admission/", include(admission)),
    path("api/devices/", include(device)),
    re_path(r"^api/(?:management|devices)(?:/|\Z)", nowhere),
    path("api/identitymanagement/v3/", include(identity)),
    path("api/im/v3/", include(identity)),
    re_path(r"^api/(?:identitymanagement|im|technicaltokenmanager)(?:/|\Z)", insights_hub.nowhere),
    re_path(r"^token_keys\Z", token_keys.TokenKeys.as_view()),
    re_path(r"^\.well-known/jwks\.json\Z", token_keys.Jwks.as_view()),
    re_path(r"^\.well-known/oauth-authorization-server\Z", oauth_metadata.Metadata.as_view()),
    re_path(r"^oauth/introspect\Z", oauth_tokens.Introspection.as_view()),
    re_path(r"^oauth/revoke\Z", oauth_tokens.TokenEnd.as_view()),
    path("", include(fleet)),
    path("v1/", include(fleet)),
]
