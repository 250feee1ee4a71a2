"""Webhooks and what was sent to them."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone


class Webhook(models.Model):
    """An address that is told of the topics it chose, signed with a secret that is kept sealed.

    For a day after a rotation the secret before counts too. `waiting` counts its deliveries that wait, of which the
    oldest is sent from `next_at` on by whoever holds the `claim`; `missed` those that were not taken as too many
    waited. `failing_since` is when the present row of failures began. `revision` counts what people change.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=64)
    url = models.CharField(max_length=500)
    topics = models.JSONField(default=list)
    sealed_secret = models.TextField()
    sealed_secret_before = models.TextField(blank=True)
    secret_before_until = models.DateTimeField(null=True)
    is_enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=500, blank=True)
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=200)
    waiting = models.PositiveIntegerField(default=0)
    missed = models.PositiveIntegerField(default=0)
    missed_since = models.DateTimeField(null=True)
    next_at = models.DateTimeField(default=timezone.now)
    claim = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(is_enabled=False) | models.Q(disabled_reason=""),
                name="webhook_enabled_has_no_reason_against",
            ),
            models.CheckConstraint(
                condition=models.Q(sealed_secret_before="", secret_before_until=None)
                | (~models.Q(sealed_secret_before="") & models.Q(secret_before_until__isnull=False)),
                name="webhook_secret_before_ends",
            ),
            models.CheckConstraint(
                condition=models.Q(missed=0, missed_since=None) | models.Q(missed__gt=0, missed_since__isnull=False),
                name="webhook_missed_since_when",
            ),
            models.UniqueConstraint(Lower("name"), name="one_webhook_name_in_any_case"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def standing(self) -> str:
        """`disabled`, `failing` while every try fails, else `active`."""
        return ("failing" if self.failing_since else "active") if self.is_enabled else "disabled"


class DeliveryState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed"


class Delivery(models.Model):
    """One message for one webhook. `message` is the same each time it is sent, and so is `body`, to the byte."""

    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries", db_index=False)
    message = models.CharField(max_length=40)
    topic = models.CharField(max_length=64)
    body = models.TextField()
    state = models.CharField(max_length=9, choices=DeliveryState, default=DeliveryState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_at = models.DateTimeField(null=True)
    last_status = models.PositiveSmallIntegerField(null=True)
    last_error = models.CharField(max_length=500, blank=True)
    took_ms = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(state__in=DeliveryState.values), name="delivery_state_is_known")
        ]
        indexes: ClassVar = [
            models.Index(fields=["webhook", "id"], condition=models.Q(state="waiting"), name="delivery_waiting"),
            models.Index(fields=["webhook", "-id"], name="delivery_log"),
            models.Index(fields=["state", "created_at"], name="delivery_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.message}"
