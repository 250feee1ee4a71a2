"""Where the frame's REST endpoints are."""

from rest_framework.routers import SimpleRouter

from portal.audit_rest import AuditViewSet
from portal.tenants_rest import TenantViewSet
from portal.webhook_rest import WebhookViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("audit", AuditViewSet, basename="audit")
router.register("tenants", TenantViewSet, basename="tenant")
router.register("webhooks", WebhookViewSet, basename="webhook")
urlpatterns = router.urls
