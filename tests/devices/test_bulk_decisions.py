"""A decision on many devices that a person asks for: frozen, reviewed, and done step by step, each step whole."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from devices import admission, bulk, bulk_decisions, denial
from devices.models import BulkDecision, BulkItem, Device, Inventory, Status
from portal import audit
from portal.access import ScopeMissing
from portal.actor import Actor
from portal.models import AuditEvent, Outbox, User
from portal.refusal import Invalid, Refusal

Make = Callable[..., Device]


@pytest.fixture
def ada(administrator: User) -> Actor:
    return Actor.person(administrator)


def everything(status: str = Status.PENDING) -> list[tuple[str, int]]:
    return list(Device.objects.filter(status=status).order_by("pk").values_list("pk", "revision"))


def outcomes(asked: BulkDecision) -> list[tuple[str, str, str]]:
    return list(asked.items.order_by("pk").values_list("device_id", "status", "code"))


def test_nothing_is_decided_before_it_begins(ada: Actor, make_device: Make) -> None:
    make_device()
    asked = bulk_decisions.ask("accept", everything(), by=ada, id=uuid4())
    assert (asked.total, asked.reached, asked.started_at) == (1, 0, None)
    assert Device.objects.get().status == "pending"
    assert not AuditEvent.objects.filter(subject_kind="device").exists()


@pytest.mark.parametrize(
    ("word", "verb", "status"), [("accept", "device.accepted", "accepted"), ("reject", "device.rejected", "rejected")]
)
def test_each_device_gets_its_outcome_its_row_and_its_message(
    ada: Actor, make_device: Make, word: str, verb: str, status: str
) -> None:
    for number in range(bulk.BATCH + 5):
        Device.objects.create(id=f"press-{number:04}")
    asked = bulk_decisions.ask(word, everything(), by=ada, reason="new hall", id=uuid4())
    asked = bulk_decisions.go_on(asked, by=ada, seconds=0)
    assert (asked.done, asked.finished_at) == (bulk.BATCH, None)
    asked = bulk_decisions.go_on(asked, by=ada, seconds=5)
    assert (asked.done, asked.refused, asked.total) == (bulk.BATCH + 5, 0, bulk.BATCH + 5)
    assert asked.finished_at is not None
    assert set(outcomes(asked)) == {(device.pk, status, "") for device in Device.objects.all()}
    rows = AuditEvent.objects.filter(verb=verb)
    assert {(row.actor, row.reason, row.before["status"], row.after["status"]) for row in rows} == {
        ("ada", "new hall", "pending", status)
    }
    assert rows.values("subject_id").distinct().count() == rows.count() == bulk.BATCH + 5
    assert Outbox.objects.filter(topic=verb).count() == bulk.BATCH + 5
    assert audit.verify().holds


def test_denying_many_destroys_what_they_stored_and_ends_their_tokens(ada: Actor, make_device: Make) -> None:
    for number in range(3):
        Inventory.objects.create(device=make_device(f"press-{number}", status="accepted"), attributes={"a": "b"})
    asked = bulk_decisions.ask("deny", everything("accepted"), by=ada, reason="scrapped", id=uuid4())
    bulk_decisions.go_on(asked, by=ada, seconds=1)
    for device in Device.objects.all():
        assert (device.is_denied, device.denied_reason, device.epoch, device.revision) == (True, "scrapped", 2, 2)
    assert not Inventory.objects.exists()


def test_a_device_that_changed_since_it_was_seen_is_left_as_it_is(ada: Actor, root: Actor, make_device: Make) -> None:
    for name in ("changed", "denied", "purged", "same"):
        make_device(name)
    asked = bulk_decisions.ask("accept", everything(), by=ada, id=uuid4())
    admission.decide(Device.objects.get(pk="changed"), Status.REJECTED, by=root)
    denial.deny(Device.objects.get(pk="denied"), by=root)
    denial.purge(Device.objects.get(pk="purged"), by=root)
    asked = bulk_decisions.go_on(asked, by=ada, seconds=1)
    assert outcomes(asked) == [
        ("changed", "rejected", "admission_not_possible"),
        ("denied", "denied", "device_denied"),
        ("purged", "", "device_not_found"),
        ("same", "accepted", ""),
    ]
    assert (asked.done, asked.refused) == (1, 3)
    told = BulkItem.objects.get(device_id="changed").error
    assert "has changed since you looked" in told
    assert "command test" in told


def test_what_is_finished_stays_as_it_is(ada: Actor, root: Actor, make_device: Make) -> None:
    device = make_device()
    asked = bulk_decisions.ask("accept", everything(), by=ada, id=uuid4())
    bulk_decisions.go_on(asked, by=ada, seconds=1)
    device.refresh_from_db()
    admission.decide(device, Status.REJECTED, by=root)
    again = bulk_decisions.go_on(asked, by=ada, seconds=1)
    assert (again.done, again.refused) == (1, 0)
    assert Device.objects.get().status == "rejected"


def test_asked_for_twice_under_one_id_it_is_the_same(ada: Actor, make_device: Make) -> None:
    make_device()
    one = uuid4()
    first = bulk_decisions.ask("accept", everything(), by=ada, id=one)
    assert bulk_decisions.ask("accept", everything(), by=ada, id=one) == first
    assert BulkItem.objects.count() == 1


def test_an_id_that_stands_for_another_decision_begins_neither(ada: Actor, make_device: Make) -> None:
    make_device("a")
    make_device("b")
    one = uuid4()
    bulk_decisions.ask("deny", [("a", 1)], by=ada, id=one)
    for word, devices, reason in (("accept", [("a", 1)], ""), ("deny", [("b", 1)], ""), ("deny", [("a", 1)], "why")):
        with pytest.raises(bulk_decisions.Another):
            bulk_decisions.ask(word, devices, by=ada, reason=reason, id=one)
    assert BulkItem.objects.count() == 1


@pytest.mark.parametrize(
    ("word", "devices", "reason", "refusal"),
    [
        ("purge", [("a", 1)], "", Invalid),
        ("accept", [], "", Invalid),
        ("accept", [(str(n), 1) for n in range(bulk_decisions.MOST + 1)], "", Invalid),
        ("accept", [("a", 1)], "\u202e", Invalid),
    ],
)
def test_what_cannot_be_asked_for_is_refused_and_stores_nothing(
    ada: Actor, word: str, devices: list[tuple[str, int]], reason: str, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        bulk_decisions.ask(word, devices, by=ada, reason=reason, id=uuid4())
    assert not BulkDecision.objects.exists()


def test_who_may_not_decide_alone_may_not_decide_on_many(viewer: User, ada: Actor, make_device: Make) -> None:
    make_device()
    with pytest.raises(ScopeMissing):
        bulk_decisions.ask("accept", everything(), by=Actor.person(viewer), id=uuid4())
    with pytest.raises(ScopeMissing):
        bulk.decide([device_id for device_id, _ in everything()], bulk.DECISIONS["accept"], by=Actor.person(viewer))
    asked = bulk_decisions.ask("accept", everything(), by=ada, id=uuid4())
    with pytest.raises(bulk_decisions.NotYours):
        bulk_decisions.find(asked.pk, by=Actor.person(viewer))
    with pytest.raises(bulk_decisions.Unknown):
        bulk_decisions.find(uuid4(), by=ada)
    fewer = Actor("ada", "person", frozenset(), owner=ada.owner)
    with pytest.raises(ScopeMissing):
        bulk_decisions.go_on(asked, by=fewer, seconds=1)
    assert Device.objects.get().status == "pending"


@pytest.mark.django_db(transaction=True)
def test_a_step_that_fails_leaves_nothing_half_done(ada: Actor, make_device: Make) -> None:
    for number in range(5):
        make_device(f"press-{number}")
    asked = bulk_decisions.ask("accept", everything(), by=ada, id=uuid4())
    calls = 0

    def fail_at(number: int) -> Callable[..., Any]:
        def execute_or_fail(execute: Any, *statement: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number:
                raise OperationalError("the database is gone")
            return execute(*statement)

        return execute_or_fail

    for number in range(1, 40):
        calls = 0
        try:
            with connection.execute_wrapper(fail_at(number)):
                asked = bulk_decisions.go_on(asked, by=ada, seconds=0)
        except OperationalError:
            assert Device.objects.filter(status="pending").count() == 5
            assert not AuditEvent.objects.filter(verb="device.accepted").exists()
            assert not BulkItem.objects.filter(is_reached=True).exists()
        else:
            break
    assert calls > 5  # It did fail in the middle of a step, again and again, until a step was shorter than that.
    assert Device.objects.filter(status="accepted").count() == 5
    assert AuditEvent.objects.filter(verb="device.accepted").count() == 5
    assert asked.finished_at is not None


@pytest.mark.django_db(transaction=True)
def test_two_windows_that_go_on_at_once_decide_on_each_device_once(
    ada: Actor, make_device: Make, at_once: Callable[..., list[Any]]
) -> None:
    for number in range(bulk.BATCH + 50):
        Device.objects.create(id=f"press-{number:04}")
    asked = bulk_decisions.ask("accept", everything(), by=ada, id=uuid4())
    at_once(*[lambda: bulk_decisions.go_on(asked, by=ada, seconds=10)] * 3)
    asked.refresh_from_db()
    assert (asked.done, asked.refused) == (bulk.BATCH + 50, 0)
    assert AuditEvent.objects.filter(verb="device.accepted").count() == bulk.BATCH + 50
    assert set(Device.objects.values_list("revision", flat=True)) == {2}


def test_what_is_not_wholly_frozen_is_not_begun(ada: Actor, make_device: Make) -> None:
    make_device()
    asked = bulk_decisions.ask("accept", everything(), by=ada, id=uuid4())
    BulkDecision.objects.update(total=0)
    asked.refresh_from_db()
    with pytest.raises(bulk_decisions.NotFrozen):
        bulk_decisions.go_on(asked, by=ada, seconds=1)
    assert Device.objects.get().status == "pending"


def test_what_was_asked_for_long_ago_is_forgotten_and_its_history_kept(ada: Actor, make_device: Make) -> None:
    make_device()
    asked = bulk_decisions.ask("accept", everything(), by=ada, id=uuid4())
    bulk_decisions.go_on(asked, by=ada, seconds=1)
    bulk_decisions.forget()
    assert BulkDecision.objects.exists()
    BulkDecision.objects.update(asked_at=timezone.now() - bulk_decisions.KEPT * 1.01)
    bulk_decisions.forget()
    assert not BulkItem.objects.exists()
    assert AuditEvent.objects.filter(verb="device.accepted").exists()
