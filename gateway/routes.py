"""Routes of the gateway are made, changed, switched and deleted here; each Envoy is told within 2.5 s."""

from collections.abc import Mapping
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from gateway import route_fields, route_origins, target_cas, trial
from gateway.models import Origin, Route
from portal import audit, outbox, text
from portal.actor import Actor
from portal.refusal import NotFound, Refusal, Stale
from portal.topics import Topic

MOST = 2000
# What somebody may write of a route.
FACTS: Final = (
    "prefix", "target", "scope", "is_enabled", "methods", *route_fields.BOUNDS, "health_path", "websocket",
    "cors_origins", "cors_credentials", "host_header", "forward_token", "target_ca",
)  # fmt: skip
# Whoever changes a route by hand: what a list of entries says of it counts no more.
BY_HAND: Final = ("person", "token", "app")
TOPICS: Final = {"made": Topic.ROUTE_MADE, "deleted": Topic.ROUTE_DELETED}


class PrefixTaken(Refusal):
    code = "prefix_taken"

    def __init__(self, prefix: str) -> None:
        there = Route.objects.filter(prefix__iexact=prefix).first()
        found = f"{there} is already a route to {there.target}" if there else f"{prefix} is already a route"
        super().__init__(f"{found}; choose another prefix, or change that one.")


class TooMany(Refusal):
    code = "too_many_routes"

    def __init__(self) -> None:
        super().__init__(f"There are {MOST} routes already; delete one that nobody needs.")


class NotPossible(Refusal):
    """No Envoy would take it."""

    status, code = 400, "route_not_possible"

    def __init__(self, reason: str) -> None:
        sentence = f"Envoy would not take this route: {reason.rstrip('.')}."
        super().__init__(sentence)
        self.invalid = {"route": [sentence]}


class Changed(Stale):
    """The route is another than was seen."""

    code = "route_changed"

    def __init__(self, route: Route) -> None:
        super().__init__(f"The route {route} has changed since you looked; look again, then decide.")


class Unknown(NotFound):
    code = "route_unknown"

    def __init__(self) -> None:
        super().__init__("There is no such route; the list shows all there are.")


def find(number: int) -> Route:
    """The route with this number."""
    route = Route.objects.filter(pk=number).first()
    if route is None:
        raise Unknown
    return route


def make(prefix: str, target: str, *, by: Actor, reason: str = "", **facts: Any) -> Route:
    """Open a path of the gateway: what `plan` makes of this, kept."""
    return open_(plan(prefix, target, by=by, reason=reason, **facts), by=by, reason=reason)


def plan(
    prefix: str,
    target: str,
    *,
    by: Actor,
    reason: str = "",
    origin: Origin = Origin.PERSON,
    tried: bool = False,
    **facts: Any,
) -> Route:
    """A route, judged and not kept. What is not said has its default; the scope is `gateway:` and the prefix.

    `tried` says that it has been asked already where the target leads, and whether Envoy would take this one. Else it
    takes seconds where the names of the target or Envoy are slow, so it is no work for within a transaction.
    """
    text.check("reason", reason, most=500)
    facts.setdefault("methods", route_fields.METHODS)
    kept = route_fields.prefix(prefix)
    wanted = _judged({"scope": route_fields.scope_for(kept), **facts, "prefix": kept, "target": target}, tried=tried)
    route = Route(**wanted, origin=origin, created_by=str(by))
    route_fields.refuse_at_odds(route)
    if Route.objects.count() >= MOST:
        raise TooMany
    if Route.objects.filter(prefix__iexact=kept).exists():
        raise PrefixTaken(kept)
    if not tried:
        _try(route)
    return route


def open_(route: Route, *, by: Actor, reason: str = "") -> Route:
    """Open what was planned; refused if somebody was faster with the prefix."""
    with transaction.atomic():
        write(route)
        record_made(route, by=by, reason=reason)
    return route


def write(route: Route) -> None:
    """Write what was planned, before `record_made` in the same transaction; refused as `open_` says.

    Whoever writes several does so in the order of their prefixes and records none before all are written: else two
    that write the same ones each hold what the other waits for, a prefix or the history.
    """
    try:
        with transaction.atomic():
            route.save(force_insert=True)
    except IntegrityError as taken:
        raise PrefixTaken(route.prefix) from taken


def record_made(route: Route, *, by: Actor, reason: str = "") -> None:
    _tell(by, "made", route, None, _facts(route), reason)


