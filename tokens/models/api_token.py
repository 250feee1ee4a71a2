"""API tokens: the keys of programs."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from tokens.models.states import Stated, TokenState, state_at
from tokens.models.texts import Texts


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

    objects: ClassVar[Any] = Stated.as_manager()

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
            models.Index(fields=["expires_at"], name="token_by_expiry"),
        ]

    def __str__(self) -> str:
        return self.name

    def state(self) -> TokenState:
        return state_at(
            timezone.now(), expires_at=self.expires_at, revoked_at=self.revoked_at, disabled_at=self.disabled_at
        )
