"""Devices and what is counted about them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

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
    `denials` counts the times that it was denied; what was installed on it before is dead, restored or not.
    """

    id = OpaqueText(primary_key=True, max_length=128, validators=[RegexValidator(rf"\A{ID}\Z")])
    status = models.CharField(max_length=13, choices=Status, default=Status.PENDING)
    identity_digest = OpaqueText(max_length=64, blank=True)
    fingerprint = OpaqueText(max_length=64, blank=True)
    request_time = models.DateTimeField(default=timezone.now)
    last_seen = models.DateTimeField(null=True)
    revision = models.PositiveIntegerField(default=1)
    epoch = models.PositiveIntegerField(default=1)
    denials = models.PositiveIntegerField(default=0)
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
    def standing(self) -> str:
        """The status that a person cares for: denied outweighs the rest."""
        return "denied" if self.is_denied else self.status

    @property
    def is_admitted(self) -> bool:
        """Whether its requests are served."""
        return self.status == Status.ACCEPTED and not self.is_denied

    def was_seen_lately(self, now: datetime) -> bool:
        return self.last_seen is not None and timedelta() <= now - self.last_seen < SEEN_NOTED_EVERY


class Introduction(models.Model):
    """What a device says of itself, as it was sent. It stands beside the device, whose row changes often.

    A device that came with a certificate alone has no identity: `text` is empty and `members` is {}; `ca` is then the
    SHA-256 of the certificate of the device CA that signed its own.
    """

    device = models.OneToOneField(Device, models.CASCADE, related_name="introduction")
    text = models.TextField(blank=True)
    members = StoredJSONField(default=dict)
    key = models.TextField(blank=True)
    ca = models.CharField(max_length=64, blank=True)

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
