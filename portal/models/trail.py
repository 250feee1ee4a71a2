"""The audit trail, and what others must hear of."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


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
