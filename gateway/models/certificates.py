"""Certificates: what the doors show, the CAs that the device door trusts, and what those signed here."""

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from gateway.models.node import GatewayNode


class Role(models.TextChoices):
    DOOR = "door", "TLS door"


class TlsCertificateQuerySet(models.QuerySet["TlsCertificate"]):
    def shown(self, role: Role, node: GatewayNode | None = None) -> "TlsCertificate | None":
        """The certificate that a door shows: the installed one, else Gatehouse's own; of the local node if of none."""
        return self.filter(role=role, node=node).order_by("-installed").first()

    def shown_by_node(self, role: Role) -> "dict[int | None, TlsCertificate]":
        """The same of every door, by the key of its node, in one question; under None stands the local one."""
        return {certificate.node_id: certificate for certificate in self.filter(role=role).order_by("installed")}


class TlsCertificate(models.Model):
    """A certificate chain and its key, sealed. One that an operator installed goes before the one Gatehouse made.

    `node` is the remote node whose door shows it; none is the local one.
    """

    role = models.CharField(max_length=11, choices=Role)
    node = models.ForeignKey(GatewayNode, models.CASCADE, null=True, related_name="certificates")
    installed = models.BooleanField(default=False)
    chain = models.TextField()
    sealed_key = models.TextField()
    fingerprint = models.CharField(max_length=64)
    subject = models.CharField(max_length=500, blank=True)
    names = models.JSONField(default=list)
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=200, blank=True)

    objects: ClassVar[Any] = TlsCertificateQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="certificate_role_is_known"),
            models.CheckConstraint(
                condition=models.Q(not_after__gt=models.F("not_before")), name="certificate_ends_after_it_begins"
            ),
            models.UniqueConstraint(
                fields=["role", "installed"],
                condition=models.Q(node=None),
                name="one_certificate_per_role_and_origin",
            ),
            models.UniqueConstraint(
                fields=["node", "role", "installed"],
                condition=models.Q(node__isnull=False),
                name="one_certificate_per_node_and_origin",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.fingerprint[:16]}"


class DeviceCA(models.Model):
    """A CA whose certificates open the device door; `sealed_key` is there if Gatehouse signs with it."""

    name = models.CharField(max_length=64, unique=True)
    certificate = models.TextField()
    sealed_key = models.TextField(blank=True)
    fingerprint = models.CharField(max_length=64, unique=True)
    subject = models.CharField(max_length=500)
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=200)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(not_after__gt=models.F("not_before")), name="ca_ends_after_begin"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def signs_here(self) -> bool:
        return bool(self.sealed_key)


class IssuedCertificate(models.Model):
    """A certificate that a device CA signed here; `device_id` need not be known, and the CA may be withdrawn since."""

    device_id = models.CharField(max_length=64)
    ca_fingerprint = models.CharField(max_length=64)
    serial = models.CharField(max_length=40)
    fingerprint = models.CharField(max_length=64, unique=True)
    key_fingerprint = models.CharField(max_length=64)
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    issued_at = models.DateTimeField(default=timezone.now)
    issued_by = models.CharField(max_length=200)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["device_id", "-id"], name="issued_to_device"),
            models.Index(fields=["ca_fingerprint", "-id"], name="issued_by_ca"),
            models.Index(fields=["not_after"], name="issued_by_end"),
        ]

    def __str__(self) -> str:
        return f"{self.serial} for {self.device_id}"
