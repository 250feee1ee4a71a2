"""Routes as the OpenAPI shows them; a test sends what is asked here and compares what is answered."""

from typing import Any

NEW: dict[str, Any] = {
    "prefix": "press-line",
    "target": "http://edgex-app-press:59740",
    "methods": ["GET", "HEAD", "POST"],
    "rate_per_minute": 600,
    "health_path": "/api/v3/ping",
    "cors_origins": ["https://app.example"],
    "reason": "Readings for the line's own apps.",
}
ROUTE: dict[str, Any] = {
    "id": 1,
    "prefix": "press-line",
    "target": "http://edgex-app-press:59740",
    "scope": "gateway:press-line",
    "enabled": True,
    "methods": ["GET", "HEAD", "POST"],
    "timeout_s": 30,
    "connect_timeout_s": 2,
    "retries": 1,
    "body_limit": 1048576,
    "rate_per_minute": 600,
    "burst": 20,
    "websocket_max_s": 900,
    "health_path": "/api/v3/ping",
    "websocket": False,
    "cors_origins": ["https://app.example"],
    "cors_credentials": False,
    "host_header": "target",
    "forward_token": False,
    "target_ca": "",
    "origin": "person",
    "edited": False,
    "revision": 1,
    "created_at": "2026-11-25T08:00:00.000000Z",
    "created_by": "token line-3",
    "changed_at": "2026-11-25T08:00:00.000000Z",
}
CHANGE = {"enabled": False, "reason": "The service moves to another host."}
CHANGED = ROUTE | {"enabled": False, "revision": 2}
TRY = {"method": "GET", "path": "/press-line/api/v3/ping?x=1"}
TRIED: dict[str, Any] = {
    "route": ROUTE,
    "verdict": {
        "outcome": "refused",
        "status": 401,
        "code": "token_missing",
        "error": "Send an access token as 'Authorization: Bearer …'.",
        "hint": None,
    },
    "upstream": None,
    "steps": [
        {
            "name": "path",
            "passed": True,
            "code": None,
            "said": "It can be read in one way only: /press-line/api/v3/ping?x=1",
        },
        {"name": "credentials", "passed": True, "code": None, "said": "There is no token."},
        {"name": "route", "passed": True, "code": None, "said": "It is for the route press-line."},
        {
            "name": "token",
            "passed": False,
            "code": "token_missing",
            "said": "Send an access token as 'Authorization: Bearer …'.",
        },
    ],
}
