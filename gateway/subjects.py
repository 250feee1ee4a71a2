"""Routes where audit rows are about them: people know a route by its prefix, and a row by its number."""

import re
from collections.abc import Sequence

from gateway.models import Route
from portal import subjects
from portal.audit_listing import named
from portal.models import AuditEvent
from portal.scopes import Scope
from portal.subjects import Subject, Subjects

# What the database takes for a number of a row.
_NUMBER = re.compile("[0-9]{1,18}")


@subjects.kind("route", Scope.GATEWAY_READ)
def routes(events: Sequence[AuditEvent]) -> Subjects:
    """By the prefix that the row tells of, else by that which the route has now."""
    numbers = {event.subject_id for event in events if _NUMBER.fullmatch(event.subject_id)}
    there = {str(route.pk): route for route in Route.objects.filter(pk__in=numbers).only("pk", "prefix")}
    return {event.number: _subject(event, there.get(event.subject_id)) for event in events}


def _subject(event: AuditEvent, route: Route | None) -> Subject:
    told = named(event.after).get("prefix") or named(event.before).get("prefix")
    prefix = told or (route.prefix if route else "")
    page = subjects.page("routes:detail", route.pk) if route else ""
    return Subject(f"/{prefix}" if prefix else event.subject_id, page)
