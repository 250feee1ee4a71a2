"""Apps, versions and grants as the OpenAPI shows them; a test sends what is asked here and compares the answers."""

from typing import Any

APP = {"name": "historian", "title": "Historian", "tenant": "main"}
NEW_APP = {"name": "historian", "title": "Historian", "tenant": "main"}

VERSION: dict[str, Any] = {
    "app": "historian",
    "version": "v1.2.0",
    "features": ["API.Shutdown"],
    "scopes": ["devices:read"],
    "host_tenant": "main",
    "stage": "dev",
    "created_at": "2026-11-25T08:00:00.000000Z",
    "created_by": "token line-3",
    "transferred_at": None,
}
NEW_VERSION = {"version": "v1.2.0", "features": ["API.Shutdown"], "scopes": ["devices:read"]}
TRANSFER = {"tenant": "plant7"}
TRANSFERRED = VERSION | {"host_tenant": "plant7", "stage": "ops", "transferred_at": "2026-11-26T08:00:00.000000Z"}

GRANT = {"tenant": "plant8", "created_at": "2026-11-26T09:00:00.000000Z", "created_by": "token line-3"}
NEW_GRANT = {"tenant": "plant8"}
