"""How shutdowns stand: which there are, how many of their devices are in which state, and what may be done with one."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, Window
from django.db.models.functions import RowNumber
from django.http import QueryDict

from devices import installed, shutdown_retries
from devices import shutdown_states as states
from devices.models import ID, Device, JobState, ShutdownAck, ShutdownJob, ShutdownTarget, TargetState
from devices.shutdown_states import CLAIMED, JOB_FOLLOWS, NOT_CLAIMED, RETRIED
from portal import clock
from portal.actor import Actor
from portal.keyset import Order, Place
from portal.parameters import once, one_of
from portal.refusal import Invalid
from portal.scopes import Scope

PAGE = 50
TARGETS = 50
UNDER_WAY = (JobState.AWAITING_APPROVAL, JobState.SCHEDULED, JobState.RUNNING)
LATEST = Order("created_at", descending=True)

Counts = Mapping[str, int]

_PLACE = re.compile(r"([0-9T:.+-]{19,40})_([0-9a-f-]{36})", re.ASCII)


@dataclass(frozen=True)
class Shown:
    """A shutdown with the number of its devices in each state."""

    job: ShutdownJob
    counts: Counts

    @property
    def told(self) -> list[tuple[str, str, int]]:
        """The states that it has devices in: the word, how it reads, and the number."""
        return [(state.value, str(state.label), self.counts[state]) for state in TargetState if self.counts[state]]

    @property
    def ended(self) -> int:
        return sum(number for state, number in self.counts.items() if state not in states.UNDER_WAY)


@dataclass(frozen=True)
class Listing:
    """Those under way, and then at most 50 that have ended; `older` is where the next page begins, empty at the end."""

    under_way: list[Shown]
    ended: list[Shown]
    device: str
    is_first: bool
    older: str


@dataclass(frozen=True)
class AppOn:
    """An app that was told; it is awaited while it has not acknowledged and is still on the device."""

    ack: ShutdownAck
    awaited: bool


@dataclass(frozen=True)
class Row:
    """One device of a shutdown: `device` is None once it was purged, `left` is in seconds until its deadline."""

    target: ShutdownTarget
    device: Device | None
    apps: list[AppOn]
    left: int


@dataclass(frozen=True)
class Targets:
    """At most 50 devices of a shutdown, all or those in one state; `more` is the id after which the next go on."""

    rows: list[Row]
    state: str
    after: str
    more: str


def counts(jobs: Collection[UUID]) -> dict[UUID, dict[str, int]]:
    """How many devices of each of these shutdowns are in each state; one question for all."""
    found = {job: dict.fromkeys(TargetState.values, 0) for job in jobs}
    grouped = (
        ShutdownTarget.objects.filter(job__in=jobs).order_by().values_list("job_id", "state").annotate(Count("pk"))
    )
    for job, state, number in grouped:
        found[job][state] = number
    return found


def shown(jobs: Sequence[ShutdownJob]) -> list[Shown]:
    numbers = counts([job.pk for job in jobs])
    return [Shown(job, numbers[job.pk]) for job in jobs]


def read(query: QueryDict) -> Listing:
    """The page of the list that a query asks for: `device` narrows it, `after` is where it begins."""
    device, after = device_in(query), once(query, "after") or ""
    jobs = ShutdownJob.objects.filter(targets__device_id=device) if device else ShutdownJob.objects.all()
    under_way = [] if after else list(jobs.filter(state__in=UNDER_WAY).order_by("-created_at", "-pk")[:TARGETS])
    found = LATEST.rows(jobs.exclude(state__in=UNDER_WAY), _place(after) if after else None, PAGE + 1)
    older = _written(found[PAGE - 1]) if len(found) > PAGE else ""
    both = shown([*under_way, *found[:PAGE]])
    return Listing(both[: len(under_way)], both[len(under_way) :], device, not after, older)


def targets_in(job: ShutdownJob, query: QueryDict) -> Targets:
    """The devices of the shutdown that a query asks for: `state`, and `after` which id."""
    state, after = one_of(query, "state", TargetState.values) or "", once(query, "after") or ""
    if after and not re.fullmatch(ID, after, re.ASCII):
        raise Invalid("after", "This is no place in the list; begin at its top.")
    narrowed = Q(device_id__gt=after) & (Q(state=state) if state else Q())
    found = list(job.targets.filter(narrowed).order_by("device_id").prefetch_related("acks")[: TARGETS + 1])
    more = found[TARGETS - 1].device_id if len(found) > TARGETS else ""
    return Targets(_rows(found[:TARGETS]), state, after, more)


def device_in(query: QueryDict) -> str:
    device = once(query, "device") or ""
    if device and not re.fullmatch(ID, device, re.ASCII):
        raise Invalid("device", "This is no id of a device.")
    return device


def under_way(most: int) -> list[ShutdownJob]:
    """What has not ended, the oldest first and so many of each state at most; one question for all."""
    place = Window(RowNumber(), partition_by="state", order_by="created_at")
    numbered = ShutdownJob.objects.filter(state__in=UNDER_WAY).annotate(place=place)
    return list(numbered.filter(place__lte=most).order_by("created_at"))


def verbs(job: ShutdownJob, numbers: Counts, *, by: Actor) -> list[str]:
    """What whoever asks may do with the shutdown as it stands."""
    follows = JOB_FOLLOWS[JobState(job.state)]
    decides = JobState.REFUSED in follows and by.may(Scope.SHUTDOWNS_APPROVE) and not job.is_of(by.owner)
    requests = by.may(Scope.SHUTDOWNS_REQUEST)
    possible = {
        "approve": decides,
        "refuse": decides,
        "cancel": requests and not job.is_final and any(numbers[state] for state in NOT_CLAIMED),
        "retry": requests and any(numbers[state] for state in RETRIED) and bool(shutdown_retries.retriable(job)),
    }
    return [verb for verb, is_possible in possible.items() if is_possible]


def _rows(found: list[ShutdownTarget]) -> list[Row]:
    now = clock.now()
    devices = Device.objects.select_related("introduction").in_bulk([target.device_id for target in found])
    there = installed.on([target.device_id for target in found if target.state == CLAIMED])
    return [_row(target, devices.get(target.device_id), there, now) for target in found]


def _row(target: ShutdownTarget, device: Device | None, there: Mapping[str, Any], now: datetime) -> Row:
    left = max(0, math.ceil((target.deadline - now).total_seconds())) if target.deadline else 0
    # As the rule says it: at the deadline nobody is awaited any more, nor once the device was told to go on.
    waits = left and not target.released_at
    on_it = {app.installation for app in there.get(target.device_id, ())} if waits else set()
    apps = [AppOn(ack, ack.acknowledged_at is None and ack.installation in on_it) for ack in target.acks.all()]
    return Row(target, device, apps, left)


def _written(job: ShutdownJob) -> str:
    place = LATEST.place(job)
    return f"{place.value}_{place.pk}"


def _place(after: str) -> Place:
    form = _PLACE.fullmatch(after)
    try:
        moment, pk = (datetime.fromisoformat(form[1]), UUID(form[2])) if form else (None, None)
        # With its offset it may lie beyond the years that there are.
        moment = moment.astimezone(UTC) if moment and moment.tzinfo else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise Invalid("after", "This is no place in the list; begin at its top.")
    return Place(moment.isoformat(), pk)
