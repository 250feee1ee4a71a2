"""What the pages about apps read: which there are, what was issued for each version, and where each is installed."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, F, Q, QuerySet
from django.http import QueryDict
from django.utils import timezone

from devices.models import Device
from portal import parameters, text
from portal.keyset import Order, Place
from portal.models import Tenant
from portal.refusal import Invalid
from tokens import installing
from tokens.models import App, AppCredential, AppVersion, InstalledApp, TokenState

MOST = 200
PAGE = 50
SOON = timedelta(days=30)
BY_DEVICE = Order("on")


@dataclass(frozen=True)
class Counted:
    """An app, or a version of one, with how much there is of it; `expiring` ones are among the live ones."""

    of: Any
    versions: int
    live: int
    expiring: int
    installed: int


@dataclass(frozen=True)
class Standing:
    """What became of an installation, in a word; and why, where its token alone does not say it."""

    word: str
    why: str = ""


@dataclass(frozen=True)
class Installations:
    """A page of them; `older` is where the next begins."""

    found: list[tuple[InstalledApp, Standing]]
    q: str
    is_first: bool
    older: str


def apps() -> list[Counted]:
    """The first 200 registered apps by name."""
    found = App.objects.registered().select_related("tenant").order_by("name")[:MOST]
    return _counted(list(found), "version__app", "app")


def versions(app: App) -> list[Counted]:
    """The latest 200 registered versions of the app, the newest first."""
    found = AppVersion.objects.registered().filter(app=app).select_related("app", "host_tenant")
    return _counted(list(found.order_by("-created_at", "-pk")[:MOST]), "version", "version")


def count(version: AppVersion) -> Counted:
    return _counted([version], "version", "version")[0]


def credentials(version: AppVersion) -> list[AppCredential]:
    """The first 200 of the version: what still lives first, by expiry."""
    found = AppCredential.objects.filter(version=version).select_related("version__app", "owner")
    ordered = found.prefetch_related("secrets").order_by(F("revoked_at").asc(nulls_first=True), "expires_at", "pk")
    return list(ordered[:MOST])


def installations(app: App, query: QueryDict) -> Installations:
    """Those of the app by device: `q` begins the device's id, `after` is where the page begins."""
    q, after = (parameters.once(query, name) or "" for name in ("q", "after"))
    text.check("q", q, most=128)
    wanted: QuerySet[Any] = InstalledApp.objects.filter(app=app, on__startswith=q)
    wanted = wanted.select_related("app", "version", "device", "owner").prefetch_related("secrets")
    found = BY_DEVICE.rows(wanted, _place(app, after), PAGE + 1)
    older = found[PAGE - 1].pk if len(found) > PAGE else ""
    return Installations([(each, standing(each)) for each in found[:PAGE]], q, not after, older)


def on_device(device: Device, most: int) -> list[tuple[InstalledApp, Standing]]:
    """The apps on the device, those that were revoked last."""
    found = InstalledApp.objects.filter(Q(device=device) | Q(device=None, on=device.pk))
    found = found.select_related("app", "version", "device").prefetch_related("secrets")
    ordered = found.order_by(F("revoked_at").asc(nulls_first=True), "app__name", "pk")
    return [(each, standing(each)) for each in ordered[:most]]


def standing(installed: InstalledApp) -> Standing:
    """Its token's own state, unless its device forbids what the token would open."""
    state, device = installed.state(), installed.device
    if installed.revoked_at is None and installed.is_dead:
        what = "removed" if device is None else "denied"
        return Standing("ended", f"Its device was {what}, which ends its token for good. Install the app anew.")
    if device is None or state in (TokenState.REVOKED, TokenState.EXPIRED):
        return Standing(state)
    if device.is_denied or not device.is_admitted:
        return Standing("refused", f"Its device is {device.status}; its token opens again once the device is accepted.")
    return Standing(state)


def tenants() -> list[Tenant]:
    return list(Tenant.objects.order_by("pk")[:MOST])


def other_tenants(version: AppVersion) -> list[Tenant]:
    """Those whose data the version does not open yet."""
    open_already = [version.host_tenant_id, *version.grants.values_list("tenant", flat=True)]
    return list(Tenant.objects.exclude(pk__in=open_already).order_by("pk")[:MOST])


def _place(app: App, after: str) -> Place | None:
    if not after:
        return None
    last = (
        InstalledApp.objects.filter(app=app, pk=after).first() if re.fullmatch(installing.ID, after, re.ASCII) else None
    )
    if last is None:
        raise Invalid("after", "This is no place in the list; begin at its top.")
    return BY_DEVICE.place(last)


def _counted(found: list[Any], of_credential: str, of_installed: str) -> list[Counted]:
    now, keys = timezone.now(), [one.pk for one in found]
    live = AppCredential.objects.live(now).filter(**{f"{of_credential}__in": keys})
    installed = InstalledApp.objects.filter(revoked_at=None, **{f"{of_installed}__in": keys})
    registered = AppVersion.objects.registered().filter(app__in=keys) if of_installed == "app" else None
    lives, soon = _by(live, of_credential), _by(live.filter(expires_at__lte=now + SOON), of_credential)
    on, has = _by(installed, of_installed), _by(registered, "app") if registered is not None else {}
    return [
        Counted(one, has.get(one.pk, 0), lives.get(one.pk, 0), soon.get(one.pk, 0), on.get(one.pk, 0)) for one in found
    ]


def _by(rows: QuerySet[Any], what: str) -> dict[Any, int]:
    return dict(rows.order_by().values_list(what).annotate(Count("pk")))
