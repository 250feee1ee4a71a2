"""Shutdowns as the OpenAPI shows them; a test sends what is asked here and compares what is answered."""

from typing import Any

from devices.examples import ID
from devices.models import TargetState

JOB_ID = "6f1c4d8e-2b5a-4c0e-9a57-3d1f0b7c9e42"
NEW: dict[str, Any] = {
    "devices": [ID],
    "reason": "Maintenance of hall 3.",
    "max_ack_seconds": 30,
    "execute_now": False,
    "start_at": None,
    "ttl_seconds": 900,
}
_NONE = dict.fromkeys(TargetState.values, 0)
SHUTDOWN: dict[str, Any] = {
    "id": JOB_ID,
    "state": "running",
    "reason": "Maintenance of hall 3.",
    "requested_by": "token line-3",
    "via": "api",
    "created_at": "2026-11-25T12:00:00.000Z",
    "start_at": None,
    "expires_at": "2026-11-25T12:15:00.000Z",
    "max_ack_seconds": 30,
    "execute_now": False,
    "approval": {"needed": False, "by": "", "at": None},
    "counts": _NONE | {"queued": 1},
    "retry_of": None,
}
TARGET: dict[str, Any] = {
    "device": ID,
    "state": "claimed",
    "code": "",
    "detail": "",
    "queued_at": "2026-11-25T12:00:00.000Z",
    "claimed_at": "2026-11-25T12:00:04.000Z",
    "deadline": "2026-11-25T12:00:34.000Z",
    "acks": [{"app": "historian", "version": "v1.0.0", "acknowledged_at": "2026-11-25T12:00:06.000Z"}],
    "reported_at": None,
    "finished_at": None,
}
CANCEL = {"reason": "It was the wrong hall."}
CANCEL_SOME = CANCEL | {"devices": [ID]}
CANCELLED = {"cancelled": [ID], "too_late": []}
RETRY = {"reason": "It is back in the network.", "confirm_count": 1}
RETRIED = SHUTDOWN | {
    "id": "0a9d3b52-7c1e-4f86-8a44-91d2c6e5b7f0",
    "reason": RETRY["reason"],
    "retry_of": JOB_ID,
}
APPROVE = {"confirm_count": 1}
APPROVED = SHUTDOWN | {
    "requested_by": "otto",
    "via": "page",
    "approval": {"needed": True, "by": "token line-3", "at": "2026-11-25T12:00:00.000Z"},
}
REFUSE = {"reason": "Not during the shift."}
REFUSED = APPROVED | {"state": "refused", "expires_at": None, "counts": _NONE | {"cancelled": 1}}
