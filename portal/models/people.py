"""People, and the tenants that they belong to."""

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from portal.roles import Role


class Tenant(models.Model):
    """An account that people and apps belong to; an installation starts with `main`."""

    name = models.CharField(primary_key=True, max_length=20)
    title = models.CharField(max_length=100, blank=True)
    revision = models.PositiveIntegerField(default=1)

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """A person. Their role says which scopes they hold; `revision` counts what others see of them."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="users", default="main")
    role = models.CharField(max_length=16, choices=Role, default=Role.VIEWER)
    changed_at = models.DateTimeField(default=timezone.now)
    revision = models.PositiveIntegerField(default=1)

    class Meta(AbstractUser.Meta):
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="user_role_is_known"),
            models.UniqueConstraint(Lower("username"), name="one_name_in_any_case"),
        ]
