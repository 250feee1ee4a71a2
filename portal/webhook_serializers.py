"""The shapes of webhooks and deliveries in JSON."""

from typing import Any, ClassVar

from rest_framework import serializers

from portal.models import Delivery, DeliveryState, Webhook
from portal.rest import Flag, StrictSerializer, Text, When
from portal.topics import Topic

URL_HELP = "http or https, without user and fragment, at an address that is open to webhooks; at most 500 characters."


class WebhookSerializer(serializers.ModelSerializer[Webhook]):
    """A webhook without its secret, and how it does."""

    topics = serializers.ListField(child=serializers.CharField(), help_text="What it is told of.")
    enabled = serializers.BooleanField(source="is_enabled")
    disabled_reason = serializers.CharField(help_text="Why it is disabled; the worker says so too.")
    waiting = serializers.IntegerField(help_text="How many deliveries wait.")
    missed = serializers.IntegerField(help_text="How many messages were not kept, as too many waited.")
    failing_since = serializers.DateTimeField(allow_null=True, help_text="Since when every try has failed.")
    next_try_at = serializers.SerializerMethodField(help_text="When the oldest that waits is tried next.")
    delivered_at = serializers.DateTimeField(allow_null=True, help_text="When a delivery last succeeded.")

    class Meta:
        model = Webhook
        fields: ClassVar = [
            "id", "name", "url", "topics", "enabled", "disabled_reason", "waiting", "missed", "failing_since",
            "next_try_at", "delivered_at", "secret_before_until", "created_at", "created_by", "revision",
        ]  # fmt: skip
        read_only_fields = fields

    def get_next_try_at(self, webhook: Webhook) -> str | None:
        shown: Any = serializers.DateTimeField().to_representation(webhook.next_at)
        return str(shown) if webhook.is_enabled and webhook.waiting else None


class IssuedWebhookSerializer(WebhookSerializer):
    """A webhook with a new secret, which is shown this once."""

    secret = serializers.CharField(help_text="Signs what is sent (Standard Webhooks); it is not shown again.")

    class Meta(WebhookSerializer.Meta):
        fields: ClassVar = [*WebhookSerializer.Meta.fields, "secret"]
        read_only_fields = fields


class NewWebhookSerializer(StrictSerializer):
    """Whom to tell of what."""

    name = Text(max_length=64)
    url = Text(max_length=500, help_text=URL_HELP)
    topics = serializers.ListField(child=serializers.ChoiceField(choices=Topic.choices), min_length=1)


class WebhookChangeSerializer(StrictSerializer):
    """What is to be otherwise; what is left out stays."""

    name = Text(max_length=64, required=False)
    url = Text(max_length=500, required=False, help_text=URL_HELP)
    topics = serializers.ListField(child=serializers.ChoiceField(choices=Topic.choices), min_length=1, required=False)
    enabled = Flag(source="is_enabled", required=False)
    reason = Text(max_length=500, required=False, allow_blank=True)


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """One message for one webhook and how its last try went."""

    message = serializers.CharField(help_text="What stands in `webhook-id`, the same at each try.")
    state = serializers.ChoiceField(choices=DeliveryState.choices)
    body = serializers.CharField(help_text="The body, to the byte.")
    last_status = serializers.IntegerField(allow_null=True, help_text="The status of the last answer, if one came.")
    last_error = serializers.CharField(help_text="What was wrong at the last try; empty after a success.")
    took_ms = serializers.IntegerField(allow_null=True, help_text="Milliseconds that the last try took.")

    class Meta:
        model = Delivery
        fields: ClassVar = [
            "id", "message", "topic", "body", "state", "attempts", "last_at", "last_status", "last_error", "took_ms",
            "created_at",
        ]  # fmt: skip
        read_only_fields = fields


class ReplaySerializer(StrictSerializer):
    """Since when."""

    since = When(help_text="A moment with its offset, such as 2026-11-25T12:00:00Z.")


class ReplayedSerializer(serializers.Serializer[Any]):
    replayed = serializers.IntegerField(help_text="How many are sent again.")
