"""After the database was put back from a backup: what was issued since opens nothing, what was done is not done again.

Most of what was issued since is worth nothing anyway, for its row is gone. Every app declares here what outlives its
row, and what would be taken up again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet

from portal import audit
from portal.actor import Actor
from portal.models import AuditEvent

Rows = QuerySet[Any, Any]


End = Callable[[Actor], int]


@dataclass(frozen=True)
class Kind:
    """What of a kind is live in the database that was put back, and how to end it and say how much it was."""

    live: Callable[[], Rows]
    end: End


_kinds: dict[str, Kind] = {}


def register(kind: str, live: Callable[[], Rows], end: End | None = None) -> None:
    """Let `settle` end what is live of a kind, in the order of these calls; without `end` its rows are deleted."""
    _kinds[kind] = Kind(live, end or (lambda by: live().delete()[0]))


def outlook() -> dict[str, int]:
    """How much of each kind `settle` would end."""
    return {name: kind.live().count() for name, kind in _kinds.items()}


@transaction.atomic
def settle(*, by: Actor) -> dict[str, int]:
    """End what must not go on after a restore, all of it or nothing, and say how much of each kind."""
    ended = {name: kind.end(by) for name, kind in _kinds.items()}
    audit.record(by, "restored", ("database", "gatehouse"), after=ended)
    return ended


def advice(*, by: Actor) -> str:
    """What is left to people, who alone know it; what an earlier `settle` wrote is no part of the backup."""
    last = AuditEvent.objects.exclude(actor=by.name, actor_kind=by.kind).order_by("-number").first()
    ends = f"The history ends at {last.at:%Y-%m-%dT%H:%M:%SZ}" if last else "There is no history"
    return (
        f"{ends}. Whatever was revoked, disabled, denied or deactivated after that is as it was before: do it again, "
        "as your webhooks' receivers or the other backup tell it."
    )


register("sessions", Session.objects.all)
