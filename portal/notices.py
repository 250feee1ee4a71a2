"""Notices of what ends: 30, 7 and 1 days before, and when it has; each once, one mail for each owner and run.

That a notice was given is a row that can be there once, so whoever inserts it gives the notice, and nobody else: with
two workers, after one was killed, and with a clock that was set back.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import Error, connection, transaction
from django.db.models import CharField, DateTimeField, Exists, ExpressionWrapper, F, OuterRef, Value, Window
from django.db.models.functions import Cast, RowNumber
from django.utils import timezone

from portal import audit, expiry, letters, outbox
from portal.actor import Actor
from portal.audit import Change
from portal.expiry import Ending, Source
from portal.models import ExpiryNotice, User
from portal.rfc3339 import written
from portal.templatetags.frame import distance
from portal.topics import Topic

# Days before the end; 0 is when it has ended.
HAS_ENDED, *AHEAD = THRESHOLDS = (0, 1, 7, 30)
# So long after the end it is still told that it has come, if nobody was there to tell it then.
LOOKS_BACK = timedelta(days=30)
# Of one owner and run; the rest is told in the next.
MOST = 500
SHOWN = 50

log = logging.getLogger("gatehouse.worker")

_INSERT = f"""
    INSERT INTO {ExpiryNotice._meta.db_table} (kind, subject, ends_at, days, at) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT DO NOTHING
