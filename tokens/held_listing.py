"""Which app credentials, and which apps on devices, a question finds, with the secrets that are worth showing."""

import re
from datetime import timedelta
from typing import Any

from django.db.models import F, Prefetch, Q, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from portal.refusal import Invalid
from tokens import kinds, secret
from tokens.models import App, AppCredential, HeldSecret, Holder, InstalledApp, Stated

# So many secrets of a holder are shown: those that stand, and of those that ended the newest.
MOST = 4

_NEWEST = ("-created_at", "-expires_at", "pk")
_CLIENT_SECRET = re.compile(rf"{secret.CLIENT}[0-9A-Za-z]{{49}}", re.ASCII)


def credentials(
    *, owner: str = "", app: str = "", state: str = "", expires_within: timedelta | None = None, q: str = ""
) -> Stated:
    """Those of an owner, of an app, in a state, that expire so soon, and with `q` in their client id or as their id."""
    if any(secret.is_client_secret(shown) for shown in _CLIENT_SECRET.findall(q)):
        raise Invalid("q", "Send the client id, and rotate this secret: it stands in URLs and logs now.")
    found: Stated = AppCredential.objects.select_related("version__app", "owner")
    if owner:
        found = found.filter(owner__username=owner)
    if app:
        found = found.filter(version__app__name=app)
    if q:
        found = found.filter(Q(client_id__icontains=q) | Q(pk=q))
    return _shown(found, state, expires_within)


def installations(
    app: App, *, device: str = "", version: str = "", state: str = "", expires_within: timedelta | None = None
) -> Stated:
    """Those of the app: on a device, of a version, in a state, that expire so soon."""
    found: Stated = InstalledApp.objects.select_related("app", "version", "device", "owner").filter(app=app)
    if device:
        found = found.filter(on=device)
    if version:
        found = found.filter(version__version=version)
    return _shown(found, state, expires_within)


def worth_showing(holder: Holder) -> list[HeldSecret]:
    """The newest first: those that stand, and the newest of those that ended; few in all."""
    standing_first = sorted(holder.secrets.all(), key=lambda one: (one.slot is None, *_newest_first(one)))
    return sorted(standing_first[:MOST], key=_newest_first)


def current(holder: Holder) -> HeldSecret | None:
    """The newest that is live; if none is, the newest; None if it was deleted, or pruned, in this moment."""
    return next(iter([*reversed(holder.living()), *worth_showing(holder)]), None)


def _shown(found: Stated, state: str, expires_within: timedelta | None) -> Stated:
    now = timezone.now()
    if state:
        found = found.in_state(state, now)
    if expires_within is not None:
        found = found.filter(revoked_at=None, expires_at__gt=now, expires_at__lte=now + expires_within)
    of_each = Window(RowNumber(), partition_by="holder", order_by=[F("slot").asc(nulls_last=True), *_NEWEST])
    secrets: Any = kinds.KINDS[found.model].secret._default_manager.annotate(place=of_each)
    return found.prefetch_related(Prefetch("secrets", secrets.filter(place__lte=MOST)))


def _newest_first(one: HeldSecret) -> tuple[float, float, str]:
    return (-one.created_at.timestamp(), -one.expires_at.timestamp(), one.pk)
