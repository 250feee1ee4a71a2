"""Removing what ended long ago; every app declares its kinds here. The history is never touched.

It goes in batches, each with its row in the history in the same transaction, so that a run that is killed has removed
what that row says and the next one goes on.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from portal import audit
from portal.actor import Actor
from portal.models import ExpiryNotice, KeptAnswer, Letter, WindowCount
from portal.refusal import Invalid

Rows = QuerySet[Any, Any]
Ended = Callable[[datetime], Rows]

USUAL = timedelta(days=400)
# What has ended is told of for a month, and those who ask why something stopped ask within weeks.
LEAST = timedelta(days=60)
BATCH = 500

_kinds: dict[str, Ended] = {}


def register(kind: str, ended: Ended) -> None:
    """Let `prune` remove the rows that `ended` gives for a moment; kinds go in the order in which they come here."""
    _kinds[kind] = ended


def outlook(older_than: timedelta = USUAL) -> dict[str, int]:
    """How much of each kind `prune` would remove."""
    before = _before(older_than)
    return {kind: ended(before).count() for kind, ended in _kinds.items()}


def prune(older_than: timedelta = USUAL, *, by: Actor) -> dict[str, int]:
    """Remove what ended longer ago than that, 60 days at least, and say how much of each kind."""
    before, removed = _before(older_than), Counter(dict.fromkeys(_kinds, 0))
    while batch := _prune_batch(before, by):
        removed.update(batch)
    return dict(removed)


@transaction.atomic
def _prune_batch(before: datetime, by: Actor) -> dict[str, int]:
    removed: dict[str, int] = {}
    for kind, ended in _kinds.items():
        room = BATCH - sum(removed.values())
        # Locked, so that of two runs at once each counts what it has removed itself.
        rows = ended(before).select_for_update(of=("self",)).only("pk").order_by("pk")
        keys = [row.pk for row in rows[:room]] if room else []
        if keys:
            rows.model._default_manager.filter(pk__in=keys).delete()
            removed[kind] = len(keys)
    if removed:
        audit.record(by, "pruned", ("database", "gatehouse"), after={"ended_before": before, **removed})
    return removed


def _before(older_than: timedelta) -> datetime:
    if older_than < LEAST:
        raise Invalid("older_than", f"What ended within the last {LEAST.days} days stays; prune what is older.")
    return timezone.now() - older_than


register("sessions", lambda before: Session.objects.filter(expire_date__lt=before))
register("kept_answers", lambda before: KeptAnswer.objects.filter(created_at__lt=before))
register("window_counts", lambda before: WindowCount.objects.filter(at__lt=before))
register("letters", lambda before: Letter.objects.filter(sent_at__lt=before))
register("notices", lambda before: ExpiryNotice.objects.filter(at__lt=before, ends_at__lt=before))
