"""API tokens as the OpenAPI shows them; a test sends what is asked here and compares what is answered."""

from typing import Any

TOKEN: dict[str, Any] = {
    "id": "k3v9q2m8x1ab",
    "name": "line-3",
    "owner": "ada",
    "scopes": ["devices:read", "devices:admit"],
    "state": "live",
    "created_at": "2026-11-01T08:00:00.000000Z",
    "expires_at": "2027-01-30T08:00:00.000000Z",
    "revoked_at": None,
    "revoked_by": "",
    "last_used_at": "2026-11-25T08:05:00.000000Z",
    "last_used_from": "10.0.7.12",
    "addresses": ["10.0.0.0/8"],
    "disabled_at": None,
    "disabled_by": "",
    "replaces": None,
    "replaced_by": None,
    "revision": 1,
}
DISABLED = TOKEN | {
    "state": "disabled",
    "disabled_at": "2026-11-25T17:30:00.000000Z",
    "disabled_by": "token line-3",
    "revision": 2,
}
ENABLED = TOKEN | {"revision": 3}
REVOKED = TOKEN | {
    "state": "revoked",
    "revoked_at": "2026-11-25T17:30:00.000000Z",
    "revoked_by": "token line-3",
    "revision": 2,
}
_UNUSED = {"last_used_at": None, "last_used_from": ""}
ISSUED = TOKEN | _UNUSED | {"token": "gate_pat_k3v9q2m8x1ab_shown-this-once"}
SUCCESSOR = ISSUED | {
    "id": "m1c8t4n6z0yw",
    "replaces": "k3v9q2m8x1ab",
    "token": "gate_pat_m1c8t4n6z0yw_shown-this-once",
}

NEW = {"name": "line-3", "scopes": ["devices:read", "devices:admit"], "days": 90, "addresses": ["10.0.0.0/8"]}
ROTATION = {"overlap_hours": 24}
LOST = {"reason": "The laptop it was on is lost."}
ME = {
    "name": "line-3",
    "kind": "token",
    "owner": "ada",
    "role": "administrator",
    "scopes": ["devices:admit", "devices:read"],
}
WANTED = {"scopes": ["devices:read"]}
BOUGHT = {
    "access_token": "eyJhbGciOiJSUzI1NiIsImtpZCI6IkpXVCJ9.shown-this-once.signature",
    "token_type": "Bearer",
    "expires_in": 900,
    "scope": "devices:read",
}
