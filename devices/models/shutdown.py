"""Shutdowns: who ordered one and why, each device that it is for, and the apps that were told on it."""

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from devices.models.device import OpaqueText


class JobState(models.TextChoices):
    """Where a shutdown stands as a whole."""

    AWAITING_APPROVAL = "awaiting_approval", "Awaits approval"
    SCHEDULED = "scheduled", "Scheduled"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors", "Completed with errors"
    CANCELLED = "cancelled", "Cancelled"
    REFUSED = "refused", "Refused"
    EXPIRED = "expired", "Expired"


class TargetState(models.TextChoices):
    """Where one device of a shutdown stands."""

    WAITING = "waiting", "Waiting"
    QUEUED = "queued", "Queued"
    CLAIMED = "claimed", "Waiting for its apps"
    EXECUTING = "executing", "Powering off"
    SUCCEEDED = "succeeded", "Off by command"
    FAILED = "failed", "Failed"
    UNCONFIRMED = "unconfirmed", "Unconfirmed"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"
    SKIPPED = "skipped", "Skipped"


OPEN = (TargetState.QUEUED, TargetState.CLAIMED, TargetState.EXECUTING)


class Via(models.TextChoices):
    """The door by which it was ordered."""

    PAGE = "page", "A page"
    API = "api", "REST"
    EDGE_APP = "edge-app", "An app on the device"


class ShutdownJob(models.Model):
    """An order to shut devices down. `requester` and `approver` are the people behind it, and must be active.

    An app that orders over REST has no requester: `credential` names what it did so with, and `credential_owner` is
    the person to whom that belonged, if anybody.

    It starts at once, at `start_at`, or when it is approved, at latest by `decide_by`; from its start on it is valid
    for `ttl_seconds`. `app` and `installation` name the app on the device that asked for it, if one did.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(max_length=21, choices=JobState)
    reason = models.CharField(max_length=200)
    via = models.CharField(max_length=8, choices=Via)
    requested_by = models.CharField(max_length=200)
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="shutdowns")
    credential = models.CharField(max_length=100, blank=True)
    credential_owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    app = models.CharField(max_length=100, blank=True)
    installation = models.CharField(max_length=36, blank=True)
    execute_now = models.BooleanField(default=False)
    max_ack_seconds = models.PositiveSmallIntegerField(default=30)
    ttl_seconds = models.PositiveIntegerField(default=900)
    device_count = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now)
    start_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    needs_approval = models.BooleanField(default=False)
    decide_by = models.DateTimeField(null=True)
    approver = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="approved_shutdowns")
    decided_by = models.CharField(max_length=200, blank=True)
    decided_at = models.DateTimeField(null=True)
    retry_of = models.ForeignKey("self", models.SET_NULL, null=True, related_name="retries")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(state__in=JobState.values), name="shutdown_state_is_known"),
            models.CheckConstraint(condition=models.Q(via__in=Via.values), name="shutdown_via_is_known"),
            models.CheckConstraint(condition=models.Q(max_ack_seconds__lte=600), name="shutdown_wait_is_bounded"),
            models.CheckConstraint(
                condition=models.Q(started_at=None, expires_at=None)
                | models.Q(started_at__isnull=False, expires_at__gt=models.F("started_at")),
                name="shutdown_expires_after_its_start",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-created_at", "-id"], name="shutdown_by_age"),
            models.Index(fields=["requester", "created_at"], name="shutdown_by_requester"),
            models.Index(fields=["credential", "created_at"], name="shutdown_by_credential"),
            # Of all states: an index on some SQLite would not take.
            models.Index(fields=["state", "created_at"], name="shutdown_by_state"),
        ]

    def __str__(self) -> str:
        return f"shutdown {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("shutdowns:detail", args=[self.pk])

    def is_of(self, person: Any) -> bool:
        """Whether this person, by key, ordered it, or an app by credentials of theirs."""
        return person is not None and person in (self.requester_id, self.credential_owner_id)

    @property
    def is_final(self) -> bool:
        return self.state not in (JobState.AWAITING_APPROVAL, JobState.SCHEDULED, JobState.RUNNING)


class ShutdownTarget(models.Model):
    """One device of a shutdown, by its id, which outlives its record. Of open ones a device has one at most.

    `nonce` is the digest of what the device claimed it with. `released_at` is when it was told before its deadline that
    it need not wait for its apps any more, `heard_at` when it was heard though it had said that it powers off;
    `reported_at` is its last report, `finished_at` when the outcome stood. `is_former` marks those of a device that was
    removed: what comes with its id is another.
    """

    job = models.ForeignKey(ShutdownJob, models.CASCADE, related_name="targets")
    device_id = OpaqueText(max_length=128)
    state = models.CharField(max_length=11, choices=TargetState)
    code = models.CharField(max_length=64, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    nonce = models.CharField(max_length=64, blank=True)
    queued_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    deadline = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)
    executing_at = models.DateTimeField(null=True)
    heard_at = models.DateTimeField(null=True)
    reported_at = models.DateTimeField(null=True)
    device_time = models.CharField(max_length=64, blank=True)
    finished_at = models.DateTimeField(null=True)
    is_former = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(state__in=TargetState.values), name="shutdown_target_state_is_known"
            ),
            models.UniqueConstraint(fields=["job", "device_id"], name="device_once_per_shutdown"),
            models.UniqueConstraint(
                fields=["device_id"], condition=models.Q(state__in=OPEN), name="one_open_shutdown_per_device"
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=("claimed", "executing", "succeeded", "unconfirmed"))
                | models.Q(claimed_at__isnull=False, deadline__isnull=False) & ~models.Q(nonce=""),
                name="shutdown_goes_on_only_when_claimed",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="queued") | models.Q(queued_at__isnull=False, expires_at__isnull=False),
                name="shutdown_queued_until_it_expires",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["job", "state", "device_id"], name="shutdown_target_by_state"),
            models.Index(fields=["device_id", "-id"], name="shutdown_target_by_device"),
            models.Index(fields=["state"], name="shutdown_target_counted"),
            models.Index(
                fields=["state", "expires_at"], condition=models.Q(state__in=OPEN), name="shutdown_target_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.device_id}: {self.state}"


class ShutdownAck(models.Model):
    """An app on the device that was told; it was expected to acknowledge if it was there at the claim."""

    target = models.ForeignKey(ShutdownTarget, models.CASCADE, related_name="acks")
    installation = models.CharField(max_length=36)
    app = models.CharField(max_length=100)
    version = models.CharField(max_length=100)
    detail = models.CharField(max_length=200, blank=True)
    acknowledged_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["target", "installation"], name="app_once_per_shutdown_target"),
        ]
        ordering: ClassVar = ["app", "installation"]

    def __str__(self) -> str:
        return f"{self.app} {self.version}"
