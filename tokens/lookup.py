"""The token behind a secret, with what must be known of its owner, in one look at the primary key.

Every call over REST asks this, so it goes past the ORM, whose objects would cost ten times the look itself.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from portal import rows
from tokens.models import TokenState, state_at, texts

SELECT = """
    SELECT token.name, token.digest, token.pepper, token.scopes, token.addresses, token.expires_at, token.revoked_at,
           token.disabled_at, token.last_used_at, token.owner_id, owner.role, owner.is_active
    FROM tokens_apitoken token JOIN portal_user owner ON owner.id = token.owner_id
    WHERE token.id = %s
"""


@dataclass(slots=True)
class Known:
    """What is remembered about a token, and whether its owner is active and in which role."""

    pk: str
    name: str
    digest: str
    pepper: str
    scopes: list[str]
    addresses: list[str]
    expires_at: datetime
    revoked_at: datetime | None
    disabled_at: datetime | None
    last_used_at: datetime | None
    owner_id: UUID
    owner_role: str
    owner_is_active: bool

    def state(self, now: datetime) -> TokenState:
        return state_at(now, expires_at=self.expires_at, revoked_at=self.revoked_at, disabled_at=self.disabled_at)


def find(identifier: str) -> Known | None:
    """The token with this id, or None."""
    found = rows.read(SELECT, [identifier])
    if not found:
        return None
    row: Any = found[0]
    name, digest, pepper, scopes, addresses, expires, revoked, disabled, used, owner, role, active = row
    return Known(
        identifier,
        name,
        digest,
        pepper,
        texts(json.loads(scopes)),
        texts(json.loads(addresses)),
        rows.aware(expires),
        rows.aware(revoked),
        rows.aware(disabled),
        rows.aware(used),
        # SQLite keeps 32 hex digits and, like every moment in UTC, no time zone; PostgreSQL gives the thing itself.
        owner if isinstance(owner, UUID) else UUID(owner),
        role,
        bool(active),
    )
