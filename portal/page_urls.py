"""Where the frame's own pages and documents are."""

from django.contrib.auth.decorators import login_not_required
from django.urls import path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from portal import account, audit_pages, health, login, overview, people_pages, webhook_pages
from portal.help import help_page

urlpatterns = [
    path("", login_not_required(RedirectView.as_view(url="/portal/"))),
    path("portal/", overview.overview, name="overview"),
    path("portal/login/", login.log_in, name="login"),
    path("portal/logout/", login.log_out, name="logout"),
    path("portal/account/", account.index, name="account"),
    path("portal/account/password/", account.change_password, name="change_password"),
    re_path(r"^portal/account/sessions/(?P<handle>[0-9a-f]{24})/end/$", account.end_session, name="end_session"),
    path("portal/people/", people_pages.index, name="people"),
    path("portal/people/create/", people_pages.create, name="create_person"),
    path("portal/people/<uuid:person_id>/", people_pages.detail, name="person"),
    path("portal/people/<uuid:person_id>/role/", people_pages.change_role, name="person_role"),
    path("portal/people/<uuid:person_id>/deactivate/", people_pages.deactivate, name="person_deactivate"),
    path("portal/people/<uuid:person_id>/activate/", people_pages.activate, name="person_activate"),
    path("portal/people/<uuid:person_id>/password/", people_pages.reset_password, name="person_password"),
    path("portal/people/<uuid:person_id>/sessions/end/", people_pages.end_sessions, name="person_sessions_end"),
    path(
        "portal/people/<uuid:person_id>/sessions/<slug:handle>/end/",
        people_pages.end_session,
        name="person_session_end",
    ),
    path("portal/audit/", audit_pages.index, name="audit"),
    path("portal/audit/audit.csv", audit_pages.export_csv, name="audit_csv"),
    path("portal/audit/audit.jsonl", audit_pages.export_json_lines, name="audit_json_lines"),
    path("portal/webhooks/", webhook_pages.index, name="webhooks"),
    path("portal/webhooks/create/", webhook_pages.create, name="create_webhook"),
    path("portal/webhooks/<uuid:webhook_id>/", webhook_pages.detail, name="webhook"),
    path("portal/webhooks/<uuid:webhook_id>/change/", webhook_pages.change, name="webhook_change"),
    path("portal/webhooks/<uuid:webhook_id>/enable/", webhook_pages.enable, name="webhook_enable"),
    path("portal/webhooks/<uuid:webhook_id>/disable/", webhook_pages.disable, name="webhook_disable"),
    path("portal/webhooks/<uuid:webhook_id>/delete/", webhook_pages.delete, name="webhook_delete"),
    path("portal/webhooks/<uuid:webhook_id>/rotate/", webhook_pages.rotate, name="webhook_rotate"),
    path("portal/webhooks/<uuid:webhook_id>/test/", webhook_pages.test, name="webhook_test"),
    path("portal/webhooks/<uuid:webhook_id>/replay/", webhook_pages.replay_failed, name="webhook_replay"),
    path("portal/webhooks/<uuid:webhook_id>/deliveries/<int:number>/", webhook_pages.delivery, name="delivery"),
    path(
        "portal/webhooks/<uuid:webhook_id>/deliveries/<int:number>/replay/",
        webhook_pages.replay,
        name="delivery_replay",
    ),
    path("portal/help/", help_page, name="help"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("api/schema/", SpectacularJSONAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(), name="docs"),
]
