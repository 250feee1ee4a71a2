"""What the fleet has to say on the overview: who waits, and how many devices there are of each status."""

from typing import Any

from devices import counts, shutdown_approval
from devices.models import KeyChange, KeyChangeRequest, Status
from portal.actor import Actor
from portal.overview import panel
from portal.scopes import Scope

SHOWN = 5


@panel("devices/_overview.html", Scope.DEVICES_READ)
def fleet(actor: Actor) -> dict[str, Any]:
    """Counts, a bar of shares in per cent, the key changes that nobody has decided on, and the shutdowns to approve."""
    numbers = counts.by_tab()
    wanting = KeyChangeRequest.objects.filter(state=KeyChange.OPEN, device__denied_at=None)
    key_changes = list(wanting.select_related("device__introduction").order_by("-seen_at")[: SHOWN + 1])
    awaiting = shutdown_approval.how_many_await(by=actor)
    mark = "-".join(str(fact) for fact in (awaiting, *numbers.values(), *(change.pk for change in key_changes)))
    return {
        "counts": numbers,
        "known": numbers[counts.ALL] + numbers[counts.DENIED],
        "shares": _shares({tab: numbers[tab] for tab in (*Status.values, counts.DENIED)}),
        "key_changes": key_changes[:SHOWN],
        "shutdowns": awaiting,
        "more_key_changes": len(key_changes) > SHOWN,
        "mark": mark,
    }


def _shares(numbers: dict[str, int]) -> list[dict[str, Any]]:
    whole, left, shares = sum(numbers.values()) or 1, 0.0, []
    for tab, number in numbers.items():
        width = 100 * number / whole
        shares.append({"tab": tab, "number": number, "x": f"{left:.2f}", "width": f"{width:.2f}"})
        left += width
    return shares