"""  # noqa: S608  # A name of ours.


@dataclass(frozen=True)
class Due:
    """A notice that is to be given of an end as it stood then."""

    source: Source
    key: str
    ends_at: datetime
    days: int


def give() -> int:
    """Give what is due and say how many; what fails for one owner is left for the next run, and the others get theirs.

    Of several thresholds that were missed the nearest counts alone, and one that had passed before this end was set
    not at all: whoever asks for a token of five days need not be told that it lives no thirty.
    """
    now, given = timezone.now(), 0
    for owner, due in _by_owner(now).items():
        try:
            given += _give(owner, due[:MOST], now)
        except Error:
            raise
        except Exception:  # What goes wrong for one must not go unsaid, and not keep the others from theirs.
            log.exception("The notices for %s could not be given; they are tried again.", owner or "the administrators")
    return given


def _by_owner(now: datetime) -> Mapping[Any, list[Due]]:
    """What is due, by the person who is written to; None stands for the administrators."""
    due: dict[Any, list[Due]] = defaultdict(list)
    reachable = set(User.objects.filter(is_active=True).exclude(email="").values_list("pk", flat=True))
    for days, since, until in _bands(now):
        for source in expiry.sources():
            for key, ends_at, owner in _due(source, days, since, until):
                due[owner if owner in reachable else None].append(Due(source, key, ends_at, days))
    return due


def _bands(now: datetime) -> Iterator[tuple[int, datetime, datetime]]:
    """Each threshold with the ends that it is the nearest for, the most pressing first."""
    since = now - LOOKS_BACK
    for days in THRESHOLDS:
        until = now + timedelta(days=days)
        yield days, since, until
        since = until


def _due(source: Source, days: int, since: datetime, until: datetime) -> list[tuple[str, datetime, Any]]:
    """Key, end and owner of what is to be told of at this threshold and was at no nearer one, the soonest first.

    No more of one owner than a run takes.
    """
    rows = source.notified(source.ending(since, until), days)
    # A threshold must lie within the life.
    threshold = ExpressionWrapper(F(source.end) - timedelta(days=days), output_field=DateTimeField())
    rows = rows.annotate(stands_since=source.began, threshold=threshold, key=Cast("pk", CharField()))
    given = ExpiryNotice.objects.filter(
        kind=source.kind, subject=OuterRef("key"), ends_at=OuterRef(source.end), days__lte=days
    )
    rows = rows.filter(~Exists(given), stands_since__lt=F("threshold")).order_by(source.end, "pk")
    if not source.owner:
        return list(rows.values_list("key", source.end, Value(None, CharField()))[:MOST])
    # Of each owner, so that one for whom it fails again and again does not fill the room of the others.
    owner = F(f"{source.owner}_id")
    rows = rows.annotate(place=Window(RowNumber(), partition_by=owner, order_by=(source.end, "pk")))
    return list(rows.filter(place__lte=MOST).values_list("key", source.end, owner))


@transaction.atomic
def _give(owner: Any, due: Sequence[Due], now: datetime) -> int:
    """Tell one person, or the administrators, of what is due: rows, history, messages and mail as one."""
    wanted: dict[Source, dict[tuple[str, datetime], int]] = defaultdict(dict)
    for one in due:
        wanted[one.source][one.key, one.ends_at] = one.days
    ours: list[tuple[Ending, int]] = []
    for source, days in wanted.items():
        rows = source.rows().filter(pk__in=[key for key, _ in days]).order_by(source.end, "pk")
        # One that was rotated or ended in this moment is no longer what was looked at.
        still = ((each, days.get((each.key, each.ends_at))) for each in expiry.told_of(source, rows, owner))
        ours += [(each, its) for each, its in still if its is not None and _is_ours(each, its, now)]
    if not ours:
        return 0
    ours.sort(key=lambda one: one[0].ends_at)
    _write_letter(owner, [ending for ending, _ in ours], now)
    by_noun: dict[str, list[tuple[Ending, int]]] = defaultdict(list)
    for ending, its in ours:
        by_noun[ending.source.noun].append((ending, its))
    for noun, some in by_noun.items():
        changes = [Change(ending.told.subject, after=_facts(ending, its)) for ending, its in some]
        audit.record_all(Actor.worker(), f"{noun}.notice_sent", changes)
    for noun, some in by_noun.items():
        outbox.put_all(Topic(f"{noun}.expiring"), [_message(*one) for one in some])
    return len(ours)


def _is_ours(ending: Ending, days: int, now: datetime) -> bool:
    """Whether nobody has given this notice; from now on somebody has."""
    adapt = connection.ops.adapt_datetimefield_value
    values = [ending.source.kind, ending.key, adapt(ending.ends_at), days, adapt(now)]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, values)
        return bool(cursor.rowcount == 1)


def _facts(ending: Ending, days: int) -> dict[str, Any]:
    owner = ending.owner.username if ending.owner else None
    return {"kind": ending.source.kind, "days": days, "ends_at": written(ending.ends_at), "owner": owner}


def _message(ending: Ending, days: int) -> dict[str, Any]:
    noun, name = ending.told.subject
    return {noun: name, **_facts(ending, days)}


def _write_letter(owner: Any, endings: Sequence[Ending], now: datetime) -> None:
    person = endings[0].owner if owner else None
    to = [person.email] if person else settings.ADMIN_EMAILS
    ended = sum(ending.ends_at <= now for ending in endings)
    soon = len(endings) - ended
    parts = [f"{soon} {'ends' if soon == 1 else 'end'} soon"] if soon else []
    parts += [f"{ended} {'has' if ended == 1 else 'have'} ended"] if ended else []
    subject = f"[Gatehouse] Of your tokens and certificates {' and '.join(parts)}"
    letters.write(to, subject, _text(endings, now, names_owners=person is None))


def _text(endings: Sequence[Ending], now: datetime, *, names_owners: bool) -> str:
    lines = ["What uses these stops, or has stopped, when they end:", ""]
    for ending in endings[:SHOWN]:
        has = "ended" if ending.ends_at <= now else "ends "
        lines += [
            f"{ending.source.words[0]} {ending.told.title}",
            f"  {has}  {ending.ends_at:%Y-%m-%d %H:%M:%S} UTC, {distance(ending.ends_at, now)}",
        ]
        if names_owners and ending.source.owner:
            lines.append(f"  owner  {_whose(ending.owner)}")
        lines.append(f"  to do  {ending.source.advice}")
        if ending.told.url:
            lines.append(f"  page   {settings.PUBLIC_URL}{ending.told.url}")
        lines.append("")
    if len(endings) > SHOWN:
        lines += [f"and {len(endings) - SHOWN} more.", ""]
    lines.append(f"All that ends: {settings.PUBLIC_URL}/portal/expiring/")
    return "\n".join(lines)


def _whose(owner: User | None) -> str:
    if owner is None:
        return "nobody; hand it over to somebody"
    return f"{owner.username}, who {'has no mail address' if owner.is_active else 'is deactivated'}"
