"""The two rings: of keys that sign access tokens, and of peppers under which digests are made."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class KeyState(models.TextChoices):
    """Where a key or a pepper stands in its ring; of each ring one is active."""

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
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(state__in=KeyState.values), name="signing_key_state_is_known"),
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state=KeyState.ACTIVE), name="one_active_signing_key"
            ),
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state=KeyState.NEXT), name="one_next_signing_key"
            ),
        ]

    def __str__(self) -> str:
        return self.kid


class Pepper(models.Model):
    """One pepper of the ring by its id, which stands beside every digest; the pepper itself is not in the database."""

    id = models.CharField(primary_key=True, max_length=8)
    state = models.CharField(max_length=8, choices=KeyState)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(state__in=KeyState.values), name="pepper_state_is_known"),
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state=KeyState.ACTIVE), name="one_active_pepper"
            ),
            models.UniqueConstraint(fields=["state"], condition=models.Q(state=KeyState.NEXT), name="one_next_pepper"),
        ]

    def __str__(self) -> str:
        return self.id
