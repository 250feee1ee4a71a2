"""Where the pages about tokens are."""

from django.urls import path, re_path

from tokens import pages

app_name = "tokens"
urlpatterns = [
    path("", pages.index, name="list"),
    path("create/", pages.create, name="create"),
    re_path(r"^(?P<token_id>[a-z0-9]{12})/rotate/$", pages.rotate, name="rotate"),
    re_path(r"^(?P<token_id>[a-z0-9]{12})/disable/$", pages.disable, name="disable"),
    re_path(r"^(?P<token_id>[a-z0-9]{12})/enable/$", pages.enable, name="enable"),
    re_path(r"^(?P<token_id>[a-z0-9]{12})/revoke/$", pages.revoke, name="revoke"),
]
