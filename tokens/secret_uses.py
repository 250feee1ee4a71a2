"""What is remembered of the use of held secrets: when and from where, the first one, and that an ended one came."""

import hashlib
import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import Error, InternalError, OperationalError, connection, transaction
from django.utils import timezone

from portal import audit, outbox, rows, windows
from portal.actor import Actor
from portal.topics import Topic
from tokens.kinds import Kind
from tokens.models import HeldSecret

NOTED_EVERY = timedelta(minutes=1)
MISUSE_TOLD_EVERY = 3600

log = logging.getLogger("gatehouse.secrets")


def note(kind: Kind, by: Actor, secret_id: str, last_used_at: datetime | None) -> None:
    """Remember when and from where it was used, at most once a minute; a read-only database goes without.

    The first use is told, since it shows that a rotation has arrived.
    """
    now = timezone.now()
    if last_used_at is not None and timedelta() <= now - last_used_at < NOTED_EVERY:
        return
    try:
        if last_used_at is None:
            _tell_first(kind, by, secret_id, now)
        else:
            rows.note(
                f"UPDATE {kind.secret._meta.db_table} SET last_used_at = %s, last_used_from = %s "  # noqa: S608
                "WHERE id = %s AND last_used_at = %s",
                [_kept(now), by.address, secret_id, _kept(last_used_at)],
            )
    except (OperationalError, InternalError):
        return


@transaction.atomic
def _tell_first(kind: Kind, by: Actor, secret_id: str, now: datetime) -> None:
    first = kind.secret._default_manager.filter(pk=secret_id, last_used_at=None)
    if first.update(last_used_at=now, last_used_from=by.address):
        facts = {"secret": secret_id, "address": by.address}
        audit.record(by, f"{kind.noun}.secret_first_used", (kind.noun, by.name), after=facts)
        outbox.put(Topic(f"{kind.noun}.secret_first_used"), {kind.noun: by.name, "secret": secret_id})


def _kept(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


def tell_misuse(kind: Kind, ended: HeldSecret, address: str, now: datetime) -> None:
    """Tell that an ended secret was shown, once an hour for each secret and address."""
    name = getattr(ended, "client_id", "") or (ended.holder.pk if ended.holder else ended.pk)
    key = hashlib.sha256(f"retired {ended.pk} {address}".encode()).hexdigest()
    if windows.number(key, MISUSE_TOLD_EVERY, now, most=1) > 1:
        return
    facts = {"secret": ended.pk, "ended_at": ended.ended_at, "address": address}
    by = Actor(name, "app", address=address)
    try:
        with transaction.atomic():
            audit.record(by, f"{kind.noun}.retired_secret_used", (kind.noun, name), after=facts)
            told = {kind.noun: name, "secret": ended.pk, "address": address}
            outbox.put(Topic(f"{kind.noun}.retired_secret_used"), told)
    except Error:
        log.warning("An ended secret of %s was shown from %s; the history does not take it now.", name, address)
