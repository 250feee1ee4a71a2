"""Keys that devices came with, beside the one that each has."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from devices.models.device import Device


class KeyChange(models.TextChoices):
    OPEN = "open", "Open"
    ACCEPTED = "accepted", "Accepted"
    REFUSED = "refused", "Refused"
    SUPERSEDED = "superseded", "Superseded"


class KeyChangeRequest(models.Model):
    """A known device has come with another key; until somebody accepts it, the present key goes on working.

    It is proven if the device asked for the new key by means of the present one.
    """

    device = models.ForeignKey(Device, models.CASCADE, related_name="key_changes")
    present_fingerprint = models.CharField(max_length=64, blank=True)
    new_fingerprint = models.CharField(max_length=64)
    new_key = models.TextField()
    seen_at = models.DateTimeField(default=timezone.now)
    seen_from = models.CharField(max_length=45, blank=True)
    proven = models.BooleanField(default=False)
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
