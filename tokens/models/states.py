"""What a credential is at a moment: one question, asked of a row in hand and of the database."""

from datetime import datetime
from typing import Any

from django.db import models


class TokenState(models.TextChoices):
    """What a token is; of several that would fit, the first: a revoked one that has expired is revoked."""

    REVOKED = "revoked", "Revoked"
    EXPIRED = "expired", "Expired"
    DISABLED = "disabled", "Disabled"
    LIVE = "live", "Live"


def state_at(
    now: datetime, *, expires_at: datetime, revoked_at: datetime | None, disabled_at: datetime | None
) -> TokenState:
    if revoked_at:
        return TokenState.REVOKED
    if expires_at <= now:
        return TokenState.EXPIRED
    return TokenState.DISABLED if disabled_at else TokenState.LIVE


class Stated(models.QuerySet[Any]):
    """Rows with `expires_at`, `revoked_at` and `disabled_at`."""

    def live(self, now: datetime) -> Any:
        """Those that still open doors, if nothing behind them forbids it."""
        return self.in_state(TokenState.LIVE, now)

    def in_state(self, state: str, now: datetime) -> Any:
        """The question of `state_at`, asked of the database."""
        if state == TokenState.REVOKED:
            return self.filter(revoked_at__isnull=False)
        if state == TokenState.EXPIRED:
            return self.filter(revoked_at=None, expires_at__lte=now)
        return self.filter(revoked_at=None, expires_at__gt=now, disabled_at__isnull=state == TokenState.LIVE)
