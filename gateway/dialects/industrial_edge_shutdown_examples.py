"""The shutdown calls of apps as the OpenAPI shows them: examples of what is asked and answered, and every no."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse

from gateway.dialects.industrial_edge import EdgeErrorSerializer
from portal.openapi import answered, asked

ID = "3b0c5d1e-7a52-4f3e-9c1d-6a2f8e4b9d10"
ORDER = {"maxAckTimeForApps": 30, "executeNow": False, "reason": "Filter change in hall 3."}
TOLD: dict[str, Any] = {
    "jobId": ID,
    "state": "PENDING",
    "device": "press-1",
    "executeNow": False,
    "maxAckTimeForApps": 30,
    "reason": "Filter change in hall 3.",
    "createdAt": "2026-11-25T12:00:00.000Z",
    "expiresAt": "2026-11-25T12:15:00.000Z",
    "claimedAt": None,
    "deadline": None,
    "acknowledged": [],
    "waitingFor": [],
    "detail": "",
}
CLAIMED = {"claimedAt": "2026-11-25T12:00:04.120Z", "deadline": "2026-11-25T12:00:34.120Z"}
WAITING = {"state": "WAITING_FOR_ACK", "acknowledged": ["pump"], "waitingFor": ["historian"]}

ASKED = asked(ORDER)
ACCEPTED = answered({"status": "accepted", **TOLD}, status_codes=["202"])
STATUS = answered({"status": "accepted"}, status_codes=["202"])
JOB = answered({**TOLD, **CLAIMED, **WAITING})
CANCELLED = answered({**TOLD, "state": "CANCELLED"})
PENDING = answered(
    {
        "jobId": ID,
        "state": "WAITING_FOR_ACK",
        "reason": TOLD["reason"],
        "deadline": CLAIMED["deadline"],
        "secondsLeft": 27,
        "acknowledged": False,
    },
    status_codes=["200"],
)
ACK = asked({"detail": "All written to disk."})
ACKNOWLEDGED = answered(
    {"jobId": ID, "acknowledged": True, "acknowledgedAt": "2026-11-25T12:00:07.400Z", "waitingFor": ["historian"]}
)
NOTHING = OpenApiResponse(description="The device has claimed nothing.")


def _no(description: str, code: str, message: str) -> OpenApiResponse:
    error = {"code": f"edge.{code}", "message": message, "logref": "0d5b9a8e-6f0c-4c55-9c39-4b1c1e6a6f3d"}
    return OpenApiResponse(EdgeErrorSerializer, description, [OpenApiExample("Refusal", {"errors": [error]})])


REFUSALS: dict[int, Any] = {
    401: _no(
        "There is no access token, or none that is good now.",
        "auth.invalidToken",
        "This is no access token of an app that is good now; ask for an access token.",
    ),
    403: _no(
        "The device is pending or rejected.",
        "auth.deviceRefused",
        "The device press-1 is pending; it must be accepted first.",
    ),
}
_UNKNOWN = {404: _no("This device has no such job.", "shutdown.unknownJob", "There is no such shutdown for press-1.")}
_BODY = {
    400: _no(
        "The body cannot be read, or a member is wrong or unknown; `code` says which.",
        "shutdown.unknownField",
        "This takes maxAckTimeForApps, executeNow, reason and nothing else; received: executenow.",
    )
}
_FEATURE = _no(
    "The version does not declare `API.Shutdown`, or the device is pending or rejected.",
    "shutdown.featureMissing",
    "pump 1.0.0 does not declare API.Shutdown; make a version that does, and install that.",
)
REFUSALS_OF_ORDER = {
    **REFUSALS,
    **_BODY,
    403: _FEATURE,
    409: _no(
        "The device has an open shutdown; `Location` says where.",
        "shutdown.openJob",
        f"press-1 has a shutdown already that is still open; follow it at /device/edge/api/v2/shutdown/{ID}.",
    ),
}
REFUSALS_OF_JOB = {**REFUSALS, **_UNKNOWN}
REFUSALS_OF_CANCEL = {
    **REFUSALS_OF_JOB,
    403: _no(
        "It was not asked for by an app of this device, or the version does not declare `API.Shutdown`.",
        "shutdown.notYours",
        "This shutdown was ordered by ada; only people can cancel it.",
    ),
    409: _no(
        "The device has claimed it, or it has ended.",
        "shutdown.tooLate",
        "Nothing of this shutdown can be cancelled any more; its devices have it, or it ended.",
    ),
}
REFUSALS_OF_ACK = {
    **REFUSALS_OF_JOB,
    **_BODY,
    409: _no(
        "The device has not claimed it yet, or it powers off already.",
        "shutdown.notClaimed",
        "The device has not claimed this shutdown yet; GET /device/edge/api/v2/shutdown/pending tells when.",
    ),
}
