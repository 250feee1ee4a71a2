"""Where the REST endpoints about tokens are."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from tokens.me import MeView
from tokens.rest import TokenViewSet

router = SimpleRouter(trailing_slash=False)
router.register("tokens", TokenViewSet, basename="token")
urlpatterns = [*router.urls, path("me", MeView.as_view())]
