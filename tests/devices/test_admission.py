"""Every decision on every state: allowed ones happen, the others are refused and change nothing."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from devices import admission, denial
from devices.models import Device, Status
from portal import audit
from portal.actor import Actor
from portal.models import AuditEvent, Outbox, User
from portal.refusal import Invalid

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)

ALLOWED = {
    ("pending", "accepted"),
    ("pending", "rejected"),
    ("accepted", "rejected"),
    ("rejected", "accepted"),
}
STATES = ["pending", "accepted", "rejected", "preauthorized"]


def facts(device: Device) -> dict[str, Any]:
    found: dict[str, Any] = Device.objects.filter(pk=device.pk).values().get()
    return found


@pytest.mark.parametrize("decision", STATES)
@pytest.mark.parametrize("before", STATES)
def test_only_the_decisions_in_the_table_are_possible(
    make_device: Callable[..., Device], root: Actor, before: str, decision: str
) -> None:
    device = make_device(status=before)
    if (before, decision) in ALLOWED:
        admission.decide(device, Status(decision), by=root, reason="as ordered")
        assert (device.status, device.decided_by, device.revision) == (decision, "command test", 2)
        row = AuditEvent.objects.get()
        assert (row.verb, row.before, row.after) == (f"device.{decision}", {"status": before}, {"status": decision})
        assert row.reason == "as ordered"
        assert Outbox.objects.get().topic == f"device.{decision}"
    else:
        stored = facts(device)
        with pytest.raises(admission.NotPossible, match=f"^press-1 is {before}, so it cannot become {decision}[.]$"):
            admission.decide(device, Status(decision), by=root)
        assert facts(device) == stored
        assert not AuditEvent.objects.exists()
        assert not Outbox.objects.exists()


@pytest.mark.parametrize("decision", STATES)
@pytest.mark.parametrize("before", STATES)
def test_nothing_is_decided_about_a_denied_device(
    make_device: Callable[..., Device], root: Actor, before: str, decision: str
) -> None:
    device = make_device(status=before, denied_at=NOON)
    stored = facts(device)
    with pytest.raises(admission.Denied, match=r"^press-1 is on the denied list; restore it first\.$"):
        admission.decide(device, Status(decision), by=root)
    assert facts(device) == stored
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("status", STATES)
def test_the_buttons_are_the_decisions_that_are_possible(make_device: Callable[..., Device], status: str) -> None:
    offered = {str(decision) for decision in admission.decisions(make_device(status=status))}
    assert offered == {after for before, after in ALLOWED if before == status}
    assert admission.decisions(make_device("press-2", status=status, denied_at=NOON)) == ()


@pytest.mark.parametrize(("before", "decision", "ends"), [(b, d, d == "rejected") for b, d in sorted(ALLOWED)])
def test_rejecting_ends_what_was_granted_and_accepting_does_not(
    make_device: Callable[..., Device], root: Actor, before: str, decision: str, ends: bool
) -> None:
    device = make_device(status=before)
    admission.decide(device, Status(decision), by=root)
    assert device.epoch == 1 + ends


def test_of_two_people_the_second_is_told_who_was_first_and_when(
    make_device: Callable[..., Device], administrator: User, operator: User
) -> None:
    hers = make_device()
    his = Device.objects.get(pk=hers.pk)
    with time_machine.travel(NOON, tick=False):
        admission.decide(hers, Status.ACCEPTED, by=Actor.person(administrator))
    with pytest.raises(admission.NotPossible) as refused:
        admission.decide(his, Status.REJECTED, by=Actor.person(operator))
    who = "accepted, by ada at 2026-11-25 12:00:00 UTC"
    assert str(refused.value) == f"press-1 has changed since you looked: it is {who}. Look again, then decide."
    with pytest.raises(admission.NotPossible) as refused:
        admission.decide(Device.objects.get(), Status.ACCEPTED, by=Actor.person(operator))
    assert str(refused.value) == f"press-1 is {who}, so it cannot become accepted."
    assert AuditEvent.objects.count() == 1


def test_nobody_decides_on_a_revision_that_they_have_not_seen(make_device: Callable[..., Device], root: Actor) -> None:
    device = make_device(status="accepted", revision=4)
    for seen in (3, 5, 0, -1):
        with pytest.raises(admission.NotPossible, match="has changed since you looked: it is accepted"):
            admission.decide(device, Status.REJECTED, by=root, seen=seen)
    admission.decide(device, Status.REJECTED, by=root, seen=4)
    assert device.revision == 5


@pytest.mark.parametrize("reason", ["x" * 501, "a\u202eb", "a\nb", "a\x00b"])
def test_a_reason_that_is_none_is_refused(make_device: Callable[..., Device], root: Actor, reason: str) -> None:
    device = make_device()
    with pytest.raises(Invalid):
        admission.decide(device, Status.ACCEPTED, by=root, reason=reason)
    assert Device.objects.get().status == "pending"


@pytest.mark.django_db(transaction=True)
class TestRaces:
    @pytest.mark.parametrize("turn", range(4))
    def test_of_accept_and_reject_at_once_one_wins_and_the_other_is_told_by_whom(
        self,
        make_device: Callable[..., Device],
        administrator: User,
        operator: User,
        at_once: Callable[..., list[Any]],
        turn: int,
    ) -> None:
        make_device()
        hers, his = Device.objects.get(), Device.objects.get()
        outcomes = at_once(
            lambda: admission.decide(hers, Status.ACCEPTED, by=Actor.person(administrator)),
            lambda: admission.decide(his, Status.REJECTED, by=Actor.person(operator)),
        )
        winner = outcomes.index(None)
        (refusal,) = [outcome for outcome in outcomes if outcome is not None]
        assert isinstance(refusal, admission.NotPossible)
        assert f"it is {('accepted', 'rejected')[winner]}, by {('ada', 'otto')[winner]} at" in str(refusal)
        assert Device.objects.get().status == ("accepted", "rejected")[winner]
        assert AuditEvent.objects.count() == Outbox.objects.count() == 1
        assert audit.verify().holds

    def test_of_eight_people_who_accept_at_once_seven_are_told_of_one(
        self, make_device: Callable[..., Device], at_once: Callable[..., list[Any]]
    ) -> None:
        make_device()
        seen = [Device.objects.get() for _ in range(8)]
        outcomes = at_once(
            *(
                lambda n=n: admission.decide(seen[n], Status.ACCEPTED, by=Actor(f"person {n}", "person"))
                for n in range(8)
            )
        )
        assert outcomes.count(None) == 1
        winner = f"person {outcomes.index(None)}"
        assert all(winner in str(refusal) for refusal in outcomes if refusal is not None)
        assert AuditEvent.objects.count() == 1

    @pytest.mark.parametrize("turn", range(4))
    def test_of_deny_and_accept_at_once_one_wins_and_the_other_is_told(
        self,
        make_device: Callable[..., Device],
        administrator: User,
        operator: User,
        at_once: Callable[..., list[Any]],
        turn: int,
    ) -> None:
        make_device()
        hers, his = Device.objects.get(), Device.objects.get()
        denied, accepted = at_once(
            lambda: denial.deny(hers, by=Actor.person(administrator)),
            lambda: admission.decide(his, Status.ACCEPTED, by=Actor.person(operator)),
        )
        device = Device.objects.get()
        if denied is None:
            assert isinstance(accepted, admission.Denied)
            assert (device.is_denied, device.status) == (True, "pending")
        else:
            assert isinstance(denied, denial.Changed)
            assert "it is accepted, by otto at" in str(denied)
            assert (device.is_denied, device.status) == (False, "accepted")
        assert [denied, accepted].count(None) == 1
        assert AuditEvent.objects.count() == 1
