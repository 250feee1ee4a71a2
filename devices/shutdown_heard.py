"""A device that said that it powers off and is heard at its door all the same has not done so."""

from datetime import timedelta

from devices.models import ShutdownTarget, TargetState
from portal import clock

# A device that was heard so soon after it said that it powers off may have had the request under way.
SLACK = timedelta(seconds=10)

# Which shutdown the device `d` says that it carries out, unless it was heard since; one step in the index of open ones.
UNHEARD = (
    "SELECT t.id FROM devices_shutdowntarget t WHERE t.device_id = d.id "
    "AND t.state IN ('queued', 'claimed', 'executing') AND t.state = 'executing' AND t.heard_at IS NULL"
)


def note(target_id: int) -> None:
    """Remember that the device of this shutdown talks on."""
    now = clock.now()
    executing = ShutdownTarget.objects.filter(pk=target_id, state=TargetState.EXECUTING, heard_at=None)
    executing.filter(executing_at__lt=now - SLACK).update(heard_at=now)
