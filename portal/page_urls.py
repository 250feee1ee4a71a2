"""Where the frame's own pages and documents are."""

from django.contrib.auth.decorators import login_not_required
from django.urls import path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from portal import health, login, overview
from portal.help import help_page

urlpatterns = [
    path("", login_not_required(RedirectView.as_view(url="/portal/"))),
    path("portal/", overview.overview, name="overview"),
    path("portal/login/", login.log_in, name="login"),
    path("portal/logout/", login.log_out, name="logout"),
    path("portal/help/", help_page, name="help"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("api/schema/", SpectacularJSONAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(), name="docs"),
]
