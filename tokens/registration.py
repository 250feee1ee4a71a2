"""Registering apps and their versions, handing a version over to its operator, and de-registering both."""

import re
from collections.abc import Collection, Mapping, Sequence

from django.db import IntegrityError, transaction
from django.utils import timezone

from portal import audit, outbox, tenants, text
from portal.actor import Actor
from portal.refusal import Invalid, NotFound, Refusal, Stale
from portal.scopes import is_known, refuse_too_many
from portal.topics import Topic
from tokens import issuing, refused, switching
from tokens.models import App, AppCredential, AppVersion, Holder, InstalledApp, Stage

NAME = r"[a-z][a-z0-9]{0,19}"
VERSION = r"[0-9a-z][0-9a-z._]{0,29}"
# What an app may do on its device; declared when a version is made.
SHUTDOWN = "API.Shutdown"
FEATURES = (SHUTDOWN,)


class Unknown(NotFound):
    code = "app_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no app {name}; the list of apps shows what is registered.")


class UnknownVersion(NotFound):
    code = "version_not_found"

    def __init__(self, app: App, version: str) -> None:
        super().__init__(f"{app} has no version {version}; its page lists those it has.")


class AppExists(Refusal):
    code = "app_exists"


class VersionExists(Refusal):
    code = "version_exists"


class VersionIsFixed(Refusal):
    """Features and scopes are declared when a version is made."""

    code = "version_is_fixed"


class AlreadyTransferred(Refusal):
    code = "already_transferred"


class Changed(Stale):
    """The version is not what was looked at."""

    code = "version_changed"


def subject_of(version: AppVersion) -> tuple[str, str]:
    """What the history calls a version: its app."""
    return "app", version.app.name


def find(name: str) -> App:
    """The registered app of this name."""
    app: App | None = App.objects.registered().select_related("tenant").filter(name=name).first()
    if app is None:
        raise Unknown(name[:40])
    return app


def find_version(app: App, version: str) -> AppVersion:
    """The registered version of the app."""
    found: AppVersion | None = (
        AppVersion.objects.registered()
        .select_related("app", "app__tenant", "host_tenant")
        .filter(app=app, version=version)
        .first()
    )
    if found is None:
        raise UnknownVersion(app, version[:40])
    return found


@refused.told("app.register", lambda name: ("app", name))
def register(name: str, *, by: Actor, title: str = "", tenant: str = "main") -> App:
    """Register an app; its tenant is where it is at home and hosts its versions until they are transferred."""
    if not re.fullmatch(NAME, name, re.ASCII):
        raise Invalid("name", "A name is 1 to 20 small letters and digits and begins with a letter.")
    text.check("title", title, most=100)
    try:
        with transaction.atomic():
            home = tenants.held(tenant)
            app: App = App.objects.create(name=name, title=title, tenant=home, created_by=str(by))
            _tell(by, Topic.APP_REGISTERED, ("app", name), {"title": title, "tenant": home.pk})
    except IntegrityError as taken:
        raise AppExists(f"There is an app {name} already; choose another name, or de-register that one.") from taken
    return app


@refused.told("app.add_version", lambda app: ("app", app.name))
def add_version(
    app: App, version: str, *, by: Actor, features: Collection[str] = (), scopes: Collection[str] = ()
) -> AppVersion:
    """Add a version with the device features and the scopes that it declares; both are fixed from then on."""
    if not re.fullmatch(VERSION, version, re.ASCII):
        raise Invalid("version", "A version is 1 to 30 of a-z 0-9 . and _, and begins with a letter or a digit.")
    if unknown := set(features) - set(FEATURES):
        raise Invalid("features", f"There is no feature {min(unknown)[:40]}; there are {', '.join(FEATURES)}.")
    refuse_too_many(scopes)
    if foreign := [scope for scope in scopes if not is_known(scope)]:
        raise Invalid("scopes", f"There is no scope {min(foreign)[:40]}; the API page lists them all.")
    issuing.refuse_beyond(scopes, by)
    try:
        with transaction.atomic():
            locked = _locked_app(app)
            added: AppVersion = AppVersion.objects.create(
                app=locked,
                version=version,
                features=sorted(set(features)),
                scopes=sorted(set(scopes)),
                host_tenant=locked.tenant,
                created_by=str(by),
            )
            facts = {"features": added.features, "scopes": added.scopes}
            _tell(by, Topic.APP_VERSION_ADDED, ("app", app.name), {"version": version, **facts})
    except IntegrityError as taken:
        raise VersionExists(f"{app} has a version {version} already; make another one.") from taken
    return added


