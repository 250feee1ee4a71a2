"""Installing a version of an app on a device: it gets an app token, which is shown once."""

import json
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from devices.models import Device
from portal import audit, outbox
from portal.actor import Actor
from portal.models import User
from portal.refusal import NotFound, Refusal
from portal.topics import Topic
from tokens import device_endings, held, issuing, kinds, overlap, refused, registration, secret
from tokens.models import App, AppVersion, InstalledApp
from tokens.overlap import Rotated

ID = r"[0-9A-Za-z]{12}"


class AlreadyInstalled(Refusal):
    code = "already_installed"


class DeviceNotAccepted(Refusal):
    code = "device_not_accepted"


class UnknownDevice(NotFound):
    code = "device_not_found"


class Unknown(NotFound):
    code = "installation_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such installation; the page of the app lists them.")


def find(app: App, identifier: str) -> InstalledApp:
    """The installation with this id, its version, its device and its secrets at hand."""
    found: InstalledApp | None = (
        InstalledApp.objects.select_related("app", "version__app", "device", "owner")
        .prefetch_related("secrets")
        .filter(app=app, pk=identifier)
        .first()
    )
    if found is None:
        raise Unknown
    return found


@refused.told("installation.make", registration.subject_of)
def install(
    version: AppVersion, device_id: str, *, by: Actor, owner: User | None = None, days: int | None = None
) -> Rotated:
    """Install the version on an accepted device, where no version of the app is, and make its app token."""
    life = overlap.judge_days(days)
    issuing.refuse_beyond(version.scopes, by, f"which {version} opens; ask who does")
    now, kind = timezone.now(), kinds.KINDS[InstalledApp]
    try:
        with transaction.atomic():
            locked = registration.locked_version(version)
            device = _accepted(device_id)
            device_endings.make_room(locked.app, device, by=by)
            installed: InstalledApp = InstalledApp.objects.create(
                id=secret.new_id(secret.DIGITS),
                owner=owner,
                created_at=now,
                created_by=str(by),
                expires_at=now + life,
                app=locked.app,
                version=locked,
                device=device,
                on=device.pk,
                denials=device.denials,
            )
            generated = kind.generate(installed)
            first = kind.make(installed, generated)
            first.slot, first.created_at, first.expires_at = 1, now, now + life
            first.save(force_insert=True)
            facts = {"app": locked.app.name, "version": locked.version, "device": device.pk}
            after = {**facts, "expires_at": installed.expires_at, "secret": first.pk}
            audit.record(by, "installation.made", kinds.subject(installed), after=after)
            outbox.put(Topic.INSTALLATION_MADE, {"installation": installed.pk, **facts, "by": str(by)})
    except IntegrityError as there:
        present = InstalledApp.objects.select_related("version").filter(app=version.app, on=device_id, revoked_at=None)
        found = present.first()
        number = found.version.version if found else "another version"
        raise AlreadyInstalled(
            f"{version.app} is on {device_id} already, as {number}; change its version, or uninstall it first."
        ) from there
    return Rotated(installed, first, generated.text, None)


@held.told
@transaction.atomic
def change_version(installed: InstalledApp, version: AppVersion, *, by: Actor, seen: int | None = None) -> Any:
    """Put another version of the app in its place. The token stays; features count from the next request on, scopes
    from the next access token on."""
    issuing.refuse_beyond(version.scopes, by, f"which {version} opens; ask who does")
    to = registration.locked_version(version)
    locked = held.lock(installed, seen)
    held.refuse_ended(locked)
    if locked.version_id == to.pk:
        return locked
    before = {"version": locked.version.version}
    held.write(locked, version=to)
    held.tell(locked, "version_changed", by, "", before, {"version": to.version})
    return locked


def token_file(text: str) -> str:
    """The file `.apptoken` of a token."""
    return json.dumps({"appPrimaryToken": text}, separators=(",", ":")) + "\n"


def _accepted(device_id: str) -> Device:
    """The device, locked, so that it is not denied meanwhile."""
    device: Device | None = Device.objects.select_for_update(no_key=True).filter(pk=device_id).first()
    if device is None:
        raise UnknownDevice(f"There is no device {device_id[:128]}; the list of devices shows them all.")
    if not device.is_admitted:
        raise DeviceNotAccepted(f"{device} is {device.standing}; accept it first, then install apps on it.")
    return device
