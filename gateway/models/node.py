"""The Envoys that ask here for their configuration."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class NodeKind(models.TextChoices):
    LOCAL = "local", "Local"
    REMOTE = "remote", "Remote"


class GatewayNode(models.Model):
    """An Envoy that asks for its configuration. `token_id` finds its token, of which only a digest is kept.

    `offered`, `accepted` and `refused` tell for each subscription, such as `listeners` or `secrets/door`, a version and
    since when; `refused` tells the reason and how often too. `bind` and `port` are those of a remote node's TLS door,
    `poll_s` and `revocations_poll_s` how many seconds it waits between two questions.
    """

    name = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=6, choices=NodeKind)
    token_id = models.CharField(max_length=12, unique=True)
    digest = models.CharField(max_length=64, unique=True)
    pepper = models.CharField(max_length=8)
    address = models.CharField(max_length=45, blank=True)
    envoy_version = models.CharField(max_length=32, blank=True)
    bind = models.CharField(max_length=45, blank=True)
    port = models.PositiveIntegerField(default=8443)
    poll_s = models.FloatField(default=1.0)
    revocations_poll_s = models.FloatField(default=0.5)
    created_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_seen = models.DateTimeField(null=True)
    offered = models.JSONField(default=dict)
    accepted = models.JSONField(default=dict)
    refused = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(kind__in=NodeKind.values), name="node_kind_is_known"),
            models.CheckConstraint(condition=models.Q(port__gte=1, port__lte=65535), name="node_port_is_a_port"),
            models.CheckConstraint(
                condition=models.Q(poll_s__gte=0.5, poll_s__lte=60, revocations_poll_s__gte=0.1)
                & models.Q(revocations_poll_s__lte=60),
                name="node_polls_are_bounded",
            ),
        ]

    def __str__(self) -> str:
        return self.name
