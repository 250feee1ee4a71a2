"""Mails: those that gather what happens, those that wait to be sent, and which notices were given."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


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


class Letter(models.Model):
    """One mail to one person or to the administrators, written in the transaction of what it tells.

    Whoever moves `next_at` on sends it; `attempts` counts the tries. One that was sent is kept without its text.
    """

    to = models.JSONField(default=list)
    subject = models.CharField(max_length=200)
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    next_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["next_at"], condition=models.Q(sent_at=None), name="letter_waiting"),
            models.Index(fields=["created_at"], name="letter_by_age"),
        ]

    def __str__(self) -> str:
        return self.subject


class ExpiryNotice(models.Model):
    """That it was told of one thing that it ends within so many days; 0 says that it has ended.

    `ends_at` is the end that was told of, so that a thing whose end moves is told of anew.
    """

    kind = models.CharField(max_length=32)
    subject = models.CharField(max_length=128)
    ends_at = models.DateTimeField()
    days = models.PositiveSmallIntegerField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "subject", "ends_at", "days"], name="one_notice_of_an_end")
        ]
        indexes: ClassVar = [models.Index(fields=["at"], name="notice_by_age")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}: {self.days}"
