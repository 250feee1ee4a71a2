"""Where one stands in the rotation of a secret, read from the rows: issued, used, the old one unused, ended."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from portal.models import AuditEvent
from tokens import kinds
from tokens.models import HeldSecret, Holder
from tokens.overlap import STILL_USED

# So long a rotation that is over is still told of.
TOLD_FOR = timedelta(days=7)
EVENTS = ("rotated", "secret_first_used", "overlap_ended")
LATEST = 50


@dataclass(frozen=True)
class Guide:
    """A rotation that is open, or that ended lately.

    Its steps: the new secret is issued, it is used for the first time, the old one is unused for 24 hours, the old one
    has ended. `quiet_at` is when the third will be done if nobody uses the old secret until then.
    """

    old: HeldSecret
    new: HeldSecret
    is_open: bool
    issued_by: str
    first_used_at: datetime | None
    first_used_from: str
    quiet_at: datetime | None
    ended_by: str

    @property
    def is_used(self) -> bool:
        return self.first_used_at is not None

    @property
    def is_quiet(self) -> bool:
        return self.quiet_at is None

    @property
    def ends_unmoved(self) -> bool:
        """Whether the old secret will end by itself before it was unused for 24 hours."""
        return self.quiet_at is not None and self.old.end < self.quiet_at

    @property
    def at_step(self) -> int:
        """The first step that is not done; 0 when the rotation is over."""
        if not self.is_open:
            return 0
        if not self.is_used:
            return 2
        return 4 if self.is_quiet else 3


def read(holder: Holder) -> Guide | None:
    """The rotation that is open, or that ended within seven days; None if neither is."""
    now = timezone.now()
    living = list(holder.living(now))
    old: HeldSecret | None
    if len(living) == 2:
        old, new = living
    elif len(living) == 1:
        (new,) = living
        old = _predecessor(new, holder.secrets.all(), now)
    else:
        old = None
    if old is None:
        return None
    told = _told(holder)
    issued, used, ended = (told.get(key) for key in (("rotated", new.pk), ("used", new.pk), ("ended", old.pk)))
    first_used_at = used.at if used else new.last_used_at
    is_open = len(living) == 2
    return Guide(
        old=old,
        new=new,
        is_open=is_open,
        issued_by=_who(issued),
        first_used_at=first_used_at,
        first_used_from=used.address if used else new.last_used_from,
        quiet_at=_quiet_at(old, now) if is_open else None,
        ended_by=_who(ended),
    )


def mark(holder: Holder, guide: Guide | None) -> str:
    """What a page shows of the secrets, in short; it changes when something of that does."""
    facts: list[object] = [holder.revision, holder.state(), guide and (guide.at_step, guide.is_quiet)]
    for secret in holder.secrets.all():
        facts.append((secret.pk, secret.state(), secret.last_used_at, secret.last_used_from, secret.end))
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def latest(holder: Holder, most: int) -> list[HeldSecret]:
    """Its secrets, the newest first."""
    return sorted(holder.secrets.all(), key=lambda one: (one.created_at, one.expires_at), reverse=True)[:most]


def _predecessor(new: HeldSecret, secrets: Iterable[HeldSecret], now: datetime) -> HeldSecret | None:
    """The secret whose place `new` has taken within seven days; none if that one had been dead before."""
    before = [one for one in secrets if one.pk != new.pk and one.created_at <= new.created_at <= one.end]
    old = max(before, key=lambda one: one.end, default=None)
    return old if old is not None and now - old.end < TOLD_FOR else None


def _quiet_at(old: HeldSecret, now: datetime) -> datetime | None:
    """When the old secret will have been unused for 24 hours; None if it has been, or was never used."""
    quiet = old.last_used_at + STILL_USED if old.last_used_at else None
    return quiet if quiet and quiet > now else None


def _told(holder: Holder) -> dict[tuple[str, str], Any]:
    """The rows of the history that tell of its rotations, by what happened and to which secret."""
    noun, name = kinds.subject(holder)
    rows = AuditEvent.objects.filter(
        subject_kind=noun, subject_id=name, verb__in=[f"{noun}.{event}" for event in EVENTS]
    ).order_by("-number")[:LATEST]
    told: dict[tuple[str, str], Any] = {}
    for row in rows:
        if row.verb == f"{noun}.overlap_ended":
            told[("ended", str((row.before or {}).get("secret")))] = row
        elif row.verb == f"{noun}.rotated":
            told[("rotated", str((row.after or {}).get("secret")))] = row
        else:
            told[("used", str((row.after or {}).get("secret")))] = row
    return told


def _who(row: Any) -> str:
    if row is None:
        return ""
    return str(row.actor) if row.actor_kind == "person" else f"{row.actor_kind} {row.actor}"
