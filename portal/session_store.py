"""Where sessions are kept: under the digest of their key, so that who reads the database can act as nobody.

Only the cookie holds the key. It has 165 random bits, so a plain digest of it cannot be searched back.
"""

import hashlib
from base64 import urlsafe_b64encode
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.utils import timezone

# What the column of Django's own table has room for: 240 of the 256 bits of a SHA-256.
LONGEST = 40


def kept_as(key: str | None) -> str:
    """The key of the row in which the session with this key is kept."""
    return urlsafe_b64encode(hashlib.sha256((key or "").encode()).digest()).decode()[:LONGEST]


class SessionStore(db.SessionStore):
    """Django's own, which comes to each row by the digest. The portal is WSGI, so what is for ASGI stays as it is."""

    def exists(self, session_key: str) -> bool:
        return super().exists(kept_as(session_key))

    def delete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            super().delete(kept_as(key))

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row: Any = super().create_model_instance(data)
        row.session_key = kept_as(row.session_key)
        return row

    def _get_session_from_db(self) -> Session | None:
        found = Session.objects.filter(pk=kept_as(self.session_key), expire_date__gt=timezone.now()).first()
        if found is None:
            # A key that was made elsewhere, or has ended, is never taken up.
            self._session_key = None
        return found
