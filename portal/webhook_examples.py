"""Webhooks as the OpenAPI shows them; a test sends what is asked here and compares what is answered."""

from typing import Any

ID = "5f0c2c0e-8f5e-4a53-9c67-0d8f3b1a7e21"
URL = "https://hooks.plant.example/gatehouse"

WEBHOOK: dict[str, Any] = {
    "id": ID,
    "name": "plant chat",
    "url": URL,
    "topics": ["device.pending", "key_change.opened"],
    "enabled": True,
    "disabled_reason": "",
    "waiting": 0,
    "missed": 0,
    "failing_since": None,
    "next_try_at": None,
    "delivered_at": "2026-11-25T08:05:00.000000Z",
    "secret_before_until": None,
    "created_at": "2026-11-01T08:00:00.000000Z",
    "created_by": "ada",
    "revision": 1,
}
NEW = {"name": "plant chat", "url": URL, "topics": ["device.pending", "key_change.opened"]}
ISSUED = WEBHOOK | {"delivered_at": None, "created_by": "token line-3", "secret": "whsec_shown-this-once"}
CHANGE = {"enabled": False, "reason": "The chat moves to another host."}
CHANGED = WEBHOOK | {"enabled": False, "disabled_reason": "The chat moves to another host.", "revision": 2}
ROTATED = WEBHOOK | {
    "secret_before_until": "2026-11-26T08:05:00.000000Z",
    "revision": 2,
    "secret": "whsec_shown-this-once",
}

DELIVERY: dict[str, Any] = {
    "id": 4711,
    "message": "msg_4f6c1c8e2b7d4f0f9a3e5b6c7d8e9f01",
    "topic": "device.pending",
    "body": '{"type":"device.pending","timestamp":"2026-11-25T08:00:00Z","data":{"device":"press-1"}}',
    "state": "failed",
    "attempts": 19,
    "last_at": "2026-11-25T08:00:00.120000Z",
    "last_status": None,
    "last_error": "It takes no connection there.",
    "took_ms": 120,
    "created_at": "2026-11-25T08:00:00.000000Z",
}
REPLAYED = DELIVERY | {"state": "waiting", "attempts": 0}
TESTED = DELIVERY | {
    "topic": "webhook.test",
    "body": '{"type":"webhook.test","timestamp":"2026-11-25T08:00:00Z","data":{"webhook":"plant chat","by":"ada"}}',
    "attempts": 1,
    "last_error": "hooks.plant.example has no address; the name is unknown, or its name server is silent.",
}
REPLAY_ALL = {"since": "2026-11-24T00:00:00Z"}
REPLAYED_ALL = {"replayed": 12}
