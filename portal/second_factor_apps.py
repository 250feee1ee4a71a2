"""The parts of allauth that keep second factors, set up as we use them: none of its pages are served."""

from allauth.account.apps import AccountConfig


class AccountsConfig(AccountConfig):  # type: ignore[misc]
    """What `allauth.mfa` stands on. Its middleware serves its own pages, so nothing is lost without it."""

    def ready(self) -> None:
        """Not demand the middleware."""
