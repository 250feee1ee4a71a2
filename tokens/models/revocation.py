"""Access tokens that ended before their time, as the gateway's nodes are told."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class Named(models.TextChoices):
    """What of a token a revocation names."""

    TOKEN = "jti", "One token"
    GRANT = "grant", "What a secret had bought"
    SUBJECT = "sub", "Everything of a client"


class Revocation(models.Model):
    """Tokens whose claim `kind` is `value` are refused; past `until` all of them have expired by themselves."""

    kind = models.CharField(max_length=5, choices=Named)
    value = models.CharField(max_length=150)
    until = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["value", "kind"], name="one_revocation_of_a_value"),
            models.CheckConstraint(condition=models.Q(kind__in=Named.values), name="revocation_kind_is_known"),
        ]
        indexes: ClassVar = [models.Index(fields=["until"], name="revocation_by_end")]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"
