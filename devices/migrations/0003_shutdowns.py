import devices.models.device
import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0002_counts_and_search"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ShutdownJob",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("awaiting_approval", "Awaits approval"),
                            ("scheduled", "Scheduled"),
                            ("running", "Running"),
                            ("completed", "Completed"),
                            ("completed_with_errors", "Completed with errors"),
                            ("cancelled", "Cancelled"),
                            ("refused", "Refused"),
                            ("expired", "Expired"),
                        ],
                        max_length=21,
                    ),
                ),
                ("reason", models.CharField(max_length=200)),
                (
                    "via",
                    models.CharField(
                        choices=[("page", "A page"), ("api", "REST"), ("edge-app", "An app on the device")],
                        max_length=8,
                    ),
                ),
                ("requested_by", models.CharField(max_length=200)),
                ("credential", models.CharField(blank=True, max_length=100)),
                ("app", models.CharField(blank=True, max_length=100)),
                ("installation", models.CharField(blank=True, max_length=36)),
                ("execute_now", models.BooleanField(default=False)),
                ("max_ack_seconds", models.PositiveSmallIntegerField(default=30)),
                ("ttl_seconds", models.PositiveIntegerField(default=900)),
                ("device_count", models.PositiveIntegerField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("start_at", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("needs_approval", models.BooleanField(default=False)),
                ("decide_by", models.DateTimeField(null=True)),
                ("decided_by", models.CharField(blank=True, max_length=200)),
                ("decided_at", models.DateTimeField(null=True)),
                (
                    "approver",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="approved_shutdowns",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "credential_owner",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "requester",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="shutdowns",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "retry_of",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="retries",
                        to="devices.shutdownjob",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["-created_at", "-id"], name="shutdown_by_age"),
                    models.Index(fields=["requester", "created_at"], name="shutdown_by_requester"),
                    models.Index(fields=["credential", "created_at"], name="shutdown_by_credential"),
                    models.Index(fields=["state", "created_at"], name="shutdown_by_state"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "awaiting_approval",
                                    "scheduled",
                                    "running",
                                    "completed",
                                    "completed_with_errors",
                                    "cancelled",
                                    "refused",
                                    "expired",
                                ],
                            )
                        ),
                        name="shutdown_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("via__in", ["page", "api", "edge-app"])), name="shutdown_via_is_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("max_ack_seconds__lte", 600)), name="shutdown_wait_is_bounded"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("expires_at", None), ("started_at", None)),
                            models.Q(("expires_at__gt", models.F("started_at")), ("started_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="shutdown_expires_after_its_start",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ShutdownTarget",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("device_id", devices.models.device.OpaqueText(max_length=128)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("queued", "Queued"),
                            ("claimed", "Waiting for its apps"),
                            ("executing", "Powering off"),
                            ("succeeded", "Off by command"),
                            ("failed", "Failed"),
                            ("unconfirmed", "Unconfirmed"),
                            ("cancelled", "Cancelled"),
                            ("expired", "Expired"),
                            ("skipped", "Skipped"),
                        ],
                        max_length=11,
                    ),
                ),
                ("code", models.CharField(blank=True, max_length=64)),
                ("detail", models.CharField(blank=True, max_length=500)),
                ("nonce", models.CharField(blank=True, max_length=64)),
                ("queued_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("claimed_at", models.DateTimeField(null=True)),
                ("deadline", models.DateTimeField(null=True)),
                ("released_at", models.DateTimeField(null=True)),
                ("executing_at", models.DateTimeField(null=True)),
                ("heard_at", models.DateTimeField(null=True)),
                ("reported_at", models.DateTimeField(null=True)),
                ("device_time", models.CharField(blank=True, max_length=64)),
                ("finished_at", models.DateTimeField(null=True)),
                ("is_former", models.BooleanField(default=False)),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="targets", to="devices.shutdownjob"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["job", "state", "device_id"], name="shutdown_target_by_state"),
                    models.Index(fields=["device_id", "-id"], name="shutdown_target_by_device"),
                    models.Index(fields=["state"], name="shutdown_target_counted"),
                    models.Index(
                        condition=models.Q(("state__in", ("queued", "claimed", "executing"))),
                        fields=["state", "expires_at"],
                        name="shutdown_target_open",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "waiting",
                                    "queued",
                                    "claimed",
                                    "executing",
                                    "succeeded",
                                    "failed",
                                    "unconfirmed",
                                    "cancelled",
                                    "expired",
                                    "skipped",
                                ],
                            )
                        ),
                        name="shutdown_target_state_is_known",
                    ),
                    models.UniqueConstraint(fields=("job", "device_id"), name="device_once_per_shutdown"),
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ("queued", "claimed", "executing"))),
                        fields=("device_id",),
                        name="one_open_shutdown_per_device",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("state__in", ("claimed", "executing", "succeeded", "unconfirmed")), _negated=True
                            ),
                            models.Q(
                                ("claimed_at__isnull", False),
                                ("deadline__isnull", False),
                                models.Q(("nonce", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="shutdown_goes_on_only_when_claimed",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "queued"), _negated=True),
                            models.Q(("expires_at__isnull", False), ("queued_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="shutdown_queued_until_it_expires",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ShutdownAck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("installation", models.CharField(max_length=36)),
                ("app", models.CharField(max_length=100)),
                ("version", models.CharField(max_length=100)),
                ("detail", models.CharField(blank=True, max_length=200)),
                ("acknowledged_at", models.DateTimeField(null=True)),
                (
                    "target",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="acks", to="devices.shutdowntarget"
                    ),
                ),
            ],
            options={
                "ordering": ["app", "installation"],
                "constraints": [
                    models.UniqueConstraint(fields=("target", "installation"), name="app_once_per_shutdown_target")
                ],
            },
        ),
    ]