def refuse_change(version: AppVersion, declared: Collection[str]) -> None:
    """Refuse who declares anything anew, and be it the same."""
    if declared:
        raise VersionIsFixed(
            f"Features and scopes of {version} were fixed when it was made; add another version that declares others."
        )


@refused.told("app.transfer", subject_of)
@transaction.atomic
def transfer(version: AppVersion, tenant: str, *, by: Actor, seen: str | None = None) -> AppVersion:
    """Hand a version over to the tenant that operates it and issues its own credentials; those of dev are revoked."""
    locked = locked_version(version, seen)
    operator = tenants.held(tenant)  # After the version, as where a grant is given: else two would wait for each other.
    if locked.stage == Stage.OPS:
        raise AlreadyTransferred(
            f"{locked} was transferred to {locked.host_tenant_id} already; add another version to host it elsewhere."
        )
    before = {"host_tenant": locked.host_tenant_id, "stage": locked.stage}
    switching.end_for_good(_standing(AppCredential, locked), by, f"{locked} was transferred to {operator}.")
    locked.host_tenant, locked.stage, locked.transferred_at = operator, Stage.OPS, timezone.now()
    locked.save(update_fields=["host_tenant", "stage", "transferred_at"])
    facts = {"version": locked.version, "host_tenant": operator.pk, "stage": locked.stage}
    _tell(by, Topic.APP_TRANSFERRED, ("app", locked.app.name), facts, before)
    return locked


@transaction.atomic
def deregister_version(version: AppVersion, *, by: Actor, reason: str = "", seen: str | None = None) -> None:
    """Take a version away: its credentials and app tokens are revoked with all that they have bought."""
    text.check("reason", reason, most=500)
    locked = locked_version(version, seen)
    _take_away([locked], by)
    _tell(by, Topic.APP_VERSION_DEREGISTERED, ("app", locked.app.name), {"version": locked.version}, reason=reason)


@transaction.atomic
def deregister(app: App, *, by: Actor, reason: str = "") -> None:
    """Take an app away with its versions: every credential and app token of it is revoked. The name is free again."""
    text.check("reason", reason, most=500)
    locked = _locked_app(app)
    versions = AppVersion.objects.registered().select_for_update(of=("self",)).select_related("app").filter(app=locked)
    _take_away(list(versions.order_by("pk")), by)
    locked.deregistered_at = timezone.now()
    locked.save(update_fields=["deregistered_at"])
    _tell(by, Topic.APP_DEREGISTERED, ("app", locked.name), reason=reason)


def locked_version(version: AppVersion, seen: str | None = None) -> AppVersion:
    """The version as it is now, locked to the end of the transaction; whoever makes something of it holds this.

    One that has changed since `seen`, a revision of it, is refused.
    """
    locked: AppVersion | None = (
        AppVersion.objects.registered().select_for_update(of=("self",)).select_related("app").filter(pk=version.pk)
    ).first()
    if locked is None:
        raise UnknownVersion(version.app, version.version)
    if seen not in (None, locked.revision):
        raise Changed(f"{locked} has changed since you looked; look again, then decide.")
    return locked


def _locked_app(app: App) -> App:
    locked: App | None = App.objects.registered().select_for_update().filter(pk=app.pk).first()
    if locked is None:
        raise Unknown(app.name)
    return locked


def _take_away(versions: Sequence[AppVersion], by: Actor) -> None:
    """All that is revoked is locked before the history is, as by everybody who changes one of these."""
    standing = [(version, [_standing(kind, version) for kind in (AppCredential, InstalledApp)]) for version in versions]
    for version, found in standing:
        for of_a_kind in found:
            switching.end_for_good(of_a_kind, by, f"{version} was de-registered.")
        version.deregistered_at = timezone.now()
        version.save(update_fields=["deregistered_at"])


def _standing(kind: type[Holder], version: AppVersion) -> list[Holder]:
    """What stands of a version, locked."""
    standing = kind.objects.select_for_update().filter(revoked_at=None, version=version)
    return list(standing.prefetch_related("secrets").order_by("pk"))


def _tell(
    by: Actor,
    verb: Topic,
    subject: tuple[str, str],
    after: Mapping[str, object] | None = None,
    before: Mapping[str, object] | None = None,
    reason: str = "",
) -> None:
    audit.record(by, verb, subject, before=before, after=after, reason=reason)
    version = {"version": after["version"]} if after and "version" in after else {}
    outbox.put(verb, {"app": subject[1], **version, "by": str(by)})
