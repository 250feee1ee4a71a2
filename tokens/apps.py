"""The tokens app; at Django's start it describes our credentials to the OpenAPI and joins the overview."""

from django.apps import AppConfig


class TokensConfig(AppConfig):
    name = "tokens"

    def ready(self) -> None:
        import tokens.openapi
        import tokens.overview  # noqa: F401
