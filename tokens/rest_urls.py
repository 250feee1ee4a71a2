"""Where the REST endpoints about tokens are."""

from rest_framework.routers import SimpleRouter

from tokens.rest import TokenViewSet

router = SimpleRouter(trailing_slash=False)
router.register("tokens", TokenViewSet, basename="token")
urlpatterns = router.urls
