"""What is remembered about credentials: digests, never secrets; and the ring of signing keys, sealed."""

import json
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone


class TokenState(models.TextChoices):
    """What a token is; of several that would fit, the first: a revoked one that has expired is revoked."""

    REVOKED = "revoked", "Revoked"
    EXPIRED = "expired", "Expired"
    DISABLED = "disabled", "Disabled"
    LIVE = "live", "Live"


def state_at(
    now: datetime, *, expires_at: datetime, revoked_at: datetime | None, disabled_at: datetime | None
) -> TokenState:
    if revoked_at:
        return TokenState.REVOKED
    if expires_at <= now:
        return TokenState.EXPIRED
    return TokenState.DISABLED if disabled_at else TokenState.LIVE


def texts(stored: Any) -> list[str]:
    """A list of texts; what no rule of ours has written reads as texts too, which name no scope and no network."""
    if not isinstance(stored, list):
        return [json.dumps(stored)]
    return [one if isinstance(one, str) else json.dumps(one) for one in stored]


class Texts(models.JSONField):
    """A JSON column that holds a list of texts."""

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> list[str]:
        return texts(super().from_db_value(value, expression, connection))

    def deconstruct(self) -> Any:
        """The database knows nothing of it, so a migration says what is underneath."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def live(self, now: datetime) -> "ApiTokenQuerySet":
        """Tokens that still open doors, if their owner does."""
        return self.in_state(TokenState.LIVE, now)

    def in_state(self, state: str, now: datetime) -> "ApiTokenQuerySet":
        """The question of `state_at`, asked of the database."""
        if state == TokenState.REVOKED:
            return self.filter(revoked_at__isnull=False)
        if state == TokenState.EXPIRED:
            return self.filter(revoked_at=None, expires_at__lte=now)
        return self.filter(revoked_at=None, expires_at__gt=now, disabled_at__isnull=state == TokenState.LIVE)


class ApiToken(models.Model):
    """A key for a program. What it may do is what its scopes and its owner's role both hold, at each request.

    `addresses` are the networks it may come from, none meaning all. `replaces` is the token whose rotation made it;
    that one goes on until its own, shortened, expiry. `revision` counts the changes that people make.
    """

    id = models.CharField(primary_key=True, max_length=12)
    name = models.CharField(max_length=100)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="api_tokens")
    digest = models.CharField(max_length=64, unique=True)
    pepper = models.CharField(max_length=8)
    scopes = Texts(default=list)
    addresses = Texts(default=list)
    revision = models.PositiveIntegerField(default=1)
    replaces = models.OneToOneField("self", models.SET_NULL, null=True, related_name="replaced_by")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=200, blank=True)
    disabled_at = models.DateTimeField(null=True)
    disabled_by = models.CharField(max_length=200, blank=True)
    disabled_by_owner = models.BooleanField(default=False)
    last_used_at = models.DateTimeField(null=True)
    last_used_from = models.CharField(max_length=45, blank=True)

    objects: ClassVar[Any] = ApiTokenQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("created_at")), name="token_expires_after_creation"
            ),
            models.CheckConstraint(
                condition=models.Q(revoked_at=None, revoked_by="") | models.Q(revoked_at__isnull=False),
                name="token_revoked_by_somebody",
            ),
            models.CheckConstraint(
                condition=models.Q(disabled_at=None, disabled_by="", disabled_by_owner=False)
                | models.Q(disabled_at__isnull=False),
                name="token_disabled_by_somebody",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["owner", "-created_at"], name="token_by_owner"),
            models.Index(fields=["-created_at", "-id"], name="token_by_age"),
        ]

    def __str__(self) -> str:
        return self.name

    def state(self) -> TokenState:
        return state_at(
            timezone.now(), expires_at=self.expires_at, revoked_at=self.revoked_at, disabled_at=self.disabled_at
        )


class KeyState(models.TextChoices):
    NEXT = "next", "Next"
    ACTIVE = "active", "Active"
    RETIRING = "retiring", "Retiring"
    RETIRED = "retired", "Retired"


class SigningKey(models.Model):
    """One RSA key of the ring that signs access tokens. The private half is sealed under the master key."""

    kid = models.CharField(primary_key=True, max_length=43)
    state = models.CharField(max_length=8, choices=KeyState)
    public_jwk = models.JSONField()
    sealed_private = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(state__in=KeyState.values), name="signing_key_state_is_known"),
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state=KeyState.ACTIVE), name="one_active_signing_key"
            ),
        ]

    def __str__(self) -> str:
        return self.kid
