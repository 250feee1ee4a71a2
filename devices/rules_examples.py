"""Enrolment rules as the OpenAPI shows them; a test sends what is asked here and compares what is answered."""

from typing import Any

CONDITIONS = {"attribute": "sn", "pattern": "SN12*", "range_of": "sn", "first": "SN1000000000", "last": "SN1999999999"}
NEW: dict[str, Any] = {
    "name": "Batch 12, hall 3",
    "verdict": "accept",
    **CONDITIONS,
    "ends_at": "2026-12-24T18:00:00Z",
    "most": 250,
    "reason": "As ordered by maintenance.",
}
RULE: dict[str, Any] = {
    "id": 1,
    "name": "Batch 12, hall 3",
    "verdict": "accept",
    "enabled": True,
    "ca": "",
    **CONDITIONS,
    "starts_at": None,
    "ends_at": "2026-12-24T18:00:00Z",
    "most": 250,
    "used": 0,
    "revision": 1,
    "created_at": "2026-11-25T08:00:00.000000Z",
    "created_by": "token line-3",
}
CHANGE = {"enabled": False, "reason": "The batch is complete."}
CHANGED = RULE | {"enabled": False, "revision": 2}
PREVIEW: dict[str, Any] = {
    "looked_at": 1227,
    "matched": 1,
    "waiting": 1,
    "examples": [
        {
            "id": "44c073bc6ae52c426be853e8c63fb3dbd74a5581a86e3c62bde74fdc9b73c15e",
            "status": "pending",
            "identity": {"mac": "00:01:02:03:04:05", "sn": "SN1234567890"},
        },
    ],
}
