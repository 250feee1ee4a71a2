"""Secrets that have ended by themselves: written down and told, so that somebody hears of it who did not ask."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from tokens import held, kinds

# A clock that was set forward by an hour and then back must end nothing for good before its time. What has ended is
# refused from that moment on, whether it is written down or not.
LATER = timedelta(minutes=65)
BATCH = 200


def settle_all() -> int:
    """Write down which secrets have ended, in a transaction for each holder; how many there were."""
    now, settled = timezone.now() - LATER, 0
    for kind in kinds.KINDS.values():
        passed = Q(expires_at__lte=now) | Q(ends_at__lte=now)
        secrets: Any = kind.secret
        standing = secrets.objects.filter(passed, slot__isnull=False, holder__isnull=False)
        for holder in _holders(standing):
            with suppress(held.Gone), transaction.atomic():
                settled += held.settle(held.lock(holder), now)
    return settled


def _holders(secrets: Any) -> Iterator[Any]:
    """The first of those whose secrets these are; the rest has its turn in the next run."""
    yield from {secret.holder_id: secret.holder for secret in secrets.select_related("holder")[:BATCH]}.values()
