"""The shapes of shutdowns in JSON."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from devices import shutdown_fields, shutdown_listing
from devices.models import ShutdownAck, ShutdownJob, ShutdownTarget, TargetState
from devices.shutdown_fields import Order
from portal.rest import Flag, Milliseconds, StrictSerializer, Text, When, WholeNumber


def _devices(**facts: Any) -> serializers.ListField:
    return serializers.ListField(
        child=Text(max_length=128), min_length=1, max_length=shutdown_fields.MOST_DEVICES, **facts
    )


def _reason() -> Text:
    least, most = shutdown_fields.REASON
    return Text(min_length=least, max_length=most, help_text="Why; everybody who sees the shutdown reads it.")


def _confirm_count() -> WholeNumber:
    return WholeNumber(
        required=False,
        allow_null=True,
        help_text="The number of devices, which confirms an order for two or more.",
    )


def _ttl() -> WholeNumber:
    least, most = shutdown_fields.TTL
    return WholeNumber(
        required=False,
        min_value=least,
        max_value=most,
        help_text=f"How many seconds from its start on it may be claimed; {shutdown_fields.USUAL_TTL} unless said.",
    )


class NewShutdownSerializer(StrictSerializer):
    """An order to shut down the devices that it names."""

    devices = _devices(help_text="Their ids, each once.")
    reason = _reason()
    max_ack_seconds = WholeNumber(
        required=False,
        min_value=0,
        max_value=shutdown_fields.LONGEST_WAIT,
        help_text=f"How long their apps have to acknowledge; {shutdown_fields.USUAL_WAIT} unless said, 0 for no wait.",
    )
    execute_now = Flag(required=False, help_text="The apps are told and not waited for.")
    start_at = When(
        required=False, allow_null=True, help_text="It starts then, at most 30 days ahead; null to start at once."
    )
    ttl_seconds = _ttl()
    confirm_count = _confirm_count()

    def order(self) -> Order:
        return Order(**{name: value for name, value in self.validated_data.items() if name != "confirm_count"})


class CancelSerializer(StrictSerializer):
    """Why, and which devices if not all."""

    reason = _reason()
    devices = _devices(required=False, help_text="Only these of its devices; all of them unless said.")


class RetrySerializer(StrictSerializer):
    """An order anew for the devices that did not go off."""

    reason = _reason()
    confirm_count = _confirm_count()
    devices = _devices(required=False, help_text="Only these of those that may be retried; all of them unless said.")
    ttl_seconds = _ttl()


class ApproveSerializer(StrictSerializer):
    """What whoever approves confirms."""

    confirm_count = _confirm_count()


class RefuseSerializer(StrictSerializer):
    """Why it must not start."""

    reason = _reason()


class StateCountsSerializer(serializers.Serializer[Any]):
    """How many of the devices are in each state."""

    def get_fields(self) -> dict[str, Any]:
        return {state.value: serializers.IntegerField(help_text=str(state.label)) for state in TargetState}


class ApprovalSerializer(serializers.Serializer[ShutdownJob]):
    """Whether a second person has to approve it, and who decided on that when."""

    needed = serializers.BooleanField(source="needs_approval")
    by = serializers.CharField(source="decided_by", help_text="Empty until somebody has decided.")
    at = Milliseconds(source="decided_at", allow_null=True)


class Timed(serializers.ModelSerializer[Any]):
    """The base of what is read of a model here: its moments are told in milliseconds."""

    serializer_field_mapping: ClassVar = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateTimeField: Milliseconds,
    }


class ShutdownSerializer(Timed):
    """A shutdown; times are RFC 3339 in UTC. `context["counts"]` holds the counts of several by their ids."""

    approval = ApprovalSerializer(source="*")
    counts = serializers.SerializerMethodField()
    retry_of = serializers.UUIDField(
        source="retry_of_id", allow_null=True, help_text="The shutdown of which this retries what did not go off."
    )

    class Meta:
        model = ShutdownJob
        fields: ClassVar = [
            "id", "state", "reason", "requested_by", "via", "created_at", "start_at", "expires_at", "max_ack_seconds",
            "execute_now", "approval", "counts", "retry_of",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(StateCountsSerializer)
    def get_counts(self, job: ShutdownJob) -> Mapping[str, int]:
        known = self.context.get("counts") or shutdown_listing.counts([job.pk])
        counts: Mapping[str, int] = known[job.pk]
        return counts


class AckSerializer(Timed):
    """An app that was told, and when it acknowledged; null if it did not."""

    class Meta:
        model = ShutdownAck
        fields: ClassVar = ["app", "version", "acknowledged_at"]
        read_only_fields = fields


class TargetSerializer(Timed):
    """One device of a shutdown."""

    device = serializers.CharField(source="device_id")
    acks = AckSerializer(many=True)

    class Meta:
        model = ShutdownTarget
        fields: ClassVar = [
            "device", "state", "code", "detail", "queued_at", "claimed_at", "deadline", "acks", "reported_at",
            "finished_at",
        ]  # fmt: skip
        read_only_fields = fields


class CancelledSerializer(serializers.Serializer[Any]):
    """Which devices stay on, and for which it was too late."""

    cancelled = serializers.ListField(child=serializers.CharField())
    too_late = serializers.ListField(child=serializers.CharField())
