"""What is remembered about devices."""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.urls import reverse
from django.utils import timezone

from portal.stored_json import StoredJSONField

ID = r"[A-Za-z0-9_:-]{1,128}"
SEEN_NOTED_EVERY = timedelta(minutes=1)


class Status(models.TextChoices):
    """The state of a device's admission. Denied is none of these: a denied device keeps its status."""

    PENDING = "pending", "Pending"
    ACCEPTED = "accepted", "Accepted"
    REJECTED = "rejected", "Rejected"
    PREAUTHORIZED = "preauthorized", "Preauthorized"


class OpaqueText(models.CharField):  # type: ignore[type-arg]
    """Text that says nothing by its letters and sorts by code point on every database."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """The long name of the type on PostgreSQL: a `varchar` gets an index for LIKE, which C makes a second copy."""
        kind = super().db_type(connection)
        return kind.replace("varchar", "character varying") if kind and connection.vendor == "postgresql" else kind

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        collation = "C" if connection.vendor == "postgresql" else None
        return {**super().db_parameters(connection), "collation": collation}


class DeviceQuerySet(models.QuerySet["Device"]):
    def present(self) -> "DeviceQuerySet":
        """Devices that are not denied."""
        return self.filter(denied_at=None)

    def denied(self) -> "DeviceQuerySet":
        """The denied list."""
        return self.filter(denied_at__isnull=False)  # Not `exclude`: SQLite finds no partial index behind NOT.

    def waiting(self) -> "DeviceQuerySet":
        """Devices nobody has decided on yet."""
        return self.present().filter(status=Status.PENDING)

    def unchanged(self, device: "Device") -> "DeviceQuerySet":
        """The device, if nobody has changed it since it was read; an UPDATE of this is the lock on it."""
        return self.filter(pk=device.pk, revision=device.revision)

    def claiming(self, digest: str) -> "DeviceQuerySet":
        """The records that have the digest of an identity as their identity or as their id."""
        return self.filter(models.Q(identity_digest=digest) | models.Q(pk=digest))


class Device(models.Model):
    """One device, known by an opaque id and by its key.

    `revision` counts the changes of this row, so that nobody decides on what they have not seen. `epoch` counts the
    times that what the device was granted ended; a token names the epoch that it was bought in and dies with it.
    """

    id = OpaqueText(primary_key=True, max_length=128, validators=[RegexValidator(rf"\A{ID}\Z")])
    status = models.CharField(max_length=13, choices=Status, default=Status.PENDING)
    identity_digest = OpaqueText(max_length=64, blank=True)
    fingerprint = OpaqueText(max_length=64, blank=True)
    request_time = models.DateTimeField(default=timezone.now)
    last_seen = models.DateTimeField(null=True)
    revision = models.PositiveIntegerField(default=1)
    epoch = models.PositiveIntegerField(default=1)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=200, blank=True)
    denied_at = models.DateTimeField(null=True)
    denied_by = models.CharField(max_length=200, blank=True)
    denied_reason = models.CharField(max_length=500, blank=True)

    objects: ClassVar[Any] = DeviceQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(status__in=Status.values), name="device_status_is_known"),
            models.CheckConstraint(
                condition=models.Q(denied_at=None, denied_by="", denied_reason="")
                | models.Q(denied_at__isnull=False) & ~models.Q(denied_by=""),
                name="device_denied_by_somebody",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["status", "id"], condition=models.Q(denied_at=None), name="device_by_status"),
            models.Index(fields=["request_time", "id"], name="device_by_request_time"),
            models.Index(fields=["last_seen", "id"], name="device_by_last_seen"),
            models.Index(fields=["denied_at", "id"], condition=models.Q(denied_at__isnull=False), name="device_denied"),
            models.Index(fields=["id"], condition=models.Q(denied_at__isnull=False), name="device_denied_by_id"),
            models.Index(
                fields=["status", "request_time", "id"],
                condition=models.Q(denied_at=None),
                name="device_by_status_and_time",
            ),
            models.Index(
                fields=["status", "last_seen", "id"],
                condition=models.Q(denied_at=None),
                name="device_by_status_and_seen",
            ),
            # Not partial, though some are empty: SQLite would not see that what is looked for is none of these.
            models.Index(fields=["identity_digest"], name="device_by_identity"),
            models.Index(fields=["fingerprint"], name="device_by_key"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def get_absolute_url(self) -> str:
        return reverse("devices:detail", args=[self.pk])

    @property
    def is_denied(self) -> bool:
        return self.denied_at is not None

    @property
    def is_admitted(self) -> bool:
        """Whether its requests are served."""
        return self.status == Status.ACCEPTED and not self.is_denied

    def was_seen_lately(self, now: datetime) -> bool:
        return self.last_seen is not None and timedelta() <= now - self.last_seen < SEEN_NOTED_EVERY


class Introduction(models.Model):
    """What a device says of itself, as it was sent. It stands beside the device, whose row changes often.

    A device that came with a certificate alone has no identity: `text` is empty and `members` is {}.
    """

    device = models.OneToOneField(Device, models.CASCADE, related_name="introduction")
    text = models.TextField(blank=True)
    members = StoredJSONField(default=dict)
    key = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.text

    def named(self) -> Mapping[str, Any]:
        """The members of the identity by name; what no rule of ours has written may hold none."""
        return self.members if isinstance(self.members, dict) else {}

    def labels(self) -> Mapping[str, str]:
        """The members of the identity that are texts."""
        return {name: value for name, value in self.named().items() if isinstance(value, str)}


class DeviceCount(models.Model):
    """How many devices are in a tab: a status or `denied`. Triggers keep it, whoever changes a device."""

    tab = models.CharField(primary_key=True, max_length=13)
    number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.number} {self.tab}"


class DeviceShelf(models.Model):
    """How many devices of each tab have an id from `first` on and before the `first` of the next shelf.

    Triggers keep it, and part a shelf that holds more than 2048, so that a far page of a list skips whole shelves.
    """

    first = OpaqueText(primary_key=True, max_length=128)
    pending = models.BigIntegerField(default=0)
    accepted = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    preauthorized = models.BigIntegerField(default=0)
    denied = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"devices from '{self.first}'"


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


class KeyChange(models.TextChoices):
    OPEN = "open", "Open"
    ACCEPTED = "accepted", "Accepted"
    REFUSED = "refused", "Refused"
    SUPERSEDED = "superseded", "Superseded"


class KeyChangeRequest(models.Model):
    """A known device has come with another key; until somebody accepts it, the present key goes on working."""

    device = models.ForeignKey(Device, models.CASCADE, related_name="key_changes")
    present_fingerprint = models.CharField(max_length=64, blank=True)
    new_fingerprint = models.CharField(max_length=64)
    new_key = models.TextField()
    seen_at = models.DateTimeField(default=timezone.now)
    seen_from = models.CharField(max_length=45, blank=True)
    state = models.CharField(max_length=10, choices=KeyChange, default=KeyChange.OPEN)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(state__in=KeyChange.values), name="key_change_state_is_known"),
            models.UniqueConstraint(
                fields=["device", "new_fingerprint"],
                condition=models.Q(state=KeyChange.OPEN),
                name="one_open_key_change_per_key",
            ),
        ]

    def __str__(self) -> str:
        return f"key change of {self.device_id}"


class RetiredKey(models.Model):
    """A key that was refused or replaced for a device; it opens no key change request again."""

    device = models.ForeignKey(Device, models.CASCADE, related_name="retired_keys")
    fingerprint = models.CharField(max_length=64)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["device", "fingerprint"], name="key_retired_once_per_device"),
        ]

    def __str__(self) -> str:
        return self.fingerprint


class BulkDecision(models.Model):
    """A decision on many devices that were frozen when it was asked for; `done` and `refused` say how far it is.

    `total` is 0 until all of them are written down. Nothing is decided before `started_at`: until then a person reviews
    what it would mean.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    decision = models.CharField(max_length=8)
    reason = models.CharField(max_length=500, blank=True)
    digest = models.CharField(max_length=64)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="bulk_decisions")
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    asked_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["asked_at"], name="bulk_decision_by_time")]

    def __str__(self) -> str:
        return f"{self.decision} {self.total} devices"

    def get_absolute_url(self) -> str:
        return reverse("devices:bulk_decision", args=[self.pk])

    @property
    def reached(self) -> int:
        """How many devices have their outcome."""
        return self.done + self.refused


class BulkItem(models.Model):
    """One device of a bulk decision: the revision that was looked at, and then what became of it."""

    bulk = models.ForeignKey(BulkDecision, models.CASCADE, related_name="items")
    device_id = OpaqueText(max_length=128)
    seen = models.PositiveIntegerField()
    is_reached = models.BooleanField(default=False)
    status = models.CharField(max_length=13, blank=True)
    code = models.CharField(max_length=64, blank=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["bulk", "id"], condition=models.Q(is_reached=False), name="bulk_item_left"),
        ]

    def __str__(self) -> str:
        return f"{self.device_id}: {self.status or 'not reached'}"
