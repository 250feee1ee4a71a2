"""Where the pages about tokens are."""

from django.urls import path, re_path

from tokens import pages

app_name = "tokens"
urlpatterns = [
    path("", pages.index, name="list"),
    path("create/", pages.create, name="create"),
    re_path(r"^(?P<token_id>[a-z0-9]{12})/revoke/$", pages.revoke, name="revoke"),
]
