"""What is counted and kept for a while: failures, runs of the worker, answers, figures for the charts."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class FailedAttempts(models.Model):
    """Failures in a row from one address, or from one address on one account; never by account alone."""

    key = models.CharField(primary_key=True, max_length=64)
    failures = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()
    wait_until = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)

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


class KeptCount(models.Model):
    """Numbers by word as the worker counted them last; `upto` which row, if rows are only added."""

    name = models.CharField(primary_key=True, max_length=64)
    numbers = models.JSONField()
    upto = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return self.name


class WindowCount(models.Model):
    """How often something happened in the window of time with this number, such as a minute since 1970."""

    key = models.CharField(primary_key=True, max_length=64)
    window = models.BigIntegerField()
    number = models.PositiveIntegerField()
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.number} in {self.window}"
