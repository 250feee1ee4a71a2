"""Which keys end by themselves: API tokens without a successor, credentials and app tokens by their newest secret."""

from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery
from django.urls import reverse
from django.utils.http import urlencode

from portal import expiry
from portal.actor import Actor
from portal.expiry import Source, Told
from portal.scopes import Scope
from tokens import kinds, listing
from tokens.models import ApiToken, AppCredential, AppTokenSecret, CredentialSecret, InstalledApp

Rows = QuerySet[Any, Any]


def api_tokens() -> Rows:
    """Those of active owners, who alone can use them."""
    standing: Rows = ApiToken.objects.filter(revoked_at=None, disabled_at=None, replaced_by=None, owner__is_active=True)
    return standing.select_related("owner")


def app_credentials() -> Rows:
    standing: Rows = AppCredential.objects.filter(revoked_at=None, disabled_at=None)
    return standing.select_related("version__app")


def app_tokens() -> Rows:
    """Those on devices that have not been denied since the app was installed."""
    on_known = {"device__denied_at": None, "device__denials": F("denials")}
    standing: Rows = InstalledApp.objects.filter(revoked_at=None, disabled_at=None, device__isnull=False, **on_known)
    return standing.select_related("app", "version", "device")


def _seen(rows: Rows, actor: Actor) -> Rows:
    return rows if actor.may(listing.OF_OTHERS) else rows.filter(owner=actor.owner)


def _newest(secret: Any) -> Subquery:
    """When the secret was made whose end is the end of its holder."""
    made = secret.objects.filter(holder=OuterRef("pk"), expires_at=OuterRef("expires_at"))
    return Subquery(made.order_by("-created_at").values("created_at")[:1])


def _api_token(token: Any, reader: Any) -> Told:
    whose = {} if token.owner_id == reader else {"owner": token.owner.username}
    return Told(token.name, ("token", token.pk), f"{reverse('tokens:list')}?{urlencode({**whose, 'q': token.pk})}")


def _app_credential(credential: Any, reader: Any) -> Told:
    return Told(str(credential), kinds.subject(credential), reverse("apps:credential", args=[credential.pk]))


def _app_token(installation: Any, reader: Any) -> Told:
    page = reverse("apps:installation", args=[installation.app.name, installation.pk])
    return Told(str(installation), kinds.subject(installation), page)


expiry.register(
    Source(
        kind="api_token",
        noun="token",
        words=("API token", "API tokens"),
        advice="Its owner rotates it, and gives the successor to the program before this one ends.",
        scope=Scope.TOKENS_READ,
        rows=api_tokens,
        tell=_api_token,
        end="expires_at",
        began=F("created_at"),
        owner="owner",
        seen_by=_seen,
    )
)
expiry.register(
    Source(
        kind="app_credential",
        noun="credential",
        words=("app credential", "app credentials"),
        advice="Rotate it, give the new secret to the app, end the overlap once the old one is no longer used.",
        scope=Scope.CREDENTIALS_READ,
        rows=app_credentials,
        tell=_app_credential,
        end="expires_at",
        began=_newest(CredentialSecret),
        owner="owner",
    )
)
expiry.register(
    Source(
        kind="app_token",
        noun="installation",
        words=("app token", "app tokens"),
        advice="Rotate it, and put the new token file on the device.",
        scope=Scope.APPS_READ,
        rows=app_tokens,
        tell=_app_token,
        end="expires_at",
        began=_newest(AppTokenSecret),
        owner="owner",
    )
)
