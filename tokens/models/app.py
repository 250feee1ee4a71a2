"""Apps, their versions, and the tenants whose data a version may open."""

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from portal.models import Tenant
from tokens.models.texts import Texts


class AppQuerySet(models.QuerySet[Any]):
    def registered(self) -> "AppQuerySet":
        """Those that have not been de-registered."""
        return self.filter(deregistered_at=None)


class App(models.Model):
    """A program that runs beside the fleet or on it. De-registered it keeps its row, and its name is free again."""

    name = models.CharField(max_length=20)
    title = models.CharField(max_length=100, blank=True)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="apps")
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=200)
    deregistered_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = AppQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["name"], condition=models.Q(deregistered_at=None), name="one_registered_app_of_a_name"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Stage(models.TextChoices):
    """Who hosts a version: the app's home tenant, or the operator that it was transferred to."""

    DEV = "dev", "Development"
    OPS = "ops", "Operation"


class AppVersion(models.Model):
    """A version of an app, with the device features and the scopes that it declared when it was made."""

    app = models.ForeignKey(App, models.PROTECT, related_name="versions")
    version = models.CharField(max_length=30)
    features = Texts(default=list)
    scopes = Texts(default=list)
    host_tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="hosted_versions")
    stage = models.CharField(max_length=3, choices=Stage, default=Stage.DEV)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=200)
    transferred_at = models.DateTimeField(null=True)
    deregistered_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = AppQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["app", "version"],
                condition=models.Q(deregistered_at=None),
                name="one_registered_version_of_a_name",
            ),
            models.CheckConstraint(
                condition=models.Q(stage=Stage.DEV, transferred_at=None)
                | models.Q(stage=Stage.OPS, transferred_at__isnull=False),
                name="app_version_stage_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.app} {self.version}"

    @property
    def revision(self) -> str:
        """Of a version only the stage ever changes; another one of the same name has another key."""
        return f"{self.pk}.{self.stage}"


class TenantGrant(models.Model):
    """That a version in operation may open the data of another tenant than its host."""

    version = models.ForeignKey(AppVersion, models.CASCADE, related_name="grants", db_index=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=200)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "tenant"], name="one_grant_of_a_version_for_a_tenant")
        ]

    def __str__(self) -> str:
        return f"{self.version} for {self.tenant}"
