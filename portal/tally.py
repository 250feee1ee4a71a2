"""How often what happened, by the hour: admissions as they are told, requests as they are answered.

Admissions are counted exactly, in the transaction that takes their message out of the outbox. Requests are counted in
the memory of each process and saved every ten seconds, so that a process that is killed loses at most those of ten
seconds; while the database does not answer or is read-only they are kept for later.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from django.db import Error, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from portal import outbox
from portal.models import HourlyCount, Outbox
from portal.sessions import POLL_HEADER

ADMISSIONS = ("device.pending", "device.accepted", "device.rejected", "device.denied")
ANSWERED, REFUSED, FAILED = REQUESTS = ("request.answered", "request.refused", "request.failed")
SAVED_EVERY = 10.0
KEPT_FOR = timedelta(days=8)
HOUR = 3600

# Asked by machines that watch us, again and again; the first is answered without the database, so it saves nothing.
ALIVE = "/healthz"
WATCHERS = (ALIVE, "/readyz", "/metrics", "/v3/discovery")

ADD = """
    INSERT INTO portal_hourlycount (hour, name, number) VALUES (%s, %s, %s)
    ON CONFLICT (hour, name) DO UPDATE SET number = portal_hourlycount.number + excluded.number
"""

Counts = Mapping[tuple[int, str], int]


def add(name: str, number: int, at: datetime) -> None:
    """Count so many of these in the hour of that moment; of two who count at once both are counted."""
    _save({(int(at.timestamp()) // HOUR, name): number})


def last_day(now: datetime) -> dict[str, list[int]]:
    """Each name with its 24 numbers, of the hour under way and of the 23 before it, the oldest first."""
    this = int(now.timestamp()) // HOUR
    found: dict[str, list[int]] = {name: [0] * 24 for name in (*ADMISSIONS, *REQUESTS)}
    counts = HourlyCount.objects.filter(hour__gte=_moment(this - 23), hour__lte=_moment(this), name__in=found)
    for hour, name, number in counts.values_list("hour", "name", "number"):
        found[name][int(hour.timestamp()) // HOUR - this + 23] = number
    return found


def forget() -> None:
    """Remove what no chart shows any more."""
    HourlyCount.objects.filter(hour__lt=timezone.now() - KEPT_FOR).delete()


@outbox.receiver
def count_admission(message: Outbox) -> None:
    if message.topic in ADMISSIONS:
        add(message.topic, 1, message.created_at)


class Requests:
    """The requests that a process has answered and not saved yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unsaved: Counter[tuple[int, str]] = Counter()
        self._due = time.monotonic() + SAVED_EVERY

    def count(self, status: int) -> None:
        name = ANSWERED if status < 400 else REFUSED if status < 500 else FAILED
        with self._lock:
            self._unsaved[int(time.time()) // HOUR, name] += 1

    def save_if_due(self) -> None:
        """Save what has been counted if that is ten seconds ago; what cannot be saved waits for the next time."""
        if time.monotonic() < self._due:
            return
        with self._lock:
            if time.monotonic() < self._due:
                return
            self._due = time.monotonic() + SAVED_EVERY
            taken, self._unsaved = self._unsaved, Counter()
        try:
            _save(taken)
        except Error:
            with self._lock:
                self._unsaved += taken


class TallyMiddleware:
    """Count what is answered, save it behind the answer's own transactions, and never fail a request for that."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.requests = Requests()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # A page that looks again and again is no more a request of somebody's than a watcher's.
        if not request.path.startswith(WATCHERS) and POLL_HEADER not in request.headers:
            self.requests.count(response.status_code)
        if request.path != ALIVE:
            self.requests.save_if_due()
        return response


def _save(counts: Counts) -> None:
    if not counts:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        # In one order, so that two who save the same hours never wait for each other.
        for (hour, name), number in sorted(counts.items()):
            cursor.execute(ADD, [connection.ops.adapt_datetimefield_value(_moment(hour)), name, number])


def _moment(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * HOUR, UTC)
