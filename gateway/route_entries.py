"""Lists of routes: what EDGEX_ADD_PROXY_ROUTE, `import_routes` and the built-in table of EdgeX make of the routes.

An entry makes a route, changes one that came from the same list, or takes over a disabled one that no list claims any
more; what a person has made or edited stays as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from django.db import transaction
from django.utils import timezone

from gateway import route_entry_text, route_fields, routes, trial
from gateway.models import Origin, Route, RouteEntryRefusal
from gateway.route_entry_text import Entry
from portal.actor import Actor
from portal.refusal import Refusal

Result = Literal["created", "unchanged", "updated", "refused"]
Edition = Literal["3", "4"]

# Prefix, host and port of the services of EdgeX 3; EdgeX 4 has the others too.
EDGEX_3: Final = {
    "core-data": ("edgex-core-data", 59880),
    "core-metadata": ("edgex-core-metadata", 59881),
    "core-command": ("edgex-core-command", 59882),
    "support-notifications": ("edgex-support-notifications", 59860),
    "support-scheduler": ("edgex-support-scheduler", 59861),
    "rules-engine": ("edgex-kuiper", 59720),
    "app-rules-engine": ("edgex-app-rules-engine", 59701),
    "device-virtual": ("edgex-device-virtual", 59900),
}
EDGEX_4: Final = {"support-scheduler": ("edgex-support-scheduler", 59863), "core-keeper": ("edgex-core-keeper", 59890)}
NOT_ALONE: Final = "is not taken either, since other entries of the list are refused."


@dataclass(frozen=True)
class Outcome:
    """What came of an entry; `error` is the rest of a sentence that begins with it."""

    entry: Entry
    prefix: str
    target: str
    result: Result
    error: str = ""
    route: Route | None = None

    @property
    def sentence(self) -> str:
        return f"Entry {self.entry.position} (`{self.entry.shown}`) {self.error}" if self.error else ""

    def as_json(self) -> dict[str, Any]:
        return {
            "position": self.entry.position,
            "prefix": self.prefix,
            "target": self.target,
            "result": self.result,
            "error": self.sentence or None,
        }


def take_variable(text: str, *, by: Actor) -> list[Outcome]:
    """Take the good entries of EDGEX_ADD_PROXY_ROUTE, and remember why the others were refused.

    A route whose entry has left the list is disabled; one whose entry is only misspelt goes on as it was.
    """
    entries = route_entry_text.read(text)
    outcomes = [_done(outcome, Origin.VARIABLE, by) for outcome in _tried(_judged(entries, Origin.VARIABLE))]
    for route in Route.objects.filter(origin=Origin.VARIABLE, is_enabled=True, is_edited=False).order_by("pk"):
        if not any(entry.may_mean(route.prefix) for entry in entries):
            with suppress(Refusal):  # Somebody changes it at this moment, so it is theirs.
                routes.disable(route, by=by, reason="Its entry has left EDGEX_ADD_PROXY_ROUTE.")
    _remember([outcome for outcome in outcomes if outcome.error])
    return outcomes


def take_list(text: str, *, by: Actor, skip_bad: bool = False) -> list[Outcome]:
    """Take all entries of a list or, if any is refused, none; with `skip_bad` take the good ones."""
    return _take_whole(route_entry_text.read(text), Origin.COMMAND, by, skip_bad=skip_bad)


def take_built_in(edition: Edition, host: str = "", *, by: Actor, skip_bad: bool = False) -> list[Outcome]:
    """Enable the routes of EdgeX 3 or 4, those that were deleted too; `host` stands in for all names of hosts."""
    services = EDGEX_3 | (EDGEX_4 if edition == "4" else {})
    entries = [
        route_entry_text.one(position, f"{prefix}.http://{_in_url(host or name)}:{port}")
        for position, (prefix, (name, port)) in enumerate(services.items(), 1)
    ]
    return _take_whole(entries, Origin.BUILT_IN, by, skip_bad=skip_bad)


def _take_whole(entries: Sequence[Entry], origin: Origin, by: Actor, *, skip_bad: bool) -> list[Outcome]:
    judged = _judged(entries, origin)
    if skip_bad:
        return [_done(outcome, origin, by) for outcome in _tried(judged)]
    if not _are_refused(judged) and not _are_refused(judged := _tried(judged)):
        with transaction.atomic():
            # All at once and in one order: who records a change of one of them meanwhile must not wait for this.
            there = Route.objects.filter(pk__in=[outcome.route.pk for outcome in judged if outcome.route])
            list(there.order_by("pk").select_for_update(no_key=True).values_list("pk"))
            taken = _done_together(judged, origin, by)
            if not _are_refused(taken):
                return taken
            transaction.set_rollback(True)
        judged = taken
    return [outcome if outcome.error else _refuse(outcome, NOT_ALONE) for outcome in judged]


def _judged(entries: Iterable[Entry], origin: Origin) -> list[Outcome]:
    """What each entry would do; nothing is done yet."""
    there = {route.prefix.lower(): route for route in Route.objects.all()}
    listed: dict[str, str] = {}
    outcomes, room = [], routes.MOST - len(there)
    for entry in entries:
        outcome = _judge(entry, origin, there, listed, room)
        if not outcome.error:
            listed[outcome.prefix.lower()] = outcome.target
            room -= outcome.result == "created"
        outcomes.append(outcome)
    return outcomes


def _judge(entry: Entry, origin: Origin, there: Mapping[str, Route], listed: Mapping[str, str], room: int) -> Outcome:
    """What one entry would do, where there is room for so many routes more; a name is looked up last."""
    written = "" if "@" in entry.prefix else entry.prefix
    if entry.wrong:
        return Outcome(entry, written, "", "refused", entry.wrong)
    try:
        prefix = route_fields.prefix(entry.prefix)
        target = route_fields.spelling(entry.target)
        route = there.get(prefix.lower())
        outcome = Outcome(entry, prefix, target, "updated" if route else "created", route=route)
        if taken := listed.get(prefix.lower()):
            return _refuse(outcome, _taken(taken))
        if route:
            is_same = (route.prefix, route.target) == (prefix, target)
            is_ours = _is_ours(route, origin)
            if is_same and (route.is_enabled or not is_ours):
                return replace(outcome, result="unchanged")
            if not is_ours:
                return _refuse(outcome, _taken(route.target))
        elif room <= 0:
            raise routes.TooMany
        route_fields.target(entry.target)
    except Refusal as no:
        return Outcome(entry, written, "", "refused", str(no))
    return outcome


def _is_ours(route: Route, origin: Origin) -> bool:
    """Whether an entry of this list may change the route."""
    is_left = not route.is_enabled and route.origin != Origin.PERSON
    return not route.is_edited and (route.origin == origin or is_left)


def _tried(judged: Sequence[Outcome]) -> list[Outcome]:
    """The same without what Envoy would not take: it is asked once for all, and one by one only if it said no.

    Names are looked up and Envoy is asked before anything is done, so that no other change waits for either.
    """
    if not _reason_against(judged):
        return list(judged)
    return [
        _refuse(outcome, str(routes.NotPossible(reason))) if (reason := _reason_against([outcome])) else outcome
        for outcome in judged
    ]


def _done_together(judged: Sequence[Outcome], origin: Origin, by: Actor) -> list[Outcome]:
    """Do all of it in one transaction; what is new is written first, as `routes.write` asks for."""
    written: dict[int, Route] = {}
    taken = {outcome.entry.position: outcome for outcome in judged}
    for outcome in sorted(judged, key=lambda outcome: outcome.prefix.lower()):
        if outcome.result == "created":
            position = outcome.entry.position
            try:
                routes.write(written.setdefault(position, _planned(outcome, origin, by)))
            except Refusal as no:
                taken[position] = _refuse(outcome, str(no))
    if _are_refused(taken.values()):
        return list(taken.values())
    for route in written.values():
        routes.record_made(route, by=by)
    return [outcome if outcome.result == "created" else _done(outcome, origin, by) for outcome in taken.values()]


def _planned(outcome: Outcome, origin: Origin, by: Actor) -> Route:
    is_built_in = origin == Origin.BUILT_IN
    return routes.plan(outcome.prefix, outcome.target, by=by, origin=origin, tried=True, forward_token=is_built_in)


def _done(outcome: Outcome, origin: Origin, by: Actor) -> Outcome:
    """Do what was judged to be good."""
    facts: dict[str, Any] = {"by": by, "origin": origin, "tried": True}
    try:
        if outcome.result == "created":
            routes.open_(_planned(outcome, origin, by), by=by)
        elif outcome.result == "updated" and outcome.route:
            wanted: dict[str, Any] = {"prefix": outcome.prefix, "target": outcome.target, "is_enabled": True}
            routes.change(outcome.route, **wanted, **facts)
    except Refusal as no:
        return _refuse(outcome, str(no))
    return outcome


def _reason_against(outcomes: Sequence[Outcome]) -> str | None:
    """Why Envoy would not take what these would make; routes that it has taken before can spoil none of them."""
    changing = [outcome for outcome in outcomes if outcome.result in ("created", "updated")]
    future = [route_fields.planned(_future(outcome)) for outcome in changing]
    return trial.reason_against_routes(future) if future else None


def _future(outcome: Outcome) -> Route:
    """The route as it would be; one that is not made yet has a number that no other has."""
    if outcome.route:
        facts = {field.name: getattr(outcome.route, field.name) for field in Route._meta.concrete_fields}
        return Route(**{**facts, "prefix": outcome.prefix, "target": outcome.target, "is_enabled": True})
    scope, methods = route_fields.scope_for(outcome.prefix), list(route_fields.METHODS)
    return Route(pk=-outcome.entry.position, prefix=outcome.prefix, target=outcome.target, scope=scope, methods=methods)


@transaction.atomic
def _remember(refused: Iterable[Outcome]) -> None:
    """Keep what was refused at this start in place of what was at the last; of two starts at once, the later stays."""
    RouteEntryRefusal.objects.all().delete()
    now = timezone.now()
    RouteEntryRefusal.objects.bulk_create(
        [
            RouteEntryRefusal(
                position=outcome.entry.position, entry=outcome.entry.shown, sentence=outcome.error[:500], refused_at=now
            )
            for outcome in refused
        ],
        ignore_conflicts=True,
    )


def _are_refused(outcomes: Iterable[Outcome]) -> bool:
    return any(outcome.error for outcome in outcomes)


def _refuse(outcome: Outcome, error: str) -> Outcome:
    return replace(outcome, result="refused", error=error)


def _taken(target: str) -> str:
    return f"is already a route to {target}; left as it is."


def _in_url(host: str) -> str:
    is_bare_ipv6 = ":" in host and not host.startswith("[") and "@" not in host
    return f"[{host}]" if is_bare_ipv6 else host
