"""The tokens app; at Django's start it describes our credentials to the OpenAPI and says which of them expire."""

from django.apps import AppConfig


class TokensConfig(AppConfig):
    name = "tokens"

    def ready(self) -> None:
        # Before the next takes messages: this locks tokens, that the history, which everybody locks last.
        import tokens.owner_endings

        # isort: split
        import tokens.asker_source
        import tokens.device_endings
        import tokens.device_sections
        import tokens.expiring
        import tokens.installed_source
        import tokens.openapi
        import tokens.pruning
        import tokens.restoring  # noqa: F401
