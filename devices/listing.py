"""The list of devices on its page: which tab, what it is narrowed to, how it is sorted, and where the page begins."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import QueryDict
from django.utils import timezone
from django.utils.http import urlencode

from devices import admission, bulk, counts, filters
from devices.models import ID, Device, DeviceQuerySet, Status
from portal import text
from portal.keyset import Order, Place
from portal.parameters import once
from portal.refusal import Invalid

TABS = (*Status.values, counts.DENIED, counts.ALL)
PAGE = 50
BATCH = 500
MOST_WANTED = 200

# What the list may be sorted by. On the denied list the moment of denial stands for the moment of asking.
SORTS: Mapping[str, Order] = {
    "newest": Order("request_time", descending=True),
    "oldest": Order("request_time"),
    "seen": Order("last_seen", descending=True),
    "silent": Order("last_seen"),
    "id": Order("pk"),
}
USUAL_SORT = "newest"

# What the list may be narrowed to, by the words in the URL: asked or seen within a time, or not seen for as long.
WITHIN: Mapping[str, timedelta] = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7)}
BEYOND: Mapping[str, timedelta] = {"not-24h": timedelta(days=1), "not-7d": timedelta(days=7)}
NEVER = "never"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CURSOR = re.compile(rf"(\d{{1,17}}|never)\.({ID})", re.ASCII)


@dataclass(frozen=True)
class Wanted:
    """Which devices a query means and in which order: what stands in the URL of the list and of its file."""

    tab: str
    q: str = ""
    asked: str = ""
    seen: str = ""
    sort: str = USUAL_SORT

    @property
    def is_narrowed(self) -> bool:
        return bool(self.q or self.asked or self.seen)

    @property
    def query(self) -> str:
        """The same again as a query, without what is usual."""
        facts = {"tab": self.tab, "q": self.q, "asked": self.asked, "seen": self.seen}
        sort = {} if self.sort == USUAL_SORT else {"sort": self.sort}
        return urlencode({name: value for name, value in facts.items() if value} | sort)

    @property
    def order(self) -> Order:
        order = SORTS[self.sort]
        denied = self.tab == counts.DENIED and order.field == "request_time"
        return Order("denied_at", order.descending) if denied else order

    @property
    def decisions(self) -> Collection[str]:
        """The decisions on many that some of these devices may stand before."""
        possible = admission.DECISIONS.get(self.tab, tuple(Status))
        return [word for word, decision in bulk.DECISIONS.items() if decision.brings in (*possible, counts.DENIED)]

    def devices(self) -> DeviceQuerySet:
        """All that are meant, in no order."""
        now, devices = timezone.now(), _in_tab(self.tab)
        narrowed: dict[str, Any] = {"q": self.q} if self.q else {}
        if self.asked:
            narrowed["asked_after"] = now - WITHIN[self.asked]
        if self.seen in WITHIN:
            narrowed["seen_after"] = now - WITHIN[self.seen]
        if self.seen in BEYOND:
            narrowed["seen_before"] = now - BEYOND[self.seen]
        if self.seen == NEVER:
            devices = devices.filter(last_seen=None)
        return filters.narrow(devices, narrowed)


@dataclass(frozen=True)
class Listing:
    """At most 50 devices. `older` is where the next page begins, empty at the end.

    `since` is the moment from which on others are news to this page, 0 if it is empty.
    """

    wanted: Wanted
    devices: list[Device]
    is_first: bool
    older: str
    since: int


def read(query: QueryDict) -> Listing:
    """The page that a query asks for: what it wants, and `after`. What is no such query is refused."""
    wanted, after = wanted_in(query), once(query, "after") or ""
    devices = wanted.devices().select_related("introduction")
    found = wanted.order.rows(devices, _place(after) if after else None, PAGE + 1)
    older = _written(wanted.order.place(found[PAGE - 1])) if len(found) > PAGE else ""
    return Listing(wanted, found[:PAGE], not after, older, _since(wanted, found))


def wanted_in(query: QueryDict) -> Wanted:
    """What a query wants: `tab`, `q`, `asked`, `seen` and `sort`."""
    wanted = (once(query, "q") or "").strip()
    text.check("q", wanted, most=MOST_WANTED)
    return Wanted(
        tab_in(query),
        wanted,
        _word(query, "asked", WITHIN),
        _word(query, "seen", (*WITHIN, *BEYOND, NEVER)),
        _word(query, "sort", SORTS) or USUAL_SORT,
    )


def walk(wanted: Wanted) -> Iterator[Device]:
    """All devices that are meant, in their order, in short reads: a slow receiver holds no transaction open."""
    devices, place = wanted.devices().select_related("introduction"), None
    while batch := wanted.order.rows(devices, place, BATCH):
        yield from batch
        place = wanted.order.place(batch[-1])


def tab_in(query: QueryDict) -> str:
    return _word(query, "tab", TABS) or Status.PENDING


def since_in(query: QueryDict) -> int:
    since = once(query, "since") or ""
    if not re.fullmatch(r"\d{1,17}", since, re.ASCII):
        raise Invalid("since", "'since' is a number of microseconds; reload the page.")
    return int(since)


def last_in(query: QueryDict) -> Device | None:
    """The device that was decided on last, if the query names one that is still there."""
    last = once(query, "last") or ""
    if last and not re.fullmatch(ID, last, re.ASCII):
        raise Invalid("last", "This is no id of a device.")
    return Device.objects.filter(pk=last).first() if last else None


def news(tab: str, since: int) -> int:
    """How many devices have come into the list after the newest that the page shows."""
    field = Wanted(tab).order.field
    arrived: int = _in_tab(tab).filter(**{f"{field}__gt": _EPOCH + since * _MICROSECOND}).count()
    return arrived


def _in_tab(tab: str) -> DeviceQuerySet:
    devices: DeviceQuerySet = Device.objects.denied() if tab == counts.DENIED else Device.objects.present()
    return devices.filter(status=tab) if tab in Status.values else devices


def _since(wanted: Wanted, found: list[Device]) -> int:
    """Where the list is the usual one, the moment of its newest device; else now, as nobody sees what is newest."""
    if wanted.is_narrowed or wanted.sort != USUAL_SORT:
        return _micros(timezone.now())
    return _micros(getattr(found[0], wanted.order.field)) if found else 0


def _word(query: QueryDict, name: str, words: Collection[str]) -> str:
    word = once(query, name) or ""
    if word and word not in words:
        raise Invalid(name, f"'{name}' is one of {', '.join(words)}.")
    return word


def _written(place: Place) -> str:
    """A place as it stands in a URL."""
    value = place.value
    moment = "never" if value is None or value == place.pk else _micros(datetime.fromisoformat(value))
    return f"{moment}.{place.pk}"


def _place(after: str) -> Place:
    if not (form := _CURSOR.fullmatch(after)):
        raise Invalid("after", "This is no place in the list; begin at its top.")
    value = None if form[1] == "never" else (_EPOCH + int(form[1]) * _MICROSECOND).isoformat()
    return Place(value, form[2])


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
