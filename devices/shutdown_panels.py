"""What shutdowns tell on the pages of others: on the overview what waits and what is under way, on a device its own."""

from typing import Any

from devices import shutdown_approval, shutdown_history, shutdown_listing
from devices.models import OPEN, Device, JobState, Status
from devices.sections import section
from portal.actor import Actor
from portal.overview import panel
from portal.scopes import Scope

SHOWN = 5


@panel("devices/_shutdowns_overview.html", Scope.SHUTDOWNS_READ)
def shutdowns(actor: Actor) -> dict[str, Any]:
    """What this person may approve, and what has begun or will."""
    found = shutdown_listing.under_way(SHOWN + 1)
    under_way = [job for job in found if job.state != JobState.AWAITING_APPROVAL]
    decides = len(under_way) < len(found) and actor.may(Scope.SHUTDOWNS_APPROVE)
    awaiting = shutdown_approval.awaiting(SHOWN + 1, by=actor) if decides else []
    shown = shutdown_listing.shown([*awaiting[:SHOWN], *under_way[:SHOWN]])
    first = len(awaiting[:SHOWN])
    return {
        "awaiting": shown[:first],
        "under_way": shown[first:],
        "more": len(awaiting) > SHOWN or len(under_way) > SHOWN,
        "mark": "-".join(f"{each.job.pk}{each.job.state}{each.ended}" for each in shown),
    }


@section("devices/_device_shutdowns.html", Scope.SHUTDOWNS_READ)
def of_device(device: Device) -> dict[str, Any]:
    """The shutdown that is open, and the latest."""
    latest = shutdown_history.of(device)
    return {
        "device": device,
        "open": next((target for target in latest if target.state in OPEN), None),
        "latest": latest,
        "more": len(latest) == shutdown_history.LATEST,
        "possible": device.status == Status.ACCEPTED and not device.is_denied,
    }
