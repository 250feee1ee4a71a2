"""Where the REST endpoints about tokens, apps and their credentials are."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from tokens.apps_rest import AppViewSet, GrantViewSet, VersionViewSet
from tokens.credentials_rest import CredentialViewSet
from tokens.gateway_tokens_rest import AccessTokensView
from tokens.installations_rest import InstallationViewSet
from tokens.me import MeView
from tokens.registration import NAME, VERSION
from tokens.rest import TokenViewSet

APP = rf"apps/(?P<app>{NAME})"

router = SimpleRouter(trailing_slash=False)
router.register("tokens", TokenViewSet, basename="token")
router.register("apps", AppViewSet, basename="app")
router.register(rf"{APP}/versions", VersionViewSet, basename="app-version")
router.register(rf"{APP}/versions/(?P<version>{VERSION})/grants", GrantViewSet, basename="tenant-grant")
router.register(rf"{APP}/installations", InstallationViewSet, basename="installation")
router.register("credentials", CredentialViewSet, basename="credential")
urlpatterns = [
    *router.urls,
    path("me", MeView.as_view()),
    path("access-tokens", AccessTokensView.as_view()),
]
