"""Devices as the OpenAPI shows them; a test sends what is asked here and compares what is answered."""

from typing import Any

IDENTITY = '{"mac":"00:01:02:03:04:05","sn":"SN1234567890"}'
KEY = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAD4MG+myeYWBTrvF+5ANZPYwDKNgSO05/rCnZ84xCO9A=
-----END PUBLIC KEY-----
"""
ID = "44c073bc6ae52c426be853e8c63fb3dbd74a5581a86e3c62bde74fdc9b73c15e"

PREAUTHORIZED: dict[str, Any] = {
    "id": ID,
    "status": "preauthorized",
    "denied": False,
    "identity": {"mac": "00:01:02:03:04:05", "sn": "SN1234567890"},
    "identity_text": IDENTITY,
    "key": KEY,
    "fingerprint": "972040cb539c3fd45f6bfcf9d732aa04b9fb97c6f686c057db304b478386212f",
    "request_time": "2026-11-25T08:00:00.000000Z",
    "last_seen": None,
    "decided_at": None,
    "decided_by": "",
    "denied_at": None,
    "denied_by": "",
    "denied_reason": "",
    "revision": 1,
}
PENDING = PREAUTHORIZED | {"status": "pending", "last_seen": "2026-11-25T08:00:00.000000Z"}
ACCEPTED = PENDING | {
    "status": "accepted",
    "decided_at": "2026-11-25T08:05:00.000000Z",
    "decided_by": "token line-3",
    "revision": 2,
}
REJECTED = ACCEPTED | {"status": "rejected"}
DENIED = ACCEPTED | {
    "denied": True,
    "denied_at": "2026-11-25T17:30:00.000000Z",
    "denied_by": "token line-3",
    "denied_reason": "It was stolen from hall 3.",
    "revision": 3,
}
RESTORED = ACCEPTED | {"revision": 4}

NEW = {"identity": IDENTITY, "key": KEY}
NEW_BY_CERTIFICATE = {"id": "press-1", "key": KEY}
REASON = {"reason": "As ordered by maintenance."}
STOLEN = {"reason": "It was stolen from hall 3."}
COUNTS = {"pending": 3, "accepted": 1200, "rejected": 4, "preauthorized": 20, "denied": 2, "all": 1227}

DECISION = {"ids": [ID], "decision": "accept", "reason": "As ordered by maintenance."}
DECISION_BY_FILTER = {"filter": {"status": "pending", "q": "SN1234"}, "decision": "accept"}
OUTCOMES = {"outcomes": [{"id": ID, "status": "accepted", "code": "", "error": ""}]}

LIST = f'mac,sn,key\n00:01:02:03:04:05,SN1234567890,"{KEY}"\n00:01:02:03:04:06,SN1234567891,\n'
LINE_OUTCOMES = {
    "outcomes": [
        {"line": 2, "id": ID, "status": "preauthorized", "code": "", "error": ""},
        {
            "line": 6,
            "id": "c148368542cf4b281256f7001d2a9ca1051c53e80b295839ea24b5ba234ebed1",
            "status": "refused",
            "code": "invalid",
            "error": "The key cannot be used: it is not one PEM PUBLIC KEY.",
        },
    ]
}

KEY_CHANGE: dict[str, Any] = {
    "id": 1,
    "device": ID,
    "present_fingerprint": PENDING["fingerprint"],
    "new_fingerprint": "5b6e0a4bd2a1c8f0c9a3d7e4f1b2a3c4d5e6f708192a3b4c5d6e7f8091a2b3c4",
    "seen_at": "2026-11-25T09:00:00.000000Z",
    "seen_from": "10.20.3.7",
    "proven": False,
    "state": "open",
    "decided_at": None,
    "decided_by": "",
}
KEY_ACCEPTED = KEY_CHANGE | {
    "state": "accepted", "decided_at": "2026-11-25T09:10:00.000000Z", "decided_by": "token line-3"
}  # fmt: skip
KEY_REFUSED = KEY_ACCEPTED | {"state": "refused"}
