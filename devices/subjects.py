"""Devices and shutdowns where audit rows are about them: which have a page."""

from collections.abc import Sequence

from devices.models import Device
from portal import subjects
from portal.models import AuditEvent
from portal.scopes import Scope
from portal.subjects import Subject, Subjects


@subjects.kind("device", Scope.DEVICES_READ)
def devices(events: Sequence[AuditEvent]) -> Subjects:
    """One that was purged has none."""
    there = set(Device.objects.filter(pk__in={event.subject_id for event in events}).values_list("pk", flat=True))
    return {
        event.number: Subject(event.subject_id, subjects.page("devices:detail", event.subject_id))
        for event in events
        if event.subject_id in there
    }


@subjects.kind("shutdown", Scope.SHUTDOWNS_READ)
def shutdowns(events: Sequence[AuditEvent]) -> Subjects:
    """Each, as they are kept for good."""
    return {
        event.number: Subject(event.subject_id, subjects.page("shutdowns:detail", event.subject_id)) for event in events
    }
