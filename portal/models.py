"""What the frame remembers: people, the audit trail, the outbox, failed attempts and the worker's clock."""

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
