"""Apps on devices as the OpenAPI shows them; a test sends what is asked here and compares what is answered."""

from typing import Any

from devices import examples as devices
from tokens import held_examples

INSTALLATION: dict[str, Any] = {
    "id": "Tq8zL0vB3nYc",
    "app": "historian",
    "version": "v1.2.0",
    "device": devices.ID,
    "owner": "ada",
    "state": "live",
    "expires_at": held_examples.SECRET["expires_at"],
    "hint": held_examples.SECRET["hint"],
    "last_used_at": held_examples.SECRET["last_used_at"],
    "last_used_from": held_examples.SECRET["last_used_from"],
    "rotation": held_examples.CLOSED,
    "secrets": [held_examples.SECRET],
}
_OF_THE_NEWER = {name: held_examples.NEWER[name] for name in ("expires_at", "hint", "last_used_at", "last_used_from")}

NEW = {"device": devices.ID, "version": "v1.2.0", "days": 365}
ISSUED = {
    "id": "Tq8zL0vB3nYc",
    "app": "historian",
    "version": "v1.2.0",
    "device": devices.ID,
    "expires_at": held_examples.SECRET["expires_at"],
    "app_token": "gate_app_Tq8zL0vB3nYc_shown-this-once",
    "apptoken_file": '{"appPrimaryToken":"gate_app_Tq8zL0vB3nYc_shown-this-once"}\n',
    "certsips_file": '{"auth-api-path": "a.service/api/v3", "edge-ips": "192.168.0.150", "…": "…"}',
}
CHANGE = {"version": "v1.3.0"}
CHANGED = INSTALLATION | CHANGE
ROTATED = ISSUED | {"expires_at": held_examples.NEWER["expires_at"]}
OVERLAP_ENDED = INSTALLATION | _OF_THE_NEWER | {"secrets": [held_examples.NEWER, held_examples.ENDED]}
CANCELLED = INSTALLATION | {"secrets": [held_examples.CANCELLED, held_examples.SECRET]}
DISABLED = INSTALLATION | {"state": "disabled"}
ENABLED = INSTALLATION
REVOKED = INSTALLATION | {"state": "revoked", "secrets": [held_examples.ENDED]}
