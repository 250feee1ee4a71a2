"""Which apps are on a device, so that they can be told before it goes off. Who knows of apps registers here."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class App:
    """An app that is on a device and may be used there."""

    installation: str
    name: str
    version: str


Source = Callable[[Collection[str]], Mapping[str, list[App]]]
_sources: list[Source] = []


def source(find: Source) -> Source:
    """Register the function that finds the apps of devices, by the ids of these."""
    _sources.append(find)
    return find


def on(devices: Collection[str]) -> dict[str, list[App]]:
    """The apps on each of these devices, by name."""
    found: dict[str, list[App]] = {device_id: [] for device_id in devices}
    for find in _sources:
        for device_id, apps in find(devices).items():
            found[device_id] += apps
    return {device_id: sorted(apps, key=lambda app: (app.name, app.installation)) for device_id, apps in found.items()}
