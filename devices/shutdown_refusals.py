"""The ways in which the rules of shutdowns say no."""

from datetime import datetime
from uuid import UUID

from devices.models import JobState, ShutdownJob, ShutdownTarget, TargetState
from portal.refusal import NotFound, Refusal


class Unknown(NotFound):
    code = "shutdown_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such shutdown; the list shows all there are.")


class UnknownForDevice(NotFound):
    """This device has no target in such a shutdown."""

    code = "shutdown_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such shutdown for this device.")


class KeyReused(Refusal):
    """The key stands for another order."""

    status, code = 422, "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This page was used for another order already; begin anew at the list of shutdowns.")


class CountMismatch(Refusal):
    code = "count_mismatch"

    def __init__(self, number: int) -> None:
        devices = "1 device" if number == 1 else f"{number} devices"
        super().__init__(f"This is for {devices}; send that number to confirm it.")
        self.details = {"count": number}


class NotPossible(Refusal):
    """The device cannot be shut down; why is the code, as a skipped target has it."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code  # type: ignore[misc]  # Of this one refusal.


class NothingToDo(Refusal):
    code = "nothing_to_do"

    def __init__(self, why: str) -> None:
        super().__init__(f"None of these devices can be shut down now: {why}")


class NoSecondApprover(Refusal):
    code = "no_second_approver"

    def __init__(self, number: int) -> None:
        super().__init__(
            f"{number} devices need a second person who may approve, and there is nobody else; give somebody that role "
            "first, or order fewer."
        )


class SamePerson(Refusal):
    status, code = 403, "same_person"

    def __init__(self, job: ShutdownJob) -> None:
        by_app = "An app ordered this shutdown by credentials of yours"
        how = by_app if job.credential else "You ordered this shutdown yourself"
        super().__init__(f"{how}; another person has to approve it.")


class NoPerson(Refusal):
    """An app decides on no order, its own or another's."""

    status, code = 403, "same_person"

    def __init__(self) -> None:
        super().__init__("An app can neither approve nor refuse a shutdown; ask a person who holds shutdowns:approve.")


class NotAwaiting(Refusal):
    """Nothing about it is to be approved any more."""

    code = "not_awaiting_approval"

    def __init__(self, job: ShutdownJob) -> None:
        how = f"it is {job.get_state_display().lower()}"
        if job.state == JobState.REFUSED:
            how = f"it was refused by {job.decided_by}"
        elif job.decided_by:
            how = f"it was approved by {job.decided_by}, and is {job.get_state_display().lower()}"
        super().__init__(f"This shutdown awaits no approval: {how}.")


class TooLate(Refusal):
    code = "too_late"

    def __init__(self, sentence: str = "") -> None:
        super().__init__(
            sentence or "Nothing of this shutdown can be cancelled any more; its devices have it, or it ended."
        )


class StillRunning(Refusal):
    code = "still_running"

    def __init__(self) -> None:
        super().__init__("This shutdown is still under way; retry what failed once it has ended, or cancel the rest.")


class NothingToRetry(Refusal):
    code = "nothing_to_retry"

    def __init__(self) -> None:
        super().__init__("Nothing of this shutdown failed, expired, was skipped or stayed unconfirmed.")


class AlreadyRetried(Refusal):
    """It was ordered anew in another shutdown, and may have gone off in that."""

    code = "nothing_to_retry"

    def __init__(self, device_id: str, job_id: UUID) -> None:
        super().__init__(f"{device_id} was ordered anew already, in shutdown {job_id}; see how it went there.")
        self.details = {"shutdown": str(job_id)}


class AlreadyClaimed(Refusal):
    code = "already_claimed"

    def __init__(self) -> None:
        super().__init__("This shutdown was claimed with another nonce; do nothing.")


class Gone(Refusal):
    status = 410


class JobExpired(Gone):
    code = "job_expired"

    def __init__(self) -> None:
        super().__init__("This shutdown has expired; do nothing.")


class JobCancelled(Gone):
    code = "job_cancelled"

    def __init__(self) -> None:
        super().__init__("This shutdown was cancelled; do nothing.")


class NotClaimed(Refusal):
    code = "not_claimed"

    def __init__(self, target: ShutdownTarget) -> None:
        super().__init__(f"This shutdown is {target.get_state_display().lower()}; claim it first.")


class AlreadyReported(Refusal):
    code = "already_reported"

    def __init__(self, target: ShutdownTarget) -> None:
        super().__init__(f"This shutdown stands as {target.state} already.")


def standing(device_id: str, code: str, status: str = "", other: ShutdownJob | None = None) -> NotPossible:
    """Why this device cannot be shut down now."""
    sentences = {
        "device_denied": f"{device_id} is on the denied list, where it is given no order; restore it first.",
        "device_not_accepted": f"{device_id} is {status}; only accepted devices can be shut down.",
        "open_job": f"{device_id} has a shutdown already that is still open; wait for it, or cancel it.",
    }
    refusal = NotPossible(code, sentences[code])
    if other is not None:
        refusal.details = {"shutdown": str(other.pk)}
    return refusal


def gone(target: ShutdownTarget, now: datetime) -> Refusal:
    """What a device is told that comes for what it can no longer have."""
    if target.state == TargetState.CANCELLED or target.state == TargetState.SKIPPED:
        return JobCancelled()
    if target.state == TargetState.EXPIRED or (target.expires_at and target.expires_at <= now):
        return JobExpired()
    # Before its start a device need not know of it.
    return UnknownForDevice() if target.state == TargetState.WAITING else AlreadyClaimed()
