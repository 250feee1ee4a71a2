"""Which keys ended so long ago that `prune` removes them."""

from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from portal import pruning
from tokens.models import (
    ApiToken,
    AppCredential,
    AppTokenSecret,
    CredentialSecret,
    InstalledApp,
    KeyState,
    Revocation,
    SigningKey,
    UserPassLogin,
)

Rows = QuerySet[Any, Any]


def _ended(before: datetime) -> Q:
    return Q(expires_at__lt=before) | Q(revoked_at__lt=before)


def _secrets(model: Any) -> Any:
    """Those that ended by then, whatever became of what held them; and those that nobody wrote down to have ended."""
    return lambda before: model.objects.filter(
        Q(ended_at__lt=before) | Q(expires_at__lt=before, holder__expires_at__lt=before, slot__isnull=False)
    )


def _holders(model: Any, secrets: Any) -> Any:
    """Those that ended by then, and with them all of their secrets."""

    def ended(before: datetime) -> Rows:
        stays = Q(ended_at__gte=before) | Q(ended_at=None, expires_at__gte=before)
        left = secrets.objects.filter(stays, holder=OuterRef("pk"))
        rows: Rows = model.objects.filter(_ended(before), ~Exists(left))
        return rows

    return ended


# Secrets go before what holds them, which else leaves them behind without a holder.
pruning.register("api_tokens", lambda before: ApiToken.objects.filter(_ended(before)))
pruning.register("client_secrets", _secrets(CredentialSecret))
pruning.register("app_credentials", _holders(AppCredential, CredentialSecret))
pruning.register("app_tokens", _secrets(AppTokenSecret))
pruning.register("installations", _holders(InstalledApp, AppTokenSecret))
pruning.register("gateway_logins", lambda before: UserPassLogin.objects.filter(expires_at__lt=before))
pruning.register("revocations", lambda before: Revocation.objects.filter(until__lt=before))
pruning.register(
    "signing_keys", lambda before: SigningKey.objects.filter(state=KeyState.RETIRED, changed_at__lt=before)
)  # fmt: skip
