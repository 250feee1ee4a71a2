"""One device's part of a shutdown goes on to its next state, and the shutdown ends with the last of them."""

from datetime import datetime
from typing import Any

from devices import shutdown_start
from devices.models import ShutdownJob, ShutdownTarget, TargetState
from devices.shutdown_states import before
from portal import audit, outbox
from portal.actor import Actor
from portal.topics import Topic


def move(target: ShutdownTarget, state: TargetState, now: datetime, *, by: Actor, **facts: Any) -> bool:
    """Bring it into this state with these facts, if the table allows that; in the surrounding transaction."""
    is_outcome = state != TargetState.EXECUTING
    # The job first, as everything locks it; so of two last devices the second sees that the first is through.
    job = ShutdownJob.objects.select_for_update().get(pk=target.job_id)
    if is_outcome:
        facts["finished_at"] = now
    else:
        facts["executing_at"] = now
    there = ShutdownTarget.objects.filter(pk=target.pk, state__in=before(state))
    if not there.update(state=state, **facts):
        return False
    if is_outcome:
        shutdown_start.settle(job, now)
        tell(job, [target.device_id], state, by, {"code": facts.get("code", ""), "detail": facts.get("detail", "")})
    else:
        audit.record(by, "shutdown.executing", ("device", target.device_id), after={"shutdown": str(job.pk)})
    return True


def tell(job: ShutdownJob, devices: list[str], state: TargetState, by: Actor, facts: dict[str, str]) -> None:
    """Say of each device how it ended."""
    after = {"shutdown": str(job.pk), "outcome": state, **{name: text for name, text in facts.items() if text}}
    audit.record_all(by, "shutdown.finished", [audit.Change(("device", each), after=after) for each in devices])
    outbox.put_all(Topic.SHUTDOWN_FINISHED, [{"device": each, **after, "state": job.state} for each in devices])
