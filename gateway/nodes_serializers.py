"""The shapes of gateway nodes in JSON."""

from typing import Any

from rest_framework import serializers

from gateway import node_listing
from gateway.models import GatewayNode
from gateway.node_listing import ListedNode, Subscription, Version


class NotedVersionSerializer(serializers.Serializer[Version]):
    """Which version, and since when."""

    version = serializers.CharField()
    at = serializers.DateTimeField()


class SubscriptionSerializer(serializers.Serializer[Subscription]):
    """What a node asks for, and how far it has come."""

    name = serializers.CharField(help_text="The type, and the name of the resource where a node asks for one.")
    offered = NotedVersionSerializer(allow_null=True)
    accepted = NotedVersionSerializer(allow_null=True)
    refused = NotedVersionSerializer(allow_null=True, help_text="The last one that it did not take.")
    reason = serializers.CharField(help_text="Why it did not take that; empty if it never refused one.")
    takes_offered = serializers.SerializerMethodField()

    def get_takes_offered(self, told: Subscription) -> bool:
        return not told.is_refused


class NodeSerializer(serializers.Serializer[ListedNode]):
    """An Envoy that asks here; one that is `away` has not asked for 30 s."""

    name = serializers.CharField(source="node.name")
    kind = serializers.CharField(source="node.kind", help_text="local, beside the portal, or remote.")
    bind = serializers.CharField(  # type: ignore[assignment]  # The name of a method of every field.
        source="node.bind", help_text="The address of its TLS door; empty for the local one."
    )
    port = serializers.IntegerField(source="node.port")
    poll_s = serializers.FloatField(source="node.poll_s")
    revocations_poll_s = serializers.FloatField(source="node.revocations_poll_s")
    revocations_within_s = serializers.FloatField(source="revoked_within", help_text="So late one acts at most.")
    changes_within_s = serializers.FloatField(source="changed_within", help_text="So late others act at most.")
    address = serializers.CharField(source="node.address", help_text="Where it asked from; empty before it did.")
    envoy_version = serializers.CharField(source="node.envoy_version")
    last_seen = serializers.DateTimeField(source="node.last_seen", allow_null=True)
    away = serializers.BooleanField(source="is_away")
    subscriptions = SubscriptionSerializer(many=True)
    created_at = serializers.DateTimeField(source="node.created_at")
    created_by = serializers.CharField(source="node.created_by")


class ListedNodeSerializer(serializers.ModelSerializer[GatewayNode]):
    """The same, of a row."""

    class Meta:
        model = GatewayNode
        fields = ()

    def to_representation(self, instance: GatewayNode) -> dict[str, Any]:
        return shape(instance)


def shape(node: GatewayNode) -> dict[str, Any]:
    told: dict[str, Any] = NodeSerializer(node_listing.one(node)).data
    return told
