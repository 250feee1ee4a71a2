"""What is stored for a device, by itself or for it to fetch; all but the check-in is destroyed when it is denied."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from devices.models.device import Device, OpaqueText
from portal.stored_json import StoredJSONField


class CheckIn(models.Model):
    """What the device said at its last check-in; kept when it is denied."""

    device = models.OneToOneField(Device, models.CASCADE, primary_key=True, related_name="check_in")
    target = models.CharField(max_length=1024, blank=True)
    tag = models.CharField(max_length=1024, blank=True)
    apps = models.CharField(max_length=1024, blank=True)
    ostree_hash = models.CharField(max_length=1024, blank=True)

    def __str__(self) -> str:
        return self.target


class SystemInfo(models.Model):
    """What the device uploaded about itself, each text as it was sent; destroyed when it is denied."""

    device = models.OneToOneField(Device, models.CASCADE, primary_key=True, related_name="system_info")
    hardware = models.TextField(blank=True)
    network = models.TextField(blank=True)
    config = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"system information of {self.device_id}"


class Inventory(models.Model):
    """Attributes that the device reports: `{name: text, number, boolean or list}`; destroyed when it is denied.

    `text` is what a search looks through. A number is the key because the search index points at it.
    """

    device = models.OneToOneField(Device, models.CASCADE, related_name="inventory")
    attributes = StoredJSONField(default=dict)
    text = models.TextField(blank=True)
    reported_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"inventory of {self.device_id}"


class DeviceConfig(models.Model):
    """The files that a device fetches: `{name: {"Value", "Unencrypted"?, "OnChanged"?}}` as JSON, sealed.

    `version` is a keyed digest of the files: alike for alike files, so it serves as their ETag.
    """

    device = models.OneToOneField(Device, models.CASCADE, primary_key=True, related_name="config")
    sealed = models.TextField()
    version = models.CharField(max_length=64)
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"config of {self.device_id}"


class UpdateEvent(models.Model):
    """A step of an update that the device reported; `body` is its `event` and `eventType` as sent."""

    device = models.ForeignKey(Device, models.CASCADE, related_name="update_events")
    event_id = OpaqueText(max_length=128)
    correlation_id = OpaqueText(max_length=128)
    body = StoredJSONField(default=dict)
    device_time = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["device", "event_id"], name="update_event_once_per_device"),
        ]
        indexes: ClassVar = [models.Index(fields=["device", "correlation_id", "id"], name="update_event_by_update")]

    def __str__(self) -> str:
        return f"{self.event_id} of {self.device_id}"

    def part(self, name: str) -> Mapping[str, Any]:
        """What was sent as `event` or `eventType`; what no rule of ours has written may hold neither."""
        return _object(_object(self.body).get(name))


class AppState(models.Model):
    """How the apps on the device were at a time: `apps` is `{name: {"uri", "state", "services"}}` as sent."""

    device = models.ForeignKey(Device, models.CASCADE, related_name="app_states")
    ostree = models.CharField(max_length=1024, blank=True)
    apps = StoredJSONField(default=dict)
    device_time = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["device", "-id"], name="app_state_latest")]

    def __str__(self) -> str:
        return f"apps of {self.device_id} at {self.device_time}"

    def named(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The apps by name, each with a list of `services`; whatever no rule of ours has written reads so too."""
        for name, app in _object(self.apps).items():
            services = _object(app).get("services")
            listed = [_texts(service) for service in services] if isinstance(services, list) else []
            yield name, {**_texts(app), "services": listed}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> dict[str, Any]:
    return {name: text for name, text in _object(value).items() if isinstance(text, str)}
