"""Where the frame's REST endpoints are."""

from rest_framework.routers import SimpleRouter

from portal.audit_rest import AuditViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("audit", AuditViewSet, basename="audit")
urlpatterns = router.urls
