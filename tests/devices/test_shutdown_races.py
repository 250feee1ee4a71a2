"""A thousand times a shutdown is cancelled in the moment in which its device claims it: exactly one of the two wins."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from devices import shutdown, shutdown_cancel, shutdown_claim
from devices.models import Device, ShutdownAck, ShutdownJob, ShutdownTarget, Status, Via
from devices.shutdown_fields import Order
from portal import audit
from portal.actor import Actor
from portal.models import AuditEvent, User
from portal.refusal import Refusal

pytestmark = pytest.mark.django_db(transaction=True)

RACES = 1000
NONCE = "0123456789abcdef"


def test_before_the_claim_cancel_always_wins_and_after_it_never(
    administrator: User, settings: Any, at_once: Callable[..., list[Any]]
) -> None:
    settings.SHUTDOWN_APPROVAL_FROM = 0
    ada = Actor.person(administrator)
    ids = [f"press-{number:04}" for number in range(RACES)]
    Device.objects.bulk_create([Device(id=each, status=Status.ACCEPTED) for each in ids])
    order = Order(ids, "maintenance of hall 3")
    job = shutdown.order(order, by=ada, via=Via.API, confirm_count=RACES)
    abreast = threading.Barrier(2)

    def one_after_another(act: Callable[[str], object]) -> dict[str, str]:
        """What came of each: the code of a refusal, or `won`."""
        ends = {}
        for device_id in ids:
            abreast.wait(timeout=60)
            try:
                act(device_id)
                ends[device_id] = "won"
            except Refusal as no:
                ends[device_id] = no.code
        return ends

    def cancel(device_id: str) -> None:
        shutdown_cancel.cancel(ShutdownJob(pk=job.pk), by=ada, reason="not today", devices=[device_id])

    def claim(device_id: str) -> None:
        target = ShutdownTarget.objects.select_related("job").get(job=job, device_id=device_id)
        shutdown_claim.claim(target, NONCE, by=Actor.device(device_id))

    cancelled, claimed = at_once(lambda: one_after_another(cancel), lambda: one_after_another(claim))
    states = dict(job.targets.values_list("device_id", "state"))
    ends = {(cancelled[each], claimed[each], states[each]) for each in ids}
    assert ends <= {("won", "job_cancelled", "cancelled"), ("too_late", "won", "claimed")}
    won = sum(end == "won" for end in claimed.values())
    assert AuditEvent.objects.filter(verb="shutdown.claimed").count() == won
    assert AuditEvent.objects.filter(verb="shutdown.cancelled", subject_kind="device").count() == RACES - won
    assert not ShutdownAck.objects.exists()
    assert audit.verify().holds
