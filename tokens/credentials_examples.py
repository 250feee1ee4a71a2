"""App credentials as the OpenAPI shows them; a test sends what is asked here and compares what is answered."""

from typing import Any

from tokens import held_examples

CREDENTIAL: dict[str, Any] = {
    "id": "h5w2r8d0c7ef",
    "client_id": "main-historian-v1.2.0-line2",
    "app": "historian",
    "version": "v1.2.0",
    "host_tenant": "main",
    "stage": "dev",
    "instance": "line2",
    "owner": "ada",
    "scopes": ["credentials:rotate-own", "devices:read"],
    "state": "live",
    "expires_at": held_examples.SECRET["expires_at"],
    "rotation": held_examples.CLOSED,
    "secrets": [held_examples.SECRET],
}
_SHOWN = {
    "secret": "gatecs-shown-this-once",
    "x_space_auth_key": "Bearer bWFpbi1oaXN0b3JpYW4tdjEuMi4wLWxpbmUyOmdhdGVjcy1zaG93bi10aGlzLW9uY2U=",
}
_NEWER_EXPIRES = {"expires_at": held_examples.NEWER["expires_at"]}

NEW = {
    "app": "historian",
    "version": "v1.2.0",
    "instance": "line2",
    "scopes": ["devices:read"],
    "days": 365,
    "owner": "ada",
}
ISSUED = CREDENTIAL | {"secrets": [held_examples.UNUSED]} | _SHOWN
NO_VERSION = {
    "error": "historian has no version v9; its page lists those it has.",
    "code": "version_not_found",
    "request_id": "0d5b9a8e-6f0c-4c55-9c39-4b1c1e6a6f3d",
}
OWNER = {"owner": "otto"}
HANDED_OVER = CREDENTIAL | OWNER
ROTATED = CREDENTIAL | _NEWER_EXPIRES | _SHOWN
ROTATED |= {"rotation": held_examples.OPEN, "secrets": [held_examples.NEWER, held_examples.REPLACED]}
OVERLAP_ENDED = CREDENTIAL | _NEWER_EXPIRES | {"secrets": [held_examples.NEWER, held_examples.ENDED]}
CANCELLED = CREDENTIAL | {"secrets": [held_examples.CANCELLED, held_examples.SECRET]}
DISABLED = CREDENTIAL | {"state": "disabled"}
ENABLED = CREDENTIAL
REVOKED = CREDENTIAL | {"state": "revoked", "secrets": [held_examples.ENDED]}
