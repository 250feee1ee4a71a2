"""A page of the list of devices: which tab, what was searched for, where the page begins, and what is new since."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.http import QueryDict

from devices import counts, search
from devices.models import ID, Device, DeviceQuerySet, Status
from portal import text
from portal.refusal import Invalid

TABS = (*Status.values, counts.DENIED, counts.ALL)
PAGE = 50
MOST_WANTED = 200

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CURSOR = re.compile(rf"(\d{{1,17}})\.({ID})", re.ASCII)


@dataclass(frozen=True)
class Listing:
    """At most 50 devices, the latest first: by when they asked, on the denied list by when they were denied.

    `older` is where the next page begins, empty at the end. `since` is the moment of its first device, or 0.
    """

    tab: str
    wanted: str
    devices: list[Device]
    is_first: bool
    older: str
    since: int


def read(query: QueryDict) -> Listing:
    """The page that a query asks for: `tab`, `q` and `after`. What is no such query is refused."""
    tab, wanted, after = tab_in(query), _one(query, "q").strip(), _one(query, "after")
    text.check("q", wanted, most=MOST_WANTED)
    order = _order(tab)
    devices = search.find(_in_tab(tab), wanted).select_related("introduction").order_by(f"-{order}", "-pk")
    if after:
        moment, device_id = _cursor(after)
        devices = devices.filter(**{f"{order}__lte": moment}).exclude(**{order: moment, "pk__gte": device_id})
    found = list(devices[: PAGE + 1])
    older = _place(found[PAGE - 1], order) if len(found) > PAGE else ""
    since = _micros(getattr(found[0], order)) if found else 0
    return Listing(tab, wanted, found[:PAGE], is_first=not after, older=older, since=since)


def tab_in(query: QueryDict) -> str:
    tab = _one(query, "tab") or Status.PENDING
    if tab not in TABS:
        raise Invalid("tab", f"There is no list '{tab[:40]}'; there are {', '.join(TABS)}.")
    return tab


def since_in(query: QueryDict) -> int:
    since = _one(query, "since")
    if not re.fullmatch(r"\d{1,17}", since, re.ASCII):
        raise Invalid("since", "'since' is a number of microseconds; reload the page.")
    return int(since)


def last_in(query: QueryDict) -> Device | None:
    """The device that was decided on last, if the query names one that is still there."""
    last = _one(query, "last")
    if last and not re.fullmatch(ID, last, re.ASCII):
        raise Invalid("last", "This is no id of a device.")
    return Device.objects.filter(pk=last).first() if last else None


def news(tab: str, since: int) -> int:
    """How many devices have come into the list after the newest that the page shows."""
    order = _order(tab)
    arrived: int = _in_tab(tab).filter(**{f"{order}__gt": _EPOCH + since * _MICROSECOND}).count()
    return arrived


def _in_tab(tab: str) -> DeviceQuerySet:
    devices: DeviceQuerySet = Device.objects.denied() if tab == counts.DENIED else Device.objects.present()
    return devices.filter(status=tab) if tab in Status.values else devices


def _order(tab: str) -> str:
    return "denied_at" if tab == counts.DENIED else "request_time"


def _one(query: QueryDict, name: str) -> str:
    sent = query.getlist(name)
    if len(sent) > 1:
        raise Invalid(name, f"'{name}' is given twice; give it once.")
    return sent[0] if sent else ""


def _place(device: Device, order: str) -> str:
    return f"{_micros(getattr(device, order))}.{device.pk}"


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _cursor(place: str) -> tuple[datetime, str]:
    if not (form := _CURSOR.fullmatch(place)):
        raise Invalid("after", "This is no place in the list; begin at its top.")
    return _EPOCH + int(form[1]) * _MICROSECOND, form[2]
