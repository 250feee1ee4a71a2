"""What the OpenAPI shows of secrets and of the verbs about what holds them."""

from typing import Any

SECRET: dict[str, Any] = {
    "id": "k3v9q2m8x1ab",
    "hint": "q7Xd",
    "state": "live",
    "created_at": "2026-11-25T08:00:00.000000Z",
    "expires_at": "2027-11-25T08:00:00.000000Z",
    "ends_at": None,
    "last_used_at": "2026-11-25T08:05:00.000000Z",
    "last_used_from": "10.0.7.12",
}
UNUSED = SECRET | {"last_used_at": None, "last_used_from": ""}
NEWER = UNUSED | {"id": "m1c8t4n6z0yw", "hint": "B2kd", "created_at": "2027-10-25T08:00:00.000000Z"}
NEWER |= {"expires_at": "2028-10-24T08:00:00.000000Z"}
CANCELLED = NEWER | {"state": "ended"}
REPLACED = SECRET | {"ends_at": "2027-10-26T08:00:00.000000Z"}
ENDED = SECRET | {"state": "ended"}

CLOSED = {"open": False, "ends_at": None}
OPEN = {"open": True, "ends_at": REPLACED["ends_at"]}

ROTATION = {"grace_hours": 24, "days": 365, "reason": "The yearly rotation."}
CONFIRMED = {"confirm": True}
SUSPECT = {"reason": "Its host behaves oddly."}
CLEARED = {"reason": "It was a test of ours."}
LEAKED = {"reason": "It was seen in a log."}
