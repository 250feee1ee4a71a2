"""What ends by itself: every app declares its kinds here, and all of them are read together, the soonest first."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from django.db.models import CharField, Q, QuerySet, Value
from django.db.models.functions import Cast
from django.utils import timezone

from portal.actor import Actor
from portal.models import User
from portal.scopes import Scope

# The banner of every page tells of what ends within this time.
PRESSING = timedelta(days=7)
# So long what has ended is still shown, since some of it can be brought back.
LATELY = timedelta(days=7)

Rows = QuerySet[Any, Any]


@dataclass(frozen=True)
class Told:
    """How one thing is told of: `subject` is its kind and id in the history, `url` its page, empty if it has none."""

    title: str
    subject: tuple[str, str]
    url: str


@dataclass(frozen=True, eq=False)
class Source:
    """One kind of what ends. `rows` gives what counts, ended or not: nothing with a successor, or ended on purpose.

    `end` names the field of its end, `began` is since when that end stands, `owner` the field of whoever hears of it,
    empty if that is the administrators. `noun` begins the words in the history and of the webhooks, such as
    `credential.notice_sent`. `seen_by` narrows the rows to what an actor sees who holds `scope`; `notified` to what is
    told of so many days ahead. `soon` is when it stands on the overview. `tell` is given a row and whose reader it is.
    What mostly renews itself, and comes by the thousand, is not `in_banner`.
    """

    kind: str
    noun: str
    words: tuple[str, str]
    advice: str
    scope: Scope
    rows: Callable[[], Rows]
    tell: Callable[[Any, Any], Told]
    end: str
    began: Any
    owner: str = ""
    seen_by: Callable[[Rows, Actor], Rows] = lambda rows, actor: rows
    notified: Callable[[Rows, int], Rows] = lambda rows, days: rows
    soon: timedelta = timedelta(days=14)
    has_one: bool = False
    in_banner: bool = True

    def ending(self, since: datetime, until: datetime) -> Rows:
        """Those whose end lies after the one moment and not after the other."""
        return self.rows().filter(**{f"{self.end}__gt": since, f"{self.end}__lte": until})

    def first_end(self, now: datetime) -> datetime | None:
        """When the first of those ends that have not; of a kind that has but one, when it did."""
        rows = self.rows() if self.has_one else self.rows().filter(**{f"{self.end}__gt": now})
        # Not with MIN, which would look at all of them.
        return rows.order_by(self.end).values_list(self.end, flat=True).first()


@dataclass(frozen=True)
class Ending:
    """One thing that ends or has lately ended."""

    source: Source
    key: str
    told: Told
    owner: User | None
    began_at: datetime
    ends_at: datetime

    @property
    def has_ended(self) -> bool:
        return self.ends_at <= timezone.now()

    @property
    def days_left(self) -> int:
        """Days that have begun count whole."""
        return max(0, ceil((self.ends_at - timezone.now()) / timedelta(days=1)))


_sources: dict[str, Source] = {}


def register(source: Source) -> None:
    """Let what ends of this kind be told of everywhere."""
    _sources[source.kind] = source


def sources() -> list[Source]:
    return list(_sources.values())


def seen_by(actor: Actor) -> list[Source]:
    """The kinds that the actor may see."""
    return [source for source in sources() if actor.may(source.scope)]


def find(actor: Actor, *, kind: str = "", days: int, own: bool = False, first: int = 0, most: int) -> list[Ending]:
    """So many of what the actor sees that ends within these days or lately ended, the soonest first.

    `own` leaves out what is another person's.
    """
    now = timezone.now()
    parts = {
        source.kind: _visible(source, actor, now - LATELY, now + timedelta(days=days), own=own)
        for source in seen_by(actor)
        if kind in ("", source.kind)
    }
    return _read(parts, actor.owner, first, most)


def soon(actor: Actor, *, most: int) -> list[Ending]:
    """So many of what concerns the actor that ends soon, each kind by what is soon for it."""
    now, own = timezone.now(), not concerns_all(actor)
    parts = {source.kind: _visible(source, actor, now, now + source.soon, own=own) for source in seen_by(actor)}
    return _read(parts, actor.owner, 0, most)


def pressing(actor: Actor) -> int:
    """How much of what concerns the actor ends within 7 days; one question, as every page asks it."""
    now, own = timezone.now(), not concerns_all(actor)
    parts = [
        _visible(source, actor, now, now + PRESSING, own=own).order_by().values_list(Value(1))
        for source in seen_by(actor)
        if source.in_banner
    ]
    return parts[0].union(*parts[1:], all=True).count() if parts else 0


def concerns_all(actor: Actor) -> bool:
    """Whether what belongs to others is the actor's concern too: programs of the whole fleet stop with it."""
    return actor.may(Scope.USERS_MANAGE)


def told_of(source: Source, rows: Rows, reader: Any) -> list[Ending]:
    """These rows of a source, for whoever reads of them."""
    owner = source.owner and f"{source.owner}_id"
    found = list(rows.annotate(stands_since=source.began))
    people = User.objects.in_bulk({getattr(row, owner) for row in found} - {None}) if owner else {}
    return [
        Ending(
            source,
            str(row.pk),
            source.tell(row, reader),
            people.get(getattr(row, owner)) if owner else None,
            row.stands_since,
            getattr(row, source.end),
        )
        for row in found
    ]


def _visible(source: Source, actor: Actor, since: datetime, until: datetime, *, own: bool) -> Rows:
    rows = source.seen_by(source.ending(since, until), actor)
    if own and source.owner:
        rows = rows.filter(Q(**{source.owner: actor.owner}) | Q(**{source.owner: None}))
    return rows


def _read(parts: Mapping[str, Rows], reader: Any, first: int, most: int) -> list[Ending]:
    """First the places of what comes first of each kind, then the rows of those that come first of all.

    The kinds are merged here, for the database would sort all that there is of all of them.
    """
    near = [
        place
        for kind, rows in parts.items()
        for place in rows.order_by(_sources[kind].end, "pk").values_list(
            _sources[kind].end, Value(kind), Cast("pk", CharField())
        )[: first + most]
    ]
    # What ends in the same moment stays as the database ordered it, so that pages neither overlap nor skip.
    places = sorted(near, key=lambda place: place[:2])[first : first + most]
    keys: Mapping[str, list[str]] = defaultdict(list)
    for _, kind, key in places:
        keys[kind].append(key)
    known = {
        (kind, ending.key): ending
        for kind, some in keys.items()
        for ending in told_of(_sources[kind], _sources[kind].rows().filter(pk__in=some), reader)
    }
    # What has been ended or replaced in this moment is not there any more.
    return [known[kind, key] for _, kind, key in places if (kind, key) in known]
