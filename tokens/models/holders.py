"""What holds at most two live secrets, of which one succeeds the other: app credentials, and apps on devices."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from devices.models import Device
from tokens.models.app import App, AppVersion, Stage
from tokens.models.states import Stated, TokenState, state_at
from tokens.models.texts import Texts

SLOTS = (1, 2)


class Holder(models.Model):
    """`expires_at` is when the last of its secrets ends, `owner` hears of it, `revision` counts what people change."""

    id = models.CharField(primary_key=True, max_length=12)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=200)
    expires_at = models.DateTimeField()
    disabled_at = models.DateTimeField(null=True)
    disabled_by = models.CharField(max_length=200, blank=True)
    disabled_reason = models.CharField(max_length=500, blank=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=200, blank=True)
    revoked_reason = models.CharField(max_length=500, blank=True)
    revision = models.PositiveIntegerField(default=1)

    secrets: Any
    objects: ClassVar[Any] = Stated.as_manager()

    class Meta:
        abstract = True
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(revoked_at=None, revoked_by="", revoked_reason="")
                | models.Q(revoked_at__isnull=False) & ~models.Q(revoked_by=""),
                name="%(class)s_revoked_by_somebody",
            ),
            models.CheckConstraint(
                condition=models.Q(disabled_at=None, disabled_by="", disabled_reason="")
                | models.Q(disabled_at__isnull=False) & ~models.Q(disabled_by=""),
                name="%(class)s_disabled_by_somebody",
            ),
        ]

    def state(self) -> TokenState:
        return state_at(
            timezone.now(), expires_at=self.expires_at, revoked_at=self.revoked_at, disabled_at=self.disabled_at
        )

    @property
    def is_dead(self) -> bool:
        """Whether it ended with what it stood on, though nobody has written that down yet."""
        return False

    @property
    def app_version(self) -> AppVersion:
        """The version whose secret this is."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """The `sub` of the access tokens that its secrets buy."""
        raise NotImplementedError

    @property
    def granted(self) -> list[str]:
        """The scopes that what it buys opens at most."""
        raise NotImplementedError

    def living(self, now: datetime | None = None) -> Sequence["HeldSecret"]:
        """The secrets that have not ended, the older first."""
        now = now or timezone.now()
        standing = [one for one in self.secrets.all() if one.slot is not None and one.end > now]
        # Of two, the older is the one that a rotation ends, whatever the clock said when they were made.
        return sorted(standing, key=lambda one: (one.ends_at is None, one.created_at))


class HeldSecret(models.Model):
    """A secret of a holder. While it stands it has one of two slots, so the database allows no third.

    `ends_at` is when a rotation ends it before its own expiry, `ended_at` when it did end and why. `generation` counts
    the times that what it had bought died though it lives on; an access token names the one it was bought in.
    """

    id = models.CharField(primary_key=True, max_length=12)
    slot = models.PositiveSmallIntegerField(null=True)
    digest = models.CharField(max_length=64, unique=True)
    pepper = models.CharField(max_length=8, db_index=True)
    hint = models.CharField(max_length=4)
    generation = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_why = models.CharField(max_length=200, blank=True)
    last_used_at = models.DateTimeField(null=True)
    last_used_from = models.CharField(max_length=45, blank=True)

    holder: Any

    class Meta:
        abstract = True
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["holder", "slot"], name="%(class)s_two_slots"),
            models.CheckConstraint(
                condition=models.Q(slot__in=SLOTS, ended_at=None, ended_why="")
                | models.Q(slot=None, ended_at__isnull=False) & ~models.Q(ended_why=""),
                name="%(class)s_stands_or_has_ended",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["expires_at"], condition=models.Q(slot__isnull=False), name="%(class)s_standing")
        ]

    def __str__(self) -> str:
        return f"…{self.hint}"

    @property
    def end(self) -> datetime:
        """When it ends or did."""
        if self.ended_at:
            return self.ended_at
        return min(self.expires_at, self.ends_at) if self.ends_at else self.expires_at

    def state(self) -> str:
        """`live`, `expired` by its own age, or `ended` by somebody or by a rotation."""
        now = timezone.now()
        if self.slot is not None and self.end > now:
            return "live"
        return "expired" if self.expires_at <= min(self.end, now) else "ended"


class AppCredential(Holder):
    """What an instance of an app version shows to buy access tokens: a client id for life, and its secrets."""

    version = models.ForeignKey(AppVersion, models.PROTECT, related_name="credentials")
    client_id = models.CharField(max_length=100, db_index=True)
    instance = models.CharField(max_length=20, blank=True)
    host_tenant = models.CharField(max_length=20)
    stage = models.CharField(max_length=3, choices=Stage)
    scopes = Texts(default=list)

    class Meta(Holder.Meta):
        constraints: ClassVar = [
            *Holder.Meta.constraints,
            models.UniqueConstraint(
                fields=["client_id"], condition=models.Q(revoked_at=None), name="one_credential_of_a_client_id"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["expires_at", "id"], name="credential_by_expiry")]

    def __str__(self) -> str:
        return self.client_id

    @property
    def app_version(self) -> AppVersion:
        return self.version

    @property
    def subject(self) -> str:
        return self.client_id

    @property
    def granted(self) -> list[str]:
        scopes: list[str] = self.scopes
        return scopes


class CredentialSecret(HeldSecret):
    """A client secret. Its row stays when the credential is deleted, so that it is known if it turns up."""

    holder = models.ForeignKey(AppCredential, models.SET_NULL, null=True, related_name="secrets", db_index=False)
    client_id = models.CharField(max_length=100)


class InstalledApp(Holder):
    """A version of an app on a device; its secrets are its app tokens.

    `on` is the device's id for the history. `denials` is how often the device had been denied: denied once more, what
    was installed on it is dead for good, restored or not.
    """

    app = models.ForeignKey(App, models.PROTECT, related_name="installations")
    version = models.ForeignKey(AppVersion, models.PROTECT, related_name="installations")
    device = models.ForeignKey(Device, models.SET_NULL, null=True, related_name="installations")
    on = models.CharField(max_length=128)
    denials = models.PositiveIntegerField(default=0)

    class Meta(Holder.Meta):
        constraints: ClassVar = [
            *Holder.Meta.constraints,
            models.UniqueConstraint(
                fields=["on", "app"], condition=models.Q(revoked_at=None), name="one_installation_of_an_app_on_a_device"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["expires_at", "id"], name="installation_by_expiry")]

    def __str__(self) -> str:
        return f"{self.app} on {self.on}"

    def state(self) -> TokenState:
        return TokenState.REVOKED if self.is_dead else super().state()

    @property
    def is_dead(self) -> bool:
        """Its device was denied or removed since."""
        return self.device is None or self.device.denials != self.denials

    @property
    def app_version(self) -> AppVersion:
        return self.version

    @property
    def subject(self) -> str:
        return f"app:{self.pk}"

    @property
    def granted(self) -> list[str]:
        scopes: list[str] = self.version.scopes
        return scopes


class AppTokenSecret(HeldSecret):
    """An app token. Its row stays when the app is uninstalled, so that it is known if it turns up."""

    holder = models.ForeignKey(InstalledApp, models.SET_NULL, null=True, related_name="secrets", db_index=False)
