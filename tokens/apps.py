"""The tokens app; loads the description of our credentials for the OpenAPI when Django starts."""

from django.apps import AppConfig


class TokensConfig(AppConfig):
    name = "tokens"

    def ready(self) -> None:
        import tokens.openapi  # noqa: F401
