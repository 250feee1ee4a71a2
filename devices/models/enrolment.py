"""Rules that decide on a device when it first proves its key."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class Verdict(models.TextChoices):
    ACCEPT = "accept", "Accept"
    REJECT = "reject", "Reject"


class EnrolmentRule(models.Model):
    """Decides on the devices that fit all of its conditions; one that is left empty fits every device.

    `ca` is the SHA-256 of a device CA. `pattern` is matched, with `*` and `?`, by the member `attribute`
    of the identity. The member `range_of`, or the id where that is empty, lies from `first` to `last`. `used` counts
    the devices that it decided on; at `most` it stops.
    """

    name = models.CharField(max_length=64, unique=True)
    verdict = models.CharField(max_length=6, choices=Verdict)
    is_enabled = models.BooleanField(default=True)
    ca = models.CharField(max_length=64, blank=True)
    attribute = models.CharField(max_length=64, blank=True)
    pattern = models.CharField(max_length=256, blank=True)
    range_of = models.CharField(max_length=64, blank=True)
    first = models.CharField(max_length=128, blank=True)
    last = models.CharField(max_length=128, blank=True)
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    most = models.PositiveIntegerField(null=True)
    used = models.PositiveIntegerField(default=0)
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=200)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(verdict__in=Verdict.values), name="rule_verdict_is_known"),
        ]

    def __str__(self) -> str:
        return self.name
