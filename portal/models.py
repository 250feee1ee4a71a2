"""What the frame remembers: people, the audit trail, the outbox and whom it tells, and the worker's clock."""

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from portal.roles import Role


class Tenant(models.Model):
    """An account that people and apps belong to; an installation starts with `main`."""

    name = models.CharField(primary_key=True, max_length=20)
    title = models.CharField(max_length=100, blank=True)

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """A person. Their role says which scopes they hold."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="users", default="main")
    role = models.CharField(max_length=16, choices=Role, default=Role.VIEWER)

    class Meta(AbstractUser.Meta):
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="user_role_is_known"),
            models.UniqueConstraint(Lower("username"), name="one_name_in_any_case"),
        ]


class AuditEvent(models.Model):
    """One change: who did what to which subject, why, and how it was before and after. Rows are only added."""

    number = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    actor_kind = models.CharField(max_length=10)
    credential = models.CharField(max_length=64, blank=True)
    address = models.CharField(max_length=45, blank=True)
    verb = models.CharField(max_length=64)
    subject_kind = models.CharField(max_length=32)
    subject_id = models.CharField(max_length=128)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    reason = models.CharField(max_length=500, blank=True)
    request_id = models.CharField(max_length=128, blank=True)
    mac = models.CharField(max_length=64)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["subject_kind", "subject_id", "-number"], name="audit_of_subject"),
            models.Index(fields=["at"], name="audit_by_time"),
            models.Index(fields=["verb", "-number"], name="audit_by_verb"),
            models.Index(fields=["actor", "-number"], name="audit_by_actor"),
            models.Index(fields=["request_id"], name="audit_by_request"),
            models.Index(fields=["subject_id", "-number"], name="audit_by_subject_id"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.actor} {self.verb} {self.subject_id}"


class AuditHead(models.Model):
    """The end of the chain, one row: who appends holds it locked, so numbers have no gap and links no fork."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    number = models.BigIntegerField(default=0)
    mac = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=models.Q(id=1), name="audit_head_is_one_row")]

    def __str__(self) -> str:
        return f"audit chain at {self.number}"


class Outbox(models.Model):
    """What others must hear of, written in the transaction of the change: told exactly if that commits."""

    topic = models.CharField(max_length=64)
    body = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.topic} {self.pk}"


class FailedAttempts(models.Model):
    """Failures in a row from one address, or from one address on one account; never by account alone."""

    key = models.CharField(primary_key=True, max_length=64)
    failures = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()
    wait_until = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["last_at"], name="failed_attempts_by_age")]

    def __str__(self) -> str:
        return f"{self.failures} failures"


class ScheduledJob(models.Model):
    """When a job of the worker is due. Whoever moves `due_at` on has claimed the run, so no two workers share one."""

    name = models.CharField(primary_key=True, max_length=64)
    due_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class KeptAnswer(models.Model):
    """The answer to a creation that named an `Idempotency-Key`, sealed; `request` is the digest of what was asked."""

    name = models.CharField(primary_key=True, max_length=64)
    request = models.CharField(max_length=64)
    sealed = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return self.name


class HourlyCount(models.Model):
    """How often something happened in the hour that begins at `hour`, such as `device.accepted`; for the charts."""

    hour = models.DateTimeField()
    name = models.CharField(max_length=64)
    number = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["hour", "name"], name="one_count_an_hour")]

    def __str__(self) -> str:
        return f"{self.number} {self.name} in {self.hour:%Y-%m-%d %H} h"


class Webhook(models.Model):
    """An address that is told of the topics it chose, signed with a secret that is kept sealed.

    For a day after a rotation the secret before counts too. `waiting` counts its deliveries that wait, of which the
    oldest is sent from `next_at` on by whoever holds the `claim`; `missed` those that were not taken as too many
    waited. `failing_since` is when the present row of failures began. `revision` counts what people change.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=64, unique=True)
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


class Digest(models.Model):
    """A mail that gathers what happened from `first_at` to `last_at`, None if nothing did since the one before.

    Whoever moves `next_at` on sends it; `attempts` counts the tries of this one.
    """

    name = models.CharField(primary_key=True, max_length=64)
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=500, blank=True)

    def __str__(self) -> str:
        return self.name
