"""What the calls have in common that an app on a device makes with its access token: who asks, and what it may."""

from functools import cached_property
from typing import Any, ClassVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from devices.installed import App
from gateway.dialects import industrial_edge
from gateway.dialects.industrial_edge import PERMIT, EdgeEndpoint, EdgeRefusal, NoToken, edge_app
from gateway.dialects.industrial_edge_bodies import InvalidField
from portal.actor import Actor
from portal.openapi import ScopedSchema
from portal.refusal import Invalid
from tokens import installed_source
from tokens.access_tokens import EdgeApp
from tokens.models import InstalledApp


class FeatureMissing(EdgeRefusal):
    """The version that is installed has not declared what is asked of it."""

    status, code = 403, "shutdown.featureMissing"


class AppAuthentication(BaseAuthentication):
    """Serve the app whose access token is shown; the user of the request becomes the EdgeApp."""

    def authenticate(self, request: Request) -> tuple[EdgeApp, None]:
        return edge_app(request), None


class AppSchema(ScopedSchema):
    """Operations that the access token of an app on a device opens, instead of one with a scope."""

    @property
    def needs(self) -> str:
        return "The access token of an app on a device is needed; it opens what its own device may be asked."

    def refusals(self, operation: dict[str, Any]) -> list[str]:
        return sorted({*super().refusals(operation), "401", "403"} - ({"409"} if self.method == "GET" else set()))


class AppTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "gateway.dialects.industrial_edge_app.AppAuthentication"
    name = "edgeAccessToken"

    def get_security_requirement(self, auto_schema: Any) -> Any:
        return {self.name: []}

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": f"What an app on a device gets for its app token with `POST {PERMIT}`.",
        }


class AppEndpoint(EdgeEndpoint):
    """The base of all."""

    authentication_classes = (AppAuthentication,)
    schema = AppSchema()
    scopes: ClassVar = {"get": None, "post": None, "delete": None}

    def get_exception_handler(self) -> Any:
        return refuse

    @property
    def app(self) -> EdgeApp:
        asking: Any = self.request.user
        app: EdgeApp = asking
        return app

    @cached_property
    def installed(self) -> InstalledApp:
        """What is installed there at this moment; the token may be older than its version."""
        found = installed_source.find(self.app.installation)
        if found is None:
            raise NoToken(f"This app was uninstalled in this moment; install it anew, then use POST {PERMIT}.")
        return found

    @property
    def actor(self) -> Actor:
        name, credential = f"{self.installed.app.name} on {self.app.device}", f"installation {self.app.installation}"
        return Actor.app(name, (), credential=credential, address=self.request.META.get("REMOTE_ADDR", ""))

    @property
    def named(self) -> App:
        """The app as the rules of shutdowns name it."""
        return App(self.app.installation, self.installed.app.name, self.installed.version.version)

    def demand(self, feature: str) -> None:
        """Refuse an app whose present version does not declare the feature."""
        version = self.installed.version
        if feature not in version.features:
            raise FeatureMissing(
                f"{self.installed.app.name} {version.version} does not declare {feature}; make a version that does, "
                "and install that."
            )


def refuse(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Answer a refusal in the dialect's shape: what a rule found wrong names its field, and some say where to look."""
    if isinstance(exc, Invalid) and exc.invalid:
        [(field, sentences)] = exc.invalid.items()
        exc = InvalidField(f"{field}: {' '.join(sentences)}")
    response = industrial_edge.refuse(exc, context)
    if response is not None and (location := getattr(exc, "location", "")):
        response["Location"] = location
    return response
