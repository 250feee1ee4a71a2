"""The shapes of the shutdown calls of apps: what may be asked, and how the present device's part of a job is told."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from devices import shutdown_claim, shutdown_fields
from devices.models import ShutdownAck, ShutdownTarget, TargetState
from devices.shutdown_claim import Waiting
from devices.shutdown_fields import LONGEST_WAIT, REASON, USUAL_WAIT, Order
from devices.shutdown_states import TO_APPS
from gateway.dialects.industrial_edge import EdgeRefusal
from gateway.dialects.industrial_edge_bodies import InvalidField, members_if_any, names_of
from portal.rest import Flag, Text, WholeNumber
from portal.rfc3339 import written
from tokens.models import InstalledApp

WAIT, NOW, WHY = "maxAckTimeForApps", "executeNow", "reason"
DETAIL = "detail"
STATES = sorted(set(TO_APPS.values()))


class UnknownField(EdgeRefusal):
    status, code = 400, "shutdown.unknownField"


class EdgeShutdownSerializer(serializers.Serializer[Any]):
    """What an app may say of the shutdown that it asks for: all of it may be left out, the body too."""

    maxAckTimeForApps = WholeNumber(
        min_value=0,
        max_value=LONGEST_WAIT,
        default=USUAL_WAIT,
        help_text="Seconds that the apps have at most; with 0 nobody is waited for.",
    )
    executeNow = Flag(default=False, help_text="Instant: apps are told, and not waited for.")
    reason = Text(required=False, min_length=REASON[0], max_length=REASON[1], help_text="Shown, and in the history.")


class EdgeAckSerializer(serializers.Serializer[Any]):
    detail = Text(required=False, max_length=200, help_text="What the app has to say.")


class EdgeJobSerializer(serializers.Serializer[Any]):
    """The present device's part of a shutdown."""

    jobId = serializers.CharField()
    state = serializers.ChoiceField(choices=STATES)
    device = serializers.CharField()
    executeNow = serializers.BooleanField()
    maxAckTimeForApps = serializers.IntegerField()
    reason = serializers.CharField()
    createdAt = serializers.DateTimeField()
    expiresAt = serializers.DateTimeField(allow_null=True, help_text="Not claimed by then, it is never executed.")
    claimedAt = serializers.DateTimeField(allow_null=True)
    deadline = serializers.DateTimeField(allow_null=True, help_text="The device waits for its apps until then.")
    acknowledged = serializers.ListField(child=serializers.CharField(), help_text="Apps that are ready, by name.")
    waitingFor = serializers.ListField(child=serializers.CharField(), help_text="Apps that the device waits for.")
    detail = serializers.CharField(help_text="What the device has said of it.")


class EdgeStatusSerializer(serializers.Serializer[Any]):
    status = serializers.CharField(help_text="`accepted`")


class EdgeAcceptedSerializer(EdgeJobSerializer):
    status = serializers.CharField(help_text="`accepted`")


class EdgePendingSerializer(serializers.Serializer[Any]):
    """A shutdown that the device has claimed and that its apps may acknowledge."""

    jobId = serializers.CharField()
    state = serializers.CharField(help_text="`WAITING_FOR_ACK`")
    reason = serializers.CharField()
    deadline = serializers.DateTimeField()
    secondsLeft = serializers.IntegerField()
    acknowledged = serializers.BooleanField(help_text="Whether the app that asks has acknowledged.")


class EdgeAcknowledgedSerializer(serializers.Serializer[Any]):
    jobId = serializers.CharField()
    acknowledged = serializers.BooleanField()
    acknowledgedAt = serializers.DateTimeField()
    waitingFor = serializers.ListField(child=serializers.CharField(), help_text="Apps that the device waits for.")


def order_in(request: Request, app: InstalledApp, device: str) -> Order:
    """What the app asks for; no type is guessed, and a member that nobody reads is refused."""
    sent = members_if_any(request, "a JSON object or no body")
    _judge_names(sent, (WAIT, NOW, WHY))
    wait, now = sent.get(WAIT, USUAL_WAIT), sent.get(NOW, False)
    if type(wait) is not int or not 0 <= wait <= LONGEST_WAIT:
        raise InvalidField(f"{WAIT} is a whole number of seconds from 0 to {LONGEST_WAIT}.")
    if type(now) is not bool:
        raise InvalidField(f"{NOW} is true or false.")
    why = sent.get(WHY, f"Requested by {app.app.name} {app.version.version}.")
    if not isinstance(why, str):
        raise InvalidField(f"{WHY} is a string of {REASON[0]} to {REASON[1]} characters.")
    shutdown_fields.reason(why)
    return Order([device], why, max_ack_seconds=wait, execute_now=now)


def detail_in(request: Request) -> str:
    """What an app has to say when it acknowledges."""
    sent = members_if_any(request, "a JSON object or no body")
    _judge_names(sent, (DETAIL,))
    detail = sent.get(DETAIL, "")
    if not isinstance(detail, str):
        raise InvalidField(f"{DETAIL} is a string of at most 200 characters.")
    return detail


def job(target: ShutdownTarget) -> dict[str, Any]:
    """The device's part of the job as its apps see it."""
    order, waiting = target.job, shutdown_claim.waiting(target)
    return {
        "jobId": str(order.pk),
        "state": TO_APPS[TargetState(target.state)],
        "device": target.device_id,
        NOW: order.execute_now,
        WAIT: order.max_ack_seconds,
        WHY: order.reason,
        "createdAt": moment(order.created_at),
        "expiresAt": moment(target.expires_at),
        "claimedAt": moment(target.claimed_at),
        "deadline": moment(target.deadline),
        "acknowledged": [ack.app for ack in waiting.apps if ack.acknowledged_at],
        "waitingFor": waiting_for(waiting),
        DETAIL: target.detail,
    }


def pending(target: ShutdownTarget, installation: str) -> dict[str, Any]:
    """What an app is told of that may acknowledge it."""
    waiting = shutdown_claim.waiting(target)
    own = [ack for ack in waiting.apps if ack.installation == installation and ack.acknowledged_at]
    return {
        "jobId": str(target.job_id),
        "state": TO_APPS[TargetState(target.state)],
        WHY: target.job.reason,
        "deadline": moment(target.deadline),
        "secondsLeft": waiting.ack_seconds,
        "acknowledged": bool(own),
    }


def acknowledged(target: ShutdownTarget, ack: ShutdownAck) -> dict[str, Any]:
    return {
        "jobId": str(target.job_id),
        "acknowledged": True,
        "acknowledgedAt": moment(ack.acknowledged_at),
        "waitingFor": waiting_for(shutdown_claim.waiting(target)),
    }


def waiting_for(waiting: Waiting) -> list[str]:
    """The apps that the device waits for now, by name."""
    return [ack.app for ack in waiting.missing]


def moment(at: datetime | None) -> str | None:
    """RFC 3339 in UTC with milliseconds."""
    return written(at, "milliseconds")


def _judge_names(sent: Collection[str], known: Collection[str]) -> None:
    if unknown := [name for name in sent if name not in known]:
        raise UnknownField(f"This takes {', '.join(known)} and nothing else; received: {names_of(unknown)}.")
