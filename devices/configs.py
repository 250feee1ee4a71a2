"""The files that a device fetches: its own configuration, put down for it by people and programs.

It may hold secrets and must be given out again, so it is sealed; the audit trail names files and never what is in them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from devices import admission
from devices.config_files import File, Files, read
from devices.models import Device, DeviceConfig
from portal import audit, outbox, rows, sealing, text
from portal.actor import Actor
from portal.refusal import Invalid, NotFound, Stale
from portal.topics import Topic

CHANGED = Topic.DEVICE_CONFIG_CHANGED


class Changed(Stale):
    """The configuration is another than the person looked at."""

    code = "config_changed"


class NoConfig(NotFound):
    code = "config_not_found"

    def __init__(self, device: Device) -> None:
        super().__init__(f"There is no configuration for {device}; put one down first.")


@dataclass(frozen=True)
class Config:
    """The files, their version for an ETag, and who put them down and when."""

    files: Files
    version: str
    changed_at: datetime
    changed_by: str


def current(device: Device) -> Config | None:
    """The configuration of the device, if it has one."""
    row = DeviceConfig.objects.filter(device=device).first()
    return _opened(row) if row else None


def find(device: Device) -> Config:
    """The configuration of the device; one that has none is refused."""
    if (config := current(device)) is None:
        raise NoConfig(device)
    return config


def head(device: Device) -> tuple[str, datetime] | None:
    """Version and time of the last change alone, which is all that most polls ask for."""
    with connection.cursor() as cursor:
        cursor.execute(_HEAD, [device.pk])
        row: Any = cursor.fetchone()
    return (row[0], rows.aware(row[1])) if row else None


# As text, for every device asks for this again and again.
_HEAD = "SELECT version, changed_at FROM devices_deviceconfig WHERE device_id = %s"


def put(
    device: Device, files: Mapping[str, object], *, by: Actor, reason: str = "", seen: str | None = None
) -> Config | None:
    """Put these files down for the device in place of those before; without any it has no configuration.

    A device that is not accepted yet may get its own ahead; a denied one is refused. `seen` is the version that the
    person looked at, empty if there was none; what has changed since is not overwritten. The same files once more
    change nothing.
    """
    text.check("reason", reason, most=500)
    wanted = read(files)
    with transaction.atomic():
        _lock(device)
        row = DeviceConfig.objects.filter(device=device).first()
        version = row.version if row else ""
        if seen is not None and seen != version:
            raise Changed(_changed(device, row))
        before = _opened(row).files if row else {}
        if wanted != before:
            row = _write(device, row, wanted, by)
            changes = _changes(before, wanted)
            audit.record(by, CHANGED, ("device", device.pk), after=changes, reason=reason)
            outbox.put(CHANGED, {"device": device.pk, "by": str(by), **changes})
    return Config(wanted, row.version, row.changed_at, row.changed_by) if row else None


@transaction.atomic
def put_file(
    device: Device,
    name: str,
    file: File,
    *,
    by: Actor,
    reason: str = "",
    seen: str | None = None,
    was: str = "",
) -> Config | None:
    """Put one file down beside the others, in place of the one called `was` if it is another name for that."""
    files = _files(device)
    if name != was and name in files:
        raise Invalid("name", f"There is a file called {name} already; change that one, or choose another name.")
    files.pop(was, None)
    return put(device, files | {name: file}, by=by, reason=reason, seen=seen)


@transaction.atomic
def remove_file(device: Device, name: str, *, by: Actor, reason: str = "", seen: str | None = None) -> Config | None:
    """Take one file away; with the last one goes the configuration."""
    files = _files(device)
    files.pop(name, None)
    return put(device, files, by=by, reason=reason, seen=seen)


def clear(device: Device, *, by: Actor, reason: str = "", seen: str | None = None) -> None:
    """Take the configuration away; there is nothing to fetch for the device any more."""
    put(device, {}, by=by, reason=reason, seen=seen)


def _files(device: Device) -> Files:
    _lock(device)
    config = current(device)
    return dict(config.files) if config else {}


def _lock(device: Device) -> None:
    """Hold the device, so that nothing is put down behind a denial and of two people the second sees the first."""
    locked = admission.find(device.pk, Device.objects.select_for_update())
    if locked.is_denied:
        raise admission.Denied(locked)


def _write(device: Device, row: DeviceConfig | None, files: Files, by: Actor) -> DeviceConfig | None:
    if not files:
        DeviceConfig.objects.filter(device=device).delete()
        return None
    row = row or DeviceConfig(device=device)
    plain = json.dumps(files, sort_keys=True, separators=(",", ":")).encode()
    row.sealed, row.version = sealing.seal(plain), sealing.mac("device config", plain)
    row.changed_at, row.changed_by = timezone.now(), str(by)
    row.save()
    return row


def _opened(row: DeviceConfig) -> Config:
    files: Files = json.loads(sealing.unseal(row.sealed))
    return Config(files, row.version, row.changed_at, row.changed_by)


def _changes(before: Files, after: Files) -> dict[str, list[str]]:
    """The names of the files that came, changed and went, where there are any."""
    changes = {
        "added": sorted(set(after) - set(before)),
        "changed": sorted(name for name in set(after) & set(before) if after[name] != before[name]),
        "removed": sorted(set(before) - set(after)),
    }
    return {what: names for what, names in changes.items() if names}


def _changed(device: Device, row: DeviceConfig | None) -> str:
    if row is None:
        return f"The configuration of {device} has been taken away since you looked. Look again, then decide."
    who = f"by {row.changed_by} at {row.changed_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"The configuration of {device} has changed since you looked, {who}. Look again, then decide."
