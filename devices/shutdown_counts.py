"""How many devices of all shutdowns are in each state: those under way as they are, the ended ones as last counted."""

from collections.abc import Mapping

from django.db.models import Count, QuerySet

from devices import shutdown_states as states
from devices.models import ShutdownTarget, TargetState
from portal.models import KeptCount

NAME = "shutdown targets"


def by_state() -> Mapping[str, int]:
    """What has ended stays for ever, so the worker counts it once a minute; before the first time all is counted."""
    kept = KeptCount.objects.filter(name=NAME).first()
    numbers = dict(kept.numbers) if kept else _counted(ShutdownTarget.objects.all())
    if kept:
        under_way = ShutdownTarget.objects.filter(state__in=states.UNDER_WAY)
        numbers |= dict.fromkeys(states.UNDER_WAY, 0) | _counted(under_way)
    return {state.value: numbers.get(state, 0) for state in TargetState}


def keep() -> None:
    """Count all, for those who ask until the next time."""
    KeptCount.objects.update_or_create(name=NAME, defaults={"numbers": _counted(ShutdownTarget.objects.all())})


def _counted(targets: QuerySet[ShutdownTarget]) -> dict[str, int]:
    return dict(targets.order_by().values_list("state").annotate(Count("pk")))
