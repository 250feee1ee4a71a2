"""Gateway nodes as the OpenAPI shows them; a test asks for what is shown and compares what is answered."""

from typing import Any

NODE: dict[str, Any] = {
    "name": "hall-3",
    "kind": "remote",
    "bind": "0.0.0.0",  # noqa: S104  # Shown, not bound to.
    "port": 8443,
    "poll_s": 5.0,
    "revocations_poll_s": 0.5,
    "revocations_within_s": 1.1,
    "changes_within_s": 10.1,
    "address": "10.20.0.9",
    "envoy_version": "1.40.0",
    "last_seen": "2026-11-25T08:00:00.000000Z",
    "away": False,
    "subscriptions": [
        {
            "name": "routes/doors",
            "offered": {"version": "3f9a1c5de2b84706.1", "at": "2026-11-25T08:00:00.000000Z"},
            "accepted": {"version": "0b7de1a2c94f5836.0", "at": "2026-11-25T07:30:00.000000Z"},
            "refused": {"version": "3f9a1c5de2b84706.0", "at": "2026-11-25T08:00:00.000000Z"},
            "reason": "Unable to find the file of the system's CAs.",
            "takes_offered": False,
        }
    ],
    "created_at": "2026-11-25T07:00:00.000000Z",
    "created_by": "command envoy_bootstrap",
}
