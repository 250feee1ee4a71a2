"""Where the frame's own pages and documents are."""

from django.contrib.auth.decorators import login_not_required
from django.urls import path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerSplitView

from portal import (
    account,
    audit_pages,
    expiry_pages,
    health,
    login,
    overview,
    people_pages,
    second_factor_login,
    second_factor_pages,
    tenant_pages,
    webhook_pages,
)
from portal.help import help_page
from portal.openapi_documents import DocumentView
from portal.tenants import NAME

urlpatterns = [
    path("", login_not_required(RedirectView.as_view(url="/portal/"))),
    path("portal/", overview.overview, name="overview"),
    path("portal/login/", login.log_in, name="login"),
    path("portal/login/second-factor/", second_factor_login.prove, name="second_factor_login"),
    path("portal/logout/", login.log_out, name="logout"),
    path("portal/account/", account.index, name="account"),
    path("portal/account/facts/", account.change_facts, name="change_facts"),
    path("portal/account/password/", account.change_password, name="change_password"),
    re_path(r"^portal/account/sessions/(?P<handle>[0-9a-f]{24})/end/$", account.end_session, name="end_session"),
    path("portal/account/second-factor/", second_factor_pages.index, name="second_factor"),
    path("portal/account/second-factor/confirm/", second_factor_pages.confirm, name="second_factor_confirm"),
    path("portal/account/second-factor/app/offer/", second_factor_pages.offer_app, name="offer_app"),
    path("portal/account/second-factor/app/add/", second_factor_pages.add_app, name="add_app"),
    path("portal/account/second-factor/passkeys/ask/", second_factor_pages.ask_passkey, name="ask_passkey"),
    path("portal/account/second-factor/passkeys/add/", second_factor_pages.add_passkey, name="add_passkey"),
    path("portal/account/second-factor/codes/make/", second_factor_pages.make_codes, name="make_recovery_codes"),
    path("portal/account/second-factor/<int:key>/rename/", second_factor_pages.rename, name="passkey_rename"),
    path("portal/account/second-factor/<int:key>/remove/", second_factor_pages.remove, name="second_factor_remove"),
    path("portal/people/", people_pages.index, name="people"),
    path("portal/people/create/", people_pages.create, name="create_person"),
    path("portal/people/<uuid:person_id>/", people_pages.detail, name="person"),
    path("portal/people/<uuid:person_id>/role/", people_pages.change_role, name="person_role"),
    path("portal/people/<uuid:person_id>/facts/", people_pages.change_facts, name="person_facts"),
    path("portal/people/<uuid:person_id>/deactivate/", people_pages.deactivate, name="person_deactivate"),
    path("portal/people/<uuid:person_id>/activate/", people_pages.activate, name="person_activate"),
    path("portal/people/<uuid:person_id>/password/", people_pages.reset_password, name="person_password"),
    path(
        "portal/people/<uuid:person_id>/second-factor/reset/",
        people_pages.reset_second_factor,
        name="person_second_factor_reset",
    ),
    path("portal/people/<uuid:person_id>/sessions/end/", people_pages.end_sessions, name="person_sessions_end"),
    path(
        "portal/people/<uuid:person_id>/sessions/<slug:handle>/end/",
        people_pages.end_session,
        name="person_session_end",
    ),
    path("portal/tenants/", tenant_pages.index, name="tenants"),
    path("portal/tenants/new/make/", tenant_pages.make, name="make_tenant"),
    re_path(rf"^portal/tenants/(?P<name>{NAME})/$", tenant_pages.detail, name="tenant"),
    re_path(rf"^portal/tenants/(?P<name>{NAME})/rename/$", tenant_pages.rename, name="tenant_rename"),
    re_path(rf"^portal/tenants/(?P<name>{NAME})/delete/$", tenant_pages.delete, name="tenant_delete"),
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
    path("portal/expiring/", expiry_pages.index, name="expiring"),
    path("portal/help/", help_page, name="help"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("api/schema/", DocumentView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(), name="docs"),
]
