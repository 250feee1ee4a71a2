"""What is remembered about devices."""

from devices.models.bulk import BulkDecision, BulkItem
from devices.models.device import (
    ID,
    SEEN_NOTED_EVERY,
    Device,
    DeviceCount,
    DeviceQuerySet,
    DeviceShelf,
    Introduction,
    OpaqueText,
    Status,
)
from devices.models.enrolment import EnrolmentRule, Verdict
from devices.models.key_changes import KeyChange, KeyChangeRequest, RetiredKey
from devices.models.shutdown import OPEN, JobState, ShutdownAck, ShutdownJob, ShutdownTarget, TargetState, Via
from devices.models.stored import AppState, CheckIn, DeviceConfig, Inventory, SystemInfo, UpdateEvent

__all__ = [
    "ID",
    "OPEN",
    "SEEN_NOTED_EVERY",
    "AppState",
    "BulkDecision",
    "BulkItem",
    "CheckIn",
    "Device",
    "DeviceConfig",
    "DeviceCount",
    "DeviceQuerySet",
    "DeviceShelf",
    "EnrolmentRule",
    "Introduction",
    "Inventory",
    "JobState",
    "KeyChange",
    "KeyChangeRequest",
    "OpaqueText",
    "RetiredKey",
    "ShutdownAck",
    "ShutdownJob",
    "ShutdownTarget",
    "Status",
    "SystemInfo",
    "TargetState",
    "UpdateEvent",
    "Verdict",
    "Via",
]
