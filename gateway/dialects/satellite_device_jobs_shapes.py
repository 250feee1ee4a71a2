"""The shapes of shutdowns at the device door, and how its document shows them."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from devices.models import ShutdownTarget
from devices.shutdown_claim import REPORTED as STATES
from devices.shutdown_claim import Waiting
from gateway.dialects.satellite_device_shapes import DeviceErrorSerializer
from portal import clock
from portal.openapi import answered, asked

KIND = "shutdown"
JOB_ID = "3b0c5d1e-7a52-4f3e-9c1d-6a2f8e4b9d10"

NEXT = answered(
    {
        "id": JOB_ID,
        "kind": KIND,
        "execute_now": False,
        "max_ack_seconds": 30,
        "expires_in": 812,
        "reason": "Filter change in hall 3.",
        "requested_by": "ada",
    },
    status_codes=["200"],
)
CLAIM = asked({"claim": "kX3nq0vZ7cTnB2aE1dJ8Lw"})
CLAIMED = answered(
    {
        "id": JOB_ID,
        "state": "claimed",
        "ack_seconds": 30,
        "apps": [{"app": "historian", "version": "1.0.0", "acknowledged": False}],
    }
)
PROGRESS = answered(
    {
        "id": JOB_ID,
        "state": "claimed",
        "proceed": False,
        "ack_seconds": 12,
        "apps": [{"app": "historian", "version": "1.0.0", "acknowledged": False}],
    }
)
REPORT = asked({"state": "failed", "code": "not_supported", "detail": "This board has no power relay."})
REPORTED = answered({"id": JOB_ID, "state": "failed"})

UNKNOWN = OpenApiResponse(DeviceErrorSerializer, "There is no such job for this device.")
REFUSALS_OF_CLAIM: dict[int, Any] = {
    404: UNKNOWN,
    409: OpenApiResponse(DeviceErrorSerializer, "It was claimed with another claim: do nothing."),
    410: OpenApiResponse(DeviceErrorSerializer, "It has expired or was cancelled, as `code` says: do nothing."),
}
REFUSALS_OF_REPORT: dict[int, Any] = {
    404: UNKNOWN,
    409: OpenApiResponse(DeviceErrorSerializer, "It was not claimed, or another outcome stands already."),
}


class NextJobSerializer(serializers.Serializer[Any]):
    """A shutdown that the device may claim."""

    id = serializers.CharField()
    kind = serializers.CharField(help_text="`shutdown`")
    execute_now = serializers.BooleanField(help_text="Apps are told, and not waited for.")
    max_ack_seconds = serializers.IntegerField(help_text="How long its apps may be waited for.")
    expires_in = serializers.IntegerField(help_text="Seconds; what is not claimed by then is never executed.")
    reason = serializers.CharField()
    requested_by = serializers.CharField()


class ClaimSerializer(serializers.Serializer[Any]):
    claim = serializers.CharField(
        help_text="16 to 64 of A-Z a-z 0-9 _ and -, new and random; it is not kept past a reboot."
    )


class AppReadySerializer(serializers.Serializer[Any]):
    app = serializers.CharField()
    version = serializers.CharField()
    acknowledged = serializers.BooleanField()


class ClaimedSerializer(serializers.Serializer[Any]):
    """Seconds count from the receipt of this answer, on a clock that nobody sets."""

    id = serializers.CharField()
    state = serializers.CharField()
    ack_seconds = serializers.IntegerField(help_text="How long to wait for the apps at most.")
    apps = AppReadySerializer(many=True)


class JobProgressSerializer(ClaimedSerializer):
    proceed = serializers.BooleanField(help_text="All have acknowledged, or the time for it is over.")


class ReportSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=[str(state) for state in STATES])
    code = serializers.CharField(
        required=False, max_length=64, help_text="Why it failed, in a word such as `not_supported`."
    )
    detail = serializers.CharField(required=False, max_length=500)
    device_time = serializers.CharField(required=False, max_length=64, help_text="Kept, and never gone by.")


class ReportedSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    state = serializers.CharField()


def next_job(target: ShutdownTarget) -> dict[str, Any]:
    job = target.job
    left = (target.expires_at - clock.now()).total_seconds() if target.expires_at else 0.0
    return {
        "id": str(job.pk),
        "kind": KIND,
        "execute_now": job.execute_now,
        "max_ack_seconds": job.max_ack_seconds,
        "expires_in": max(0, int(left)),
        "reason": job.reason,
        "requested_by": job.requested_by,
    }


def waiting(waiting: Waiting) -> dict[str, Any]:
    """What the device is told of a shutdown that it has claimed."""
    return {
        "id": str(waiting.target.job_id),
        "state": waiting.target.state,
        "ack_seconds": waiting.ack_seconds,
        "apps": [
            {"app": ack.app, "version": ack.version, "acknowledged": ack.acknowledged_at is not None}
            for ack in waiting.apps
        ],
    }
