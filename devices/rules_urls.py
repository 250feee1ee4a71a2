"""Where the pages about enrolment rules are."""

from django.urls import path

from devices import rules_pages

app_name = "rules"
urlpatterns = [
    path("", rules_pages.index, name="list"),
    path("new/", rules_pages.new, name="new"),
    path("create/", rules_pages.create, name="create"),
    path("preview/", rules_pages.preview, name="preview_new"),
    path("<int:rule_id>/", rules_pages.detail, name="detail"),
    path("<int:rule_id>/change/", rules_pages.change, name="change"),
    path("<int:rule_id>/preview/", rules_pages.preview, name="preview"),
    path("<int:rule_id>/enable/", rules_pages.enable, name="enable"),
    path("<int:rule_id>/disable/", rules_pages.disable, name="disable"),
    path("<int:rule_id>/delete/", rules_pages.delete, name="delete"),
]
