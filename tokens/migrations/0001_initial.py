import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("devices", "0002_counts_and_search"),
        ("portal", "0002_first_rows"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="App",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=20)),
                ("title", models.CharField(blank=True, max_length=100)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("created_by", models.CharField(max_length=200)),
                ("deregistered_at", models.DateTimeField(null=True)),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="apps", to="portal.tenant"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("deregistered_at", None)),
                        fields=("name",),
                        name="one_registered_app_of_a_name",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AppVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.CharField(max_length=30)),
                ("features", models.JSONField(default=list)),
                ("scopes", models.JSONField(default=list)),
                (
                    "stage",
                    models.CharField(
                        choices=[("dev", "Development"), ("ops", "Operation")], default="dev", max_length=3
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("created_by", models.CharField(max_length=200)),
                ("transferred_at", models.DateTimeField(null=True)),
                ("deregistered_at", models.DateTimeField(null=True)),
                (
                    "app",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="versions", to="tokens.app"
                    ),
                ),
                (
                    "host_tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="hosted_versions", to="portal.tenant"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("deregistered_at", None)),
                        fields=("app", "version"),
                        name="one_registered_version_of_a_name",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("stage", "dev"), ("transferred_at", None)),
                            models.Q(("stage", "ops"), ("transferred_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="app_version_stage_is_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AppCredential",
            fields=[
                ("id", models.CharField(max_length=12, primary_key=True, serialize=False)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("created_by", models.CharField(max_length=200)),
                ("expires_at", models.DateTimeField()),
                ("disabled_at", models.DateTimeField(null=True)),
                ("disabled_by", models.CharField(blank=True, max_length=200)),
                ("disabled_reason", models.CharField(blank=True, max_length=500)),
                ("revoked_at", models.DateTimeField(null=True)),
                ("revoked_by", models.CharField(blank=True, max_length=200)),
                ("revoked_reason", models.CharField(blank=True, max_length=500)),
                ("revision", models.PositiveIntegerField(default=1)),
                ("client_id", models.CharField(db_index=True, max_length=100)),
                ("instance", models.CharField(blank=True, max_length=20)),
                ("host_tenant", models.CharField(max_length=20)),
                ("stage", models.CharField(choices=[("dev", "Development"), ("ops", "Operation")], max_length=3)),
                ("scopes", models.JSONField(default=list)),
                (
                    "owner",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="credentials", to="tokens.appversion"
                    ),
                ),
            ],
            options={
                "abstract": False,
                "indexes": [models.Index(fields=["expires_at", "id"], name="credential_by_expiry")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("revoked_at", None), ("revoked_by", ""), ("revoked_reason", "")),
                            models.Q(("revoked_at__isnull", False), models.Q(("revoked_by", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="appcredential_revoked_by_somebody",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("disabled_at", None), ("disabled_by", ""), ("disabled_reason", "")),
                            models.Q(("disabled_at__isnull", False), models.Q(("disabled_by", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="appcredential_disabled_by_somebody",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("revoked_at", None)),
                        fields=("client_id",),
                        name="one_credential_of_a_client_id",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CredentialSecret",
            fields=[
                ("id", models.CharField(max_length=12, primary_key=True, serialize=False)),
                ("slot", models.PositiveSmallIntegerField(null=True)),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("pepper", models.CharField(db_index=True, max_length=8)),
                ("hint", models.CharField(max_length=4)),
                ("generation", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_why", models.CharField(blank=True, max_length=200)),
                ("last_used_at", models.DateTimeField(null=True)),
                ("last_used_from", models.CharField(blank=True, max_length=45)),
                ("client_id", models.CharField(max_length=100)),
                (
                    "holder",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="secrets",
                        to="tokens.appcredential",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(
                        condition=models.Q(("slot__isnull", False)),
                        fields=["expires_at"],
                        name="credentialsecret_standing",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("holder", "slot"), name="credentialsecret_two_slots"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at", None), ("ended_why", ""), ("slot__in", (1, 2))),
                            models.Q(
                                ("ended_at__isnull", False), ("slot", None), models.Q(("ended_why", ""), _negated=True)
                            ),
                            _connector="OR",
                        ),
                        name="credentialsecret_stands_or_has_ended",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="InstalledApp",
            fields=[
                ("id", models.CharField(max_length=12, primary_key=True, serialize=False)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("created_by", models.CharField(max_length=200)),
                ("expires_at", models.DateTimeField()),
                ("disabled_at", models.DateTimeField(null=True)),
                ("disabled_by", models.CharField(blank=True, max_length=200)),
                ("disabled_reason", models.CharField(blank=True, max_length=500)),
                ("revoked_at", models.DateTimeField(null=True)),
                ("revoked_by", models.CharField(blank=True, max_length=200)),
                ("revoked_reason", models.CharField(blank=True, max_length=500)),
                ("revision", models.PositiveIntegerField(default=1)),
                ("on", models.CharField(max_length=128)),
                ("denials", models.PositiveIntegerField(default=0)),
                (
                    "app",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="installations", to="tokens.app"
                    ),
                ),
                (
                    "device",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="installations",
                        to="devices.device",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="installations",
                        to="tokens.appversion",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "indexes": [models.Index(fields=["expires_at", "id"], name="installation_by_expiry")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("revoked_at", None), ("revoked_by", ""), ("revoked_reason", "")),
                            models.Q(("revoked_at__isnull", False), models.Q(("revoked_by", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="installedapp_revoked_by_somebody",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("disabled_at", None), ("disabled_by", ""), ("disabled_reason", "")),
                            models.Q(("disabled_at__isnull", False), models.Q(("disabled_by", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="installedapp_disabled_by_somebody",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("revoked_at", None)),
                        fields=("on", "app"),
                        name="one_installation_of_an_app_on_a_device",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AppTokenSecret",
            fields=[
                ("id", models.CharField(max_length=12, primary_key=True, serialize=False)),
                ("slot", models.PositiveSmallIntegerField(null=True)),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("pepper", models.CharField(db_index=True, max_length=8)),
                ("hint", models.CharField(max_length=4)),
                ("generation", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_why", models.CharField(blank=True, max_length=200)),
                ("last_used_at", models.DateTimeField(null=True)),
                ("last_used_from", models.CharField(blank=True, max_length=45)),
                (
                    "holder",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="secrets",
                        to="tokens.installedapp",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(
                        condition=models.Q(("slot__isnull", False)),
                        fields=["expires_at"],
                        name="apptokensecret_standing",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("holder", "slot"), name="apptokensecret_two_slots"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at", None), ("ended_why", ""), ("slot__in", (1, 2))),
                            models.Q(
                                ("ended_at__isnull", False), ("slot", None), models.Q(("ended_why", ""), _negated=True)
                            ),
                            _connector="OR",
                        ),
                        name="apptokensecret_stands_or_has_ended",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Pepper",
            fields=[
                ("id", models.CharField(max_length=8, primary_key=True, serialize=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("next", "Next"),
                            ("active", "Active"),
                            ("retiring", "Retiring"),
                            ("retired", "Retired"),
                        ],
                        max_length=8,
                    ),
                ),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["next", "active", "retiring", "retired"])),
                        name="pepper_state_is_known",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "active")), fields=("state",), name="one_active_pepper"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "next")), fields=("state",), name="one_next_pepper"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Revocation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("jti", "One token"),
                            ("grant", "What a secret had bought"),
                            ("sub", "Everything of a client"),
                        ],
                        max_length=5,
                    ),
                ),
                ("value", models.CharField(max_length=150)),
                ("until", models.DateTimeField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "indexes": [models.Index(fields=["until"], name="revocation_by_end")],
                "constraints": [
                    models.UniqueConstraint(fields=("value", "kind"), name="one_revocation_of_a_value"),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["jti", "grant", "sub"])), name="revocation_kind_is_known"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SigningKey",
            fields=[
                ("kid", models.CharField(max_length=43, primary_key=True, serialize=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("next", "Next"),
                            ("active", "Active"),
                            ("retiring", "Retiring"),
                            ("retired", "Retired"),
                        ],
                        max_length=8,
                    ),
                ),
                ("public_jwk", models.JSONField()),
                ("sealed_private", models.TextField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["next", "active", "retiring", "retired"])),
                        name="signing_key_state_is_known",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "active")), fields=("state",), name="one_active_signing_key"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "next")), fields=("state",), name="one_next_signing_key"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TenantGrant",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("created_by", models.CharField(max_length=200)),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="portal.tenant"
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="grants",
                        to="tokens.appversion",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("version", "tenant"), name="one_grant_of_a_version_for_a_tenant")
                ],
            },
        ),
        migrations.CreateModel(
            name="UserPassAccount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("username", models.CharField(max_length=64, unique=True)),
                ("subject", models.UUIDField(default=uuid.uuid4, unique=True)),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("pepper", models.CharField(max_length=8)),
                ("generation", models.PositiveIntegerField(default=1)),
                ("token_ttl_s", models.PositiveIntegerField(default=3600)),
                ("jwt_ttl_s", models.PositiveIntegerField(default=3600)),
                ("audience", models.CharField(default="edgex", max_length=200)),
                ("scopes", models.JSONField(default=list)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("last_used_at", models.DateTimeField(null=True)),
                ("last_used_from", models.CharField(blank=True, max_length=45)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("token_ttl_s__gte", 60),
                            ("token_ttl_s__lte", 86400),
                            ("jwt_ttl_s__gte", 60),
                            ("jwt_ttl_s__lte", 86400),
                        ),
                        name="userpass_lives_are_bounded",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="UserPassLogin",
            fields=[
                ("id", models.CharField(max_length=12, primary_key=True, serialize=False)),
                ("generation", models.PositiveIntegerField()),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("pepper", models.CharField(max_length=8)),
                ("address", models.CharField(blank=True, max_length=45)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="logins", to="tokens.userpassaccount"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["expires_at"], name="login_by_end")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("created_at"))),
                        name="login_ends_after_it_begins",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                ("id", models.CharField(max_length=12, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("pepper", models.CharField(max_length=8)),
                ("scopes", models.JSONField(default=list)),
                ("addresses", models.JSONField(default=list)),
                ("revision", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(null=True)),
                ("revoked_by", models.CharField(blank=True, max_length=200)),
                ("disabled_at", models.DateTimeField(null=True)),
                ("disabled_by", models.CharField(blank=True, max_length=200)),
                ("disabled_by_owner", models.BooleanField(default=False)),
                ("last_used_at", models.DateTimeField(null=True)),
                ("last_used_from", models.CharField(blank=True, max_length=45)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="api_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "replaces",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="replaced_by",
                        to="tokens.apitoken",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["owner", "-created_at"], name="token_by_owner"),
                    models.Index(fields=["-created_at", "-id"], name="token_by_age"),
                    models.Index(fields=["expires_at"], name="token_by_expiry"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("created_at"))),
                        name="token_expires_after_creation",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("revoked_at", None), ("revoked_by", "")),
                            ("revoked_at__isnull", False),
                            _connector="OR",
                        ),
                        name="token_revoked_by_somebody",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("disabled_at", None), ("disabled_by", ""), ("disabled_by_owner", False)),
                            ("disabled_at__isnull", False),
                            _connector="OR",
                        ),
                        name="token_disabled_by_somebody",
                    ),
                ],
            },
        ),
    ]
