"""What may follow what in a shutdown: of each device that it is for, and of the whole."""

from collections.abc import Collection, Mapping

from devices.models import JobState, TargetState
from devices.models.shutdown import OPEN

WAITING, QUEUED, CLAIMED, EXECUTING = (
    TargetState.WAITING,
    TargetState.QUEUED,
    TargetState.CLAIMED,
    TargetState.EXECUTING,
)
SUCCEEDED, FAILED, UNCONFIRMED = TargetState.SUCCEEDED, TargetState.FAILED, TargetState.UNCONFIRMED
CANCELLED, EXPIRED, SKIPPED = TargetState.CANCELLED, TargetState.EXPIRED, TargetState.SKIPPED

FOLLOWS: Mapping[TargetState, tuple[TargetState, ...]] = {
    WAITING: (QUEUED, SKIPPED, CANCELLED, EXPIRED),
    QUEUED: (CLAIMED, CANCELLED, EXPIRED),
    CLAIMED: (EXECUTING, SUCCEEDED, FAILED, UNCONFIRMED),
    EXECUTING: (SUCCEEDED, FAILED, UNCONFIRMED),
    UNCONFIRMED: (SUCCEEDED, FAILED),  # A late report.
    SUCCEEDED: (),
    FAILED: (),
    CANCELLED: (),
    EXPIRED: (),
    SKIPPED: (),
}
JOB_FOLLOWS: Mapping[JobState, tuple[JobState, ...]] = {
    JobState.AWAITING_APPROVAL: (
        JobState.RUNNING,
        JobState.SCHEDULED,
        JobState.REFUSED,
        JobState.CANCELLED,
        JobState.EXPIRED,
    ),
    JobState.SCHEDULED: (JobState.RUNNING, JobState.CANCELLED),
    JobState.RUNNING: (
        JobState.COMPLETED,
        JobState.COMPLETED_WITH_ERRORS,
        JobState.CANCELLED,
        JobState.EXPIRED,
    ),
    JobState.COMPLETED: (),
    # A late report may mend the last error.
    JobState.COMPLETED_WITH_ERRORS: (JobState.COMPLETED,),
    JobState.CANCELLED: (),
    JobState.REFUSED: (),
    JobState.EXPIRED: (),
}
NOT_CLAIMED = (WAITING, QUEUED)
HELD = (CLAIMED, EXECUTING)
UNDER_WAY = (*NOT_CLAIMED, *HELD)
WAS_CLAIMED = (CLAIMED, EXECUTING, SUCCEEDED, FAILED, UNCONFIRMED)
# What a retry orders anew.
RETRIED = (FAILED, UNCONFIRMED, EXPIRED, SKIPPED)

# What an app on the device reads of them; it knows of none that waits.
TO_APPS: Mapping[TargetState, str] = {
    QUEUED: "PENDING",
    CLAIMED: "WAITING_FOR_ACK",
    EXECUTING: "EXECUTING",
    SUCCEEDED: "COMPLETED",
    FAILED: "FAILED",
    UNCONFIRMED: "FAILED",
    CANCELLED: "CANCELLED",
    EXPIRED: "EXPIRED",
    SKIPPED: "CANCELLED",
}


def before(state: TargetState) -> tuple[TargetState, ...]:
    """The states that this one may follow; a guarded update asks for one of them."""
    return tuple(former for former, following in FOLLOWS.items() if state in following)


def outcome(states: Collection[TargetState]) -> JobState | None:
    """How a running shutdown ends whose devices stand so; None while one of them is under way."""
    found = set(states)
    if found & set(UNDER_WAY):
        return None
    if found <= {SUCCEEDED}:
        return JobState.COMPLETED
    if found & set(WAS_CLAIMED):
        return JobState.COMPLETED_WITH_ERRORS
    return JobState.EXPIRED if EXPIRED in found else JobState.CANCELLED


__all__ = [
    "CANCELLED", "CLAIMED", "EXECUTING", "EXPIRED", "FAILED", "FOLLOWS", "HELD", "JOB_FOLLOWS", "NOT_CLAIMED", "OPEN",
    "QUEUED", "RETRIED", "SKIPPED", "SUCCEEDED", "TO_APPS", "UNCONFIRMED", "UNDER_WAY", "WAITING", "WAS_CLAIMED",
    "before", "outcome",
]  # fmt: skip
