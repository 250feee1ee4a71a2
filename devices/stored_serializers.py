"""The shapes in JSON of what is stored for a device: its configuration and what it reported."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from devices import config_files
from devices.configs import Config
from devices.models import AppState, Device, UpdateEvent
from portal.rest import StrictSerializer, Text
from portal.rfc3339 import written

FILE = {
    "type": "object",
    "required": ["Value"],
    "additionalProperties": False,
    "properties": {
        "Value": {
            "type": "string",
            "description": f"What is in the file, at most {config_files.MOST_OF_A_FILE // 1024} KiB.",
        },
        "Unencrypted": {"type": "boolean", "description": "It may lie readable on the device; left out if not."},
        "OnChanged": {
            "type": "array",
            "maxItems": config_files.MOST_COMMANDS,
            "items": {"type": "string", "minLength": 1, "maxLength": config_files.LONGEST_COMMAND},
            "description": "The command, and what follows it, that the device runs when the file has changed.",
        },
    },
}


@extend_schema_field(
    {
        "type": "object",
        "description": f"The files by name; at most {config_files.MOST_IN_ALL // 1024} KiB in all.",
        "minProperties": 1,
        "maxProperties": config_files.MOST_FILES,
        "propertyNames": {"pattern": r"^[A-Za-z0-9_.-]{1,128}$"},
        "additionalProperties": FILE,
    }
)
class FilesField(serializers.Field[Any, Any, Any, Any]):
    """The files as the rule reads them, which judges them too."""

    def to_internal_value(self, data: Any) -> Any:
        if data == {}:
            raise serializers.ValidationError("Name at least one file; DELETE takes the configuration away.")
        return config_files.read(data)

    def to_representation(self, value: Any) -> Any:
        return value


class NewConfigSerializer(StrictSerializer):
    """The files that a device is to fetch, in place of those before."""

    files = FilesField()
    reason = Text(max_length=500, required=False, allow_blank=True, default="")


class ConfigSerializer(serializers.Serializer[Config]):
    """The files that a device fetches, and who put them down when."""

    files = FilesField()
    version = serializers.CharField(help_text="Alike for alike files; in quotes it is the ETag.")
    changed_at = serializers.DateTimeField()
    changed_by = serializers.CharField()


class CheckInSerializer(serializers.Serializer[Device]):
    """What the device said of itself when it was last served; empty where it never said anything."""

    target = serializers.CharField(help_text="What it runs.")
    tag = serializers.CharField(help_text="The tag that it follows.")
    apps = serializers.ListField(child=serializers.CharField(), help_text="The apps that it runs, by name.")
    ostree_hash = serializers.CharField()
    last_seen = serializers.DateTimeField(allow_null=True)

    def to_representation(self, device: Device) -> dict[str, Any]:
        said = getattr(device, "check_in", None)
        return {
            "target": said.target if said else "",
            "tag": said.tag if said else "",
            "apps": [app.strip() for app in said.apps.split(",") if app.strip()] if said else [],
            "ostree_hash": said.ostree_hash if said else "",
            "last_seen": written(device.last_seen),
        }


class SystemInfoSerializer(serializers.Serializer[Any]):
    """What the device uploaded about itself, each text as it was sent; empty if it sent none."""

    hardware = serializers.CharField(help_text="JSON.")
    network = serializers.CharField(help_text="JSON, an object.")
    config = serializers.CharField(help_text="How its updater is set up, usually TOML.")


class InventorySerializer(serializers.Serializer[Any]):
    """The attributes that the device reported: texts, numbers, booleans and lists, by name."""

    attributes = serializers.DictField()
    reported_at = serializers.DateTimeField(allow_null=True)


class UpdateEventSerializer(serializers.Serializer[UpdateEvent]):
    """A step of an update, as the device reported it; long texts are cut."""

    id = serializers.CharField()
    correlation_id = serializers.CharField(help_text="The update that it is a step of.")
    device_time = serializers.DateTimeField(help_text="When it happened, by the clock of the device.")
    received_at = serializers.DateTimeField()
    event = serializers.DictField(help_text="`ecu`, `success`, `targetName`, `version`, `details`, where they are.")
    event_type = serializers.DictField(help_text="`id` and `version`.")

    def to_representation(self, event: UpdateEvent) -> dict[str, Any]:
        return {
            "id": event.event_id,
            "correlation_id": event.correlation_id,
            "device_time": written(event.device_time),
            "received_at": written(event.received_at),
            "event": {name: said for name, said in event.part("event").items() if name != "correlationId"},
            "event_type": event.part("eventType"),
        }


class ServiceSerializer(serializers.Serializer[Any]):
    """A container of an app; members that the device did not send are left out."""

    name = serializers.CharField(required=False)
    hash = serializers.CharField(required=False)
    health = serializers.CharField(required=False)
    image = serializers.CharField(required=False)
    logs = serializers.CharField(required=False)
    state = serializers.CharField(required=False)
    status = serializers.CharField(required=False)


class AppOnDeviceSerializer(serializers.Serializer[Any]):
    uri = serializers.CharField(required=False)
    state = serializers.CharField(required=False)
    services = ServiceSerializer(many=True)


class AppStateSerializer(serializers.Serializer[AppState]):
    """How the apps on a device were at a time."""

    device_time = serializers.DateTimeField(help_text="When, by the clock of the device.")
    received_at = serializers.DateTimeField()
    ostree = serializers.CharField()
    apps = serializers.DictField(child=AppOnDeviceSerializer(), help_text="The apps by name.")

    def to_representation(self, report: AppState) -> dict[str, Any]:
        return {
            "device_time": written(report.device_time),
            "received_at": written(report.received_at),
            "ostree": report.ostree,
            "apps": dict(report.named()),
        }
