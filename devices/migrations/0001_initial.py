import devices.models.device
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import portal.stored_json
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Device",
            fields=[
                (
                    "id",
                    devices.models.device.OpaqueText(
                        max_length=128,
                        primary_key=True,
                        serialize=False,
                        validators=[django.core.validators.RegexValidator("\\A[A-Za-z0-9_:-]{1,128}\\Z")],
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("accepted", "Accepted"),
                            ("rejected", "Rejected"),
                            ("preauthorized", "Preauthorized"),
                        ],
                        default="pending",
                        max_length=13,
                    ),
                ),
                ("identity_digest", devices.models.device.OpaqueText(blank=True, max_length=64)),
                ("fingerprint", devices.models.device.OpaqueText(blank=True, max_length=64)),
                ("request_time", models.DateTimeField(default=django.utils.timezone.now)),
                ("last_seen", models.DateTimeField(null=True)),
                ("revision", models.PositiveIntegerField(default=1)),
                ("epoch", models.PositiveIntegerField(default=1)),
                ("denials", models.PositiveIntegerField(default=0)),
                ("decided_at", models.DateTimeField(null=True)),
                ("decided_by", models.CharField(blank=True, max_length=200)),
                ("denied_at", models.DateTimeField(null=True)),
                ("denied_by", models.CharField(blank=True, max_length=200)),
                ("denied_reason", models.CharField(blank=True, max_length=500)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("denied_at", None)), fields=["status", "id"], name="device_by_status"
                    ),
                    models.Index(fields=["request_time", "id"], name="device_by_request_time"),
                    models.Index(fields=["last_seen", "id"], name="device_by_last_seen"),
                    models.Index(
                        condition=models.Q(("denied_at__isnull", False)),
                        fields=["denied_at", "id"],
                        name="device_denied",
                    ),
                    models.Index(
                        condition=models.Q(("denied_at__isnull", False)), fields=["id"], name="device_denied_by_id"
                    ),
                    models.Index(
                        condition=models.Q(("denied_at", None)),
                        fields=["status", "request_time", "id"],
                        name="device_by_status_and_time",
                    ),
                    models.Index(
                        condition=models.Q(("denied_at", None)),
                        fields=["status", "last_seen", "id"],
                        name="device_by_status_and_seen",
                    ),
                    models.Index(fields=["identity_digest"], name="device_by_identity"),
                    models.Index(fields=["fingerprint"], name="device_by_key"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["pending", "accepted", "rejected", "preauthorized"])),
                        name="device_status_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("denied_at", None), ("denied_by", ""), ("denied_reason", "")),
                            models.Q(("denied_at__isnull", False), models.Q(("denied_by", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="device_denied_by_somebody",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AppState",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("ostree", models.CharField(blank=True, max_length=1024)),
                ("apps", portal.stored_json.StoredJSONField(default=dict)),
                ("device_time", models.DateTimeField()),
                ("received_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="app_states", to="devices.device"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["device", "-id"], name="app_state_latest")],
            },
        ),
        migrations.CreateModel(
            name="DeviceCount",
            fields=[
                ("tab", models.CharField(max_length=13, primary_key=True, serialize=False)),
                ("number", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="DeviceShelf",
            fields=[
                ("first", devices.models.device.OpaqueText(max_length=128, primary_key=True, serialize=False)),
                ("pending", models.BigIntegerField(default=0)),
                ("accepted", models.BigIntegerField(default=0)),
                ("rejected", models.BigIntegerField(default=0)),
                ("preauthorized", models.BigIntegerField(default=0)),
                ("denied", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="EnrolmentRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=64, unique=True)),
                ("verdict", models.CharField(choices=[("accept", "Accept"), ("reject", "Reject")], max_length=6)),
                ("is_enabled", models.BooleanField(default=True)),
                ("ca", models.CharField(blank=True, max_length=64)),
                ("attribute", models.CharField(blank=True, max_length=64)),
                ("pattern", models.CharField(blank=True, max_length=256)),
                ("range_of", models.CharField(blank=True, max_length=64)),
                ("first", models.CharField(blank=True, max_length=128)),
                ("last", models.CharField(blank=True, max_length=128)),
                ("starts_at", models.DateTimeField(null=True)),
                ("ends_at", models.DateTimeField(null=True)),
                ("most", models.PositiveIntegerField(null=True)),
                ("used", models.PositiveIntegerField(default=0)),
                ("revision", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("created_by", models.CharField(max_length=200)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("verdict__in", ["accept", "reject"])), name="rule_verdict_is_known"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Introduction",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.TextField(blank=True)),
                ("members", portal.stored_json.StoredJSONField(default=dict)),
                ("key", models.TextField(blank=True)),
                ("ca", models.CharField(blank=True, max_length=64)),
                (
                    "device",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="introduction", to="devices.device"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Inventory",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("attributes", portal.stored_json.StoredJSONField(default=dict)),
                ("text", models.TextField(blank=True)),
                ("reported_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "device",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="inventory", to="devices.device"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="KeyChangeRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("present_fingerprint", models.CharField(blank=True, max_length=64)),
                ("new_fingerprint", models.CharField(max_length=64)),
                ("new_key", models.TextField()),
                ("seen_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("seen_from", models.CharField(blank=True, max_length=45)),
                ("proven", models.BooleanField(default=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("accepted", "Accepted"),
                            ("refused", "Refused"),
                            ("superseded", "Superseded"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("decided_at", models.DateTimeField(null=True)),
                ("decided_by", models.CharField(blank=True, max_length=200)),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="key_changes", to="devices.device"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["open", "accepted", "refused", "superseded"])),
                        name="key_change_state_is_known",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "open")),
                        fields=("device", "new_fingerprint"),
                        name="one_open_key_change_per_key",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RetiredKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("fingerprint", models.CharField(max_length=64)),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="retired_keys", to="devices.device"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("device", "fingerprint"), name="key_retired_once_per_device")
                ],
            },
        ),
        migrations.CreateModel(
            name="UpdateEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("event_id", devices.models.device.OpaqueText(max_length=128)),
                ("correlation_id", devices.models.device.OpaqueText(max_length=128)),
                ("body", portal.stored_json.StoredJSONField(default=dict)),
                ("device_time", models.DateTimeField()),
                ("received_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="update_events", to="devices.device"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["device", "correlation_id", "id"], name="update_event_by_update")],
                "constraints": [
                    models.UniqueConstraint(fields=("device", "event_id"), name="update_event_once_per_device")
                ],
            },
        ),
        migrations.CreateModel(
            name="BulkDecision",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("decision", models.CharField(max_length=8)),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("digest", models.CharField(max_length=64)),
                ("total", models.PositiveIntegerField(default=0)),
                ("done", models.PositiveIntegerField(default=0)),
                ("refused", models.PositiveIntegerField(default=0)),
                ("asked_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="bulk_decisions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["asked_at"], name="bulk_decision_by_time")],
            },
        ),
        migrations.CreateModel(
            name="BulkItem",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("device_id", devices.models.device.OpaqueText(max_length=128)),
                ("seen", models.PositiveIntegerField()),
                ("is_reached", models.BooleanField(default=False)),
                ("status", models.CharField(blank=True, max_length=13)),
                ("code", models.CharField(blank=True, max_length=64)),
                ("error", models.CharField(blank=True, max_length=500)),
                (
                    "bulk",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="items", to="devices.bulkdecision"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("is_reached", False)), fields=["bulk", "id"], name="bulk_item_left"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CheckIn",
            fields=[
                (
                    "device",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="check_in",
                        serialize=False,
                        to="devices.device",
                    ),
                ),
                ("target", models.CharField(blank=True, max_length=1024)),
                ("tag", models.CharField(blank=True, max_length=1024)),
                ("apps", models.CharField(blank=True, max_length=1024)),
                ("ostree_hash", models.CharField(blank=True, max_length=1024)),
            ],
        ),
        migrations.CreateModel(
            name="DeviceConfig",
            fields=[
                (
                    "device",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="config",
                        serialize=False,
                        to="devices.device",
                    ),
                ),
                ("sealed", models.TextField()),
                ("version", models.CharField(max_length=64)),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("changed_by", models.CharField(max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name="SystemInfo",
            fields=[
                (
                    "device",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="system_info",
                        serialize=False,
                        to="devices.device",
                    ),
                ),
                ("hardware", models.TextField(blank=True)),
                ("network", models.TextField(blank=True)),
                ("config", models.TextField(blank=True)),
            ],
        ),
    ]