def change(
    route: Route,
    *,
    by: Actor,
    seen: int | None = None,
    reason: str = "",
    origin: Origin | None = None,
    tried: bool = False,
    **wanted: Any,
) -> None:
    """Change what is named; no change, no trace. `seen` is the revision that was looked at; one changed since stays.

    What comes to the gateway meanwhile is served by the old route or by the new one; no request fails. What
    came from a list is edited once a person or a program has changed it. A list of routes that takes it over becomes
    its `origin`; `tried` as in `make`.
    """
    text.check("reason", reason, most=500)
    _refuse_unseen(route, seen)
    before = _facts(route)
    changed = {name: value for name, value in _judged(wanted, tried=tried).items() if value != before[name]}
    if not changed:
        return
    future = Route(**{**before, **changed}, pk=route.pk)
    route_fields.refuse_at_odds(future)
    others = Route.objects.exclude(pk=route.pk)
    if others.filter(prefix__iexact=future.prefix).exists():
        raise PrefixTaken(future.prefix)
    if future.is_enabled and "target" not in changed and not route.is_enabled and not tried:
        route_fields.target(future.target)  # What was open once need not be open now.
    if not tried:
        _try(future)
    verb = "changed"
    if list(changed) == ["is_enabled"]:
        verb = "enabled" if future.is_enabled else "disabled"
    try:
        with transaction.atomic():
            same = Route.objects.filter(pk=route.pk, revision=route.revision)
            by_hand = by.kind in BY_HAND and route.origin != Origin.PERSON
            standing = {"is_edited": route.is_edited or by_hand, "origin": origin or route.origin}
            if not same.update(**changed, **standing, revision=route.revision + 1, changed_at=timezone.now()):
                raise Changed(route) if Route.objects.filter(pk=route.pk).exists() else Unknown
            _tell(by, verb, future, {name: before[name] for name in changed}, changed, reason)
    except IntegrityError as taken:
        raise PrefixTaken(future.prefix) from taken
    route.refresh_from_db()


def enable(route: Route, *, by: Actor, seen: int | None = None, reason: str = "") -> None:
    """Serve it again."""
    change(route, by=by, seen=seen, reason=reason, is_enabled=True)


def disable(route: Route, *, by: Actor, seen: int | None = None, reason: str = "") -> None:
    """Serve it no more: its path is answered as one that nobody knows."""
    change(route, by=by, seen=seen, reason=reason, is_enabled=False)


@transaction.atomic
def delete(route: Route, *, by: Actor, seen: int | None = None, reason: str = "") -> None:
    """Remove it."""
    text.check("reason", reason, most=500)
    _refuse_unseen(route, seen)
    there = Route.objects.select_for_update().filter(pk=route.pk, revision=route.revision).first()
    if there is None:
        raise Changed(route) if Route.objects.filter(pk=route.pk).exists() else Unknown
    there.delete()  # It is locked before what was counted of it goes, so that nothing is counted in between.
    _tell(by, "deleted", route, _facts(route), None, reason)


def _judged(wanted: Mapping[str, Any], *, tried: bool) -> dict[str, Any]:
    """What is wanted as it is kept; refused by the name of the field."""
    judges: dict[str, Any] = {
        "prefix": route_fields.prefix,
        "target": route_fields.spelling if tried else route_fields.target,
        "scope": route_fields.scope,
        "methods": route_fields.methods,
        "host_header": route_fields.host_header,
        "health_path": route_fields.health_path,
        "cors_origins": route_origins.origins,
        "target_ca": lambda pem: target_cas.bundle(pem, timezone.now()),
    }
    return {
        name: route_fields.number(name, value) if name in route_fields.BOUNDS else judges.get(name, bool)(value)
        for name, value in wanted.items()
    }


def _try(route: Route) -> None:
    """Refuse a route that no Envoy would take.

    It is tried alone: what stands in the table and among the clusters for a route is made of this one and of what all
    have in common, and is known by its number, so others that were taken before can neither spoil it nor hide a fault.
    """
    if route.is_enabled and (reason := trial.reason_against_routes([route_fields.planned(route)])):
        raise NotPossible(reason)


def _refuse_unseen(route: Route, seen: int | None) -> None:
    if seen is not None and seen != route.revision:
        raise Changed(route)


def _facts(route: Route) -> dict[str, Any]:
    return {name: getattr(route, name) for name in FACTS}


def _tell(
    by: Actor,
    word: str,
    route: Route,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    reason: str,
) -> None:
    was, became = _in_short(before), _in_short(after)
    audit.record(by, f"route.{word}", ("route", str(route.pk)), before=was, after=became, reason=reason)
    topic = TOPICS.get(word, Topic.ROUTE_CHANGED)
    outbox.put(topic, {"route": route.prefix, "enabled": route.is_enabled, "by": str(by), "reason": reason})


def _in_short(facts: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The facts as the history keeps them: of certificates their fingerprints."""
    if not facts or "target_ca" not in facts:
        return facts
    return {**facts, "target_ca": target_cas.fingerprints(facts["target_ca"])}
