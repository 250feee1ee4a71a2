"""What is stored for a device, as its page shows it: no more of anything than a person reads."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from devices import configs, records
from devices.config_files import File
from devices.models import AppState, Device, UpdateEvent
from portal import sealing, strict_json

MOST_ATTRIBUTES = 200
MOST_EVENTS = 200
MOST_APPS = 50
MOST_SERVICES = 20
LONGEST = 20_000


@dataclass(frozen=True)
class Shown:
    """A configuration on the page; `fault` says why its files cannot be read, if they cannot."""

    version: str = ""
    files: Sequence[tuple[str, File]] = ()
    changed_at: datetime | None = None
    changed_by: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Step:
    """An event of an update; what the device did not say is empty."""

    kind: str
    ecu: str
    target: str
    version: str
    details: str
    success: bool | None
    at: datetime


@dataclass(frozen=True)
class Update:
    """The steps of one update, the latest first; `success` is the last that it said about itself."""

    id: str
    steps: Sequence[Step]
    target: str
    version: str
    success: bool | None


@dataclass(frozen=True)
class Report:
    """How the apps were at a time: a name, what was said of the app, and its services."""

    pk: int
    ostree: str
    at: datetime
    received_at: datetime
    apps: Sequence[tuple[str, Mapping[str, Any]]]
    more: bool


def config(device: Device) -> Shown:
    """The configuration of the device; an empty one if it has none."""
    try:
        found = configs.current(device)
    except sealing.Broken as broken:
        head = configs.head(device)
        return Shown(version=head[0] if head else "", fault=str(broken))
    if found is None:
        return Shown()
    return Shown(found.version, sorted(found.files.items()), found.changed_at, found.changed_by)


def updates(device: Device) -> tuple[Sequence[Update], bool]:
    """The updates by their latest event, and whether there are more events than are shown."""
    rows = list(UpdateEvent.objects.filter(device=device).order_by("-pk")[: MOST_EVENTS + 1])
    by_update: dict[str, list[Step]] = {}
    for row in rows[:MOST_EVENTS]:
        by_update.setdefault(row.correlation_id, []).append(_step(row))
    return [_update(name, steps) for name, steps in by_update.items()], len(rows) > MOST_EVENTS


def reports(device: Device) -> Sequence[AppState]:
    """The reports about apps, the latest first, without what they say."""
    return list(AppState.objects.filter(device=device).order_by("-pk").only("device_time", "received_at", "device"))


def report(device: Device, number: int | None) -> Report | None:
    """The report with this number, else the latest, if there is one."""
    of_device = AppState.objects.filter(device=device)
    row = (of_device.filter(pk=number).first() if number else None) or of_device.order_by("-pk").first()
    if row is None:
        return None
    named = list(islice(row.named(), MOST_APPS + 1))
    shown = [
        (name, {**app, "services": app["services"][:MOST_SERVICES], "more": app["services"][MOST_SERVICES:]})
        for name, app in named[:MOST_APPS]
    ]
    return Report(row.pk, row.ostree, row.device_time, row.received_at, shown, len(named) > MOST_APPS)


def attributes(device: Device) -> tuple[Sequence[tuple[str, Any]], bool]:
    """What the device reported of itself, and whether there is more than is shown."""
    said = records.reported(getattr(device, "inventory", None))
    return list(islice(said.items(), MOST_ATTRIBUTES)), len(said) > MOST_ATTRIBUTES


def system_info(device: Device) -> Sequence[tuple[str, str, bool]]:
    """The texts that the device uploaded: a title, the text, and whether it was cut; JSON is laid out for the eye."""
    info = getattr(device, "system_info", None)
    if info is None:
        return []
    texts = (("Hardware", _laid_out(info.hardware)), ("Network", _laid_out(info.network)), ("Updater", info.config))
    return [(title, text[:LONGEST], len(text) > LONGEST) for title, text in texts if text]


def _laid_out(text: str) -> str:
    try:
        return json.dumps(strict_json.loads_text(text, repeated_members=True), indent=2, ensure_ascii=False)
    except strict_json.Unreadable:
        return text


def _step(row: UpdateEvent) -> Step:
    event = row.part("event")
    said = {name: str(event.get(name, ""))[:2000] for name in ("ecu", "targetName", "version", "details")}
    success = event.get("success")
    return Step(
        kind=str(row.part("eventType").get("id", ""))[:256],
        ecu=said["ecu"],
        target=said["targetName"],
        version=said["version"],
        details=said["details"],
        success=success if isinstance(success, bool) else None,
        at=row.device_time,
    )


def _update(name: str, steps: Sequence[Step]) -> Update:
    """What the latest step that says something about the target, the version or the outcome says about it."""
    return Update(
        name,
        steps,
        next((step.target for step in steps if step.target), ""),
        next((step.version for step in steps if step.version), ""),
        next((step.success for step in steps if step.success is not None), None),
    )
