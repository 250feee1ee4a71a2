"""The denied list: every verb on every state, and what each destroys and keeps."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from devices import app_states, configs, counts, denial, keychange, keys, update_events
from devices.models import (
    AppState,
    CheckIn,
    Device,
    DeviceConfig,
    Introduction,
    Inventory,
    KeyChange,
    KeyChangeRequest,
    RetiredKey,
    Status,
    SystemInfo,
    UpdateEvent,
)
from portal import audit
from portal.actor import Actor
from portal.models import AuditEvent, Outbox, User
from portal.refusal import Invalid, Refusal
from tests.conftest import MenderDevice

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
VERBS = {"deny": denial.deny, "restore": denial.restore, "purge": denial.purge}

# Who may be what: (verb, denied before) to the refusal, or None where it happens. The status plays no part.
TABLE: dict[tuple[str, bool], type[Refusal] | None] = {
    ("deny", False): None,
    ("deny", True): denial.AlreadyDenied,
    ("restore", False): denial.NotOnDeniedList,
    ("restore", True): None,
    ("purge", False): None,
    ("purge", True): None,
}
RECORDED = {"deny": "device.denied", "restore": "device.restored", "purge": "device.purged"}


DESTROYED = (DeviceConfig, UpdateEvent, AppState, Inventory, SystemInfo)


def store_all(device: Device) -> None:
    for model in (Inventory, SystemInfo, CheckIn):
        model.objects.create(device=device)
    configs.put(device, {"motd": {"Value": "x"}}, by=Actor.command("test"))
    update_events.report(device, [{"id": "e-1", "event": {"correlationId": "u-1"}}])
    app_states.report(device, {"deviceTime": "2026-11-25T12:00:00Z", "apps": {}})
    assert all(model.objects.exists() for model in DESTROYED)


def denied(denied_before: bool) -> dict[str, Any]:
    return {"denied_at": NOON} if denied_before else {}


@pytest.mark.parametrize("status", Status.values)
@pytest.mark.parametrize(("verb", "denied_before"), TABLE)
def test_each_verb_on_each_state_happens_or_is_refused(
    make_device: Callable[..., Device], root: Actor, status: str, verb: str, denied_before: bool
) -> None:
    device = make_device(status=status, **denied(denied_before))
    refusal = TABLE[verb, denied_before]
    stored = Device.objects.values().get()
    if refusal is not None:
        with pytest.raises(refusal):
            VERBS[verb](device, by=root)
        assert Device.objects.values().get() == stored
        assert not AuditEvent.objects.exists()
        assert not Outbox.objects.exists()
        return
    VERBS[verb](device, by=root, reason="stolen")
    row = AuditEvent.objects.get()
    assert (row.verb, row.subject_id, row.reason) == (RECORDED[verb], "press-1", "stolen")
    assert Outbox.objects.get().topic == RECORDED[verb]
    after = Device.objects.first()
    if verb == "purge":
        assert after is None
    else:
        assert after is not None
        assert (after.is_denied, after.status, after.revision) == (verb == "deny", status, 2)


def test_denying_says_who_when_and_why_and_restoring_forgets_it(
    make_device: Callable[..., Device], operator: User
) -> None:
    device = make_device(status="accepted")
    with time_machine.travel(NOON, tick=False):
        denial.deny(device, by=Actor.person(operator), reason="stolen")
    assert (device.denied_at, device.denied_by, device.denied_reason) == (NOON, "otto", "stolen")
    with pytest.raises(denial.AlreadyDenied) as refused:
        denial.deny(Device.objects.get(), by=Actor.person(operator))
    assert str(refused.value) == "press-1 is on the denied list already, by otto at 2026-11-25 12:00:00 UTC."
    denial.restore(device, by=Actor.person(operator))
    assert (device.denied_at, device.denied_by, device.denied_reason) == (None, "", "")


def test_denying_ends_what_was_granted_and_restoring_does_not_give_it_back(
    make_device: Callable[..., Device], root: Actor
) -> None:
    device = make_device(status="accepted")
    denial.deny(device, by=root)
    assert device.epoch == 2
    denial.restore(device, by=root)
    assert device.epoch == 2


def test_denying_destroys_what_the_device_stored_and_keeps_its_record(
    make_device: Callable[..., Device], mender_device: Callable[..., MenderDevice], root: Actor
) -> None:
    device = make_device(status="accepted", key=mender_device().pem)
    store_all(device)
    keychange.propose(device, keys.read(mender_device().pem), by=root)
    denial.deny(device, by=root)
    kept = {model for model in (*DESTROYED, CheckIn, Introduction) if model.objects.exists()}
    assert kept == {CheckIn, Introduction}
    assert KeyChangeRequest.objects.get().state == KeyChange.SUPERSEDED


def test_purging_leaves_nothing_but_the_history(
    make_device: Callable[..., Device], mender_device: Callable[..., MenderDevice], root: Actor
) -> None:
    device = make_device(status="accepted", key=mender_device().pem)
    store_all(device)
    keychange.propose(device, keys.read(mender_device().pem), by=root)
    keychange.refuse(KeyChangeRequest.objects.get(), by=root)
    denial.purge(device, by=root)
    models = (Device, *DESTROYED, CheckIn, Introduction, KeyChangeRequest, RetiredKey)
    assert not [model for model in models if model.objects.exists()]
    row = AuditEvent.objects.get(verb="device.purged")
    assert (row.before["status"], row.after) == ("accepted", None)


@pytest.mark.parametrize("verb", VERBS)
def test_nobody_acts_on_a_revision_that_they_have_not_seen(
    make_device: Callable[..., Device], root: Actor, verb: str
) -> None:
    device = make_device(status="accepted", revision=4, **denied(verb == "restore"))
    for seen in (3, 5):
        with pytest.raises(denial.Changed):
            VERBS[verb](device, by=root, seen=seen)
    assert not AuditEvent.objects.exists()
    VERBS[verb](device, by=root, seen=4)
    assert AuditEvent.objects.count() == 1


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("reason", ["x" * 501, "a\u200bb"])
def test_a_reason_that_is_none_is_refused(
    make_device: Callable[..., Device], root: Actor, verb: str, reason: str
) -> None:
    device = make_device(**denied(verb == "restore"))
    with pytest.raises(Invalid):
        VERBS[verb](device, by=root, reason=reason)
    assert not AuditEvent.objects.exists()


def test_the_counts_follow_every_change(make_device: Callable[..., Device], root: Actor) -> None:
    device = make_device(status="accepted")
    make_device("press-2")

    def numbers() -> tuple[int, ...]:
        by_tab = counts.by_tab()
        return tuple(by_tab[tab] for tab in ("pending", "accepted", "denied", "all"))

    assert numbers() == (1, 1, 0, 2)
    denial.deny(device, by=root)
    assert numbers() == (1, 0, 1, 1)
    denial.restore(device, by=root)
    assert numbers() == (1, 1, 0, 2)
    denial.purge(device, by=root)
    assert numbers() == (1, 0, 0, 1)


@pytest.mark.django_db(transaction=True)
class TestRaces:
    @pytest.mark.parametrize("verb", VERBS)
    def test_of_four_people_doing_the_same_at_once_one_does_it(
        self, make_device: Callable[..., Device], root: Actor, at_once: Callable[..., list[Any]], verb: str
    ) -> None:
        make_device(**denied(verb == "restore"))
        seen = [Device.objects.get() for _ in range(4)]
        outcomes = at_once(*(lambda n=n: VERBS[verb](seen[n], by=root) for n in range(4)))
        assert outcomes.count(None) == 1
        assert all(isinstance(outcome, Refusal) for outcome in outcomes if outcome is not None)
        assert AuditEvent.objects.count() == 1
        assert audit.verify().holds
