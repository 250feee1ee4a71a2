"""Where the frame's REST endpoints are."""

from django.urls import path

from portal.audit_rest import AuditView

urlpatterns = [path("audit", AuditView.as_view())]
