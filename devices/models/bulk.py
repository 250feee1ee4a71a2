"""Decisions on many devices at once."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from devices.models.device import OpaqueText


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
