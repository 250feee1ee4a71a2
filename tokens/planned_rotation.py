"""Rotating what is due, one after the other, so that a run that is killed can be run again and nobody is cut off.

Each is a transaction of its own, in which the new secret is shown before the change commits: what was never shown never
counts, and what was shown may be void if the run was killed in that moment. The old secret is good in either case.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from portal.actor import Actor
from tokens import held, overlap, rotation
from tokens.models import ApiToken, AppCredential
from tokens.overlap import Rotated


def due_credentials(within: timedelta) -> list[AppCredential]:
    """Live credentials whose newest secret expires within this time and without an open overlap, the soonest first."""
    now = timezone.now()
    near = AppCredential.objects.live(now).filter(expires_at__lte=now + within)
    near = near.select_related("version__app").prefetch_related("secrets").order_by("expires_at", "pk")
    return [credential for credential in near if _is_due(credential, within, now)]


def rotate_credential(
    credential: AppCredential,
    *,
    by: Actor,
    within: timedelta,
    grace: timedelta | None = None,
    days: int | None = None,
    show: Callable[[Rotated], None],
) -> Rotated | None:
    """Rotate a credential that is due still; None if it is not, since another run or a person was faster.

    Without a `grace` the old secret goes on for what it has left, at most 30 days. If `show` fails, nothing changes.
    """
    hours = overlap.LONGEST_GRACE_HOURS if grace is None else grace / timedelta(hours=1)
    with suppress(held.Gone), transaction.atomic():
        locked = held.lock(credential)
        if _is_due(locked, within, timezone.now()):
            rotated = overlap.rotate(locked, by=by, grace_hours=hours, days=days)
            show(rotated)
            return rotated
    return None


def rotate_token(token: ApiToken, *, by: Actor, overlap_hours: int, show: Callable[[rotation.Rotated], None]) -> None:
    """The same for an API token. If `show` fails, nothing changes."""
    with transaction.atomic():
        show(rotation.rotate(token, by=by, overlap_hours=overlap_hours))


def _is_due(credential: Any, within: timedelta, now: datetime) -> bool:
    ends = now < credential.expires_at <= now + within
    return ends and not credential.revoked_at and not credential.disabled_at and len(credential.living(now)) == 1
