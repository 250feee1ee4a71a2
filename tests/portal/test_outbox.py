"""What others must hear of is told exactly if the change commits, once and in order."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from portal import outbox
from portal.models import Outbox, Tenant


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The topics that a receiver took, in order."""
    monkeypatch.setattr(outbox, "_receivers", list(outbox._receivers))
    topics: list[str] = []

    @outbox.receiver
    def take(message: Outbox) -> None:
        topics.append(message.topic)

    return topics


def test_messages_are_handed_on_oldest_first_and_once(db: None, heard: list[str]) -> None:
    for n in range(5):
        outbox.put(f"device.{n}", {"n": n})
    assert outbox.hand_on() == 5
    assert outbox.hand_on() == 0
    assert heard == [f"device.{n}" for n in range(5)]


@pytest.mark.parametrize(("longest", "handed"), [(5, [401, 0, 0]), (0, [200, 200, 1])])
def test_a_run_hands_on_batch_after_batch_until_its_time_is_up(
    db: None, heard: list[str], monkeypatch: pytest.MonkeyPatch, longest: float, handed: list[int]
) -> None:
    monkeypatch.setattr(outbox, "LONGEST", longest)
    outbox.put_all("device.pending", [{"n": n} for n in range(401)])
    assert [outbox.hand_on() for _ in range(3)] == handed
    assert len(heard) == 401


def test_nothing_is_told_of_a_change_that_did_not_commit(db: None, heard: list[str]) -> None:
    def fail() -> None:
        with transaction.atomic():
            outbox.put("device.pending", {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert outbox.hand_on() == 0


def test_what_a_receiver_wrote_stays_exactly_if_the_message_goes(
    db: None, heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.put("device.pending", {})

    @outbox.receiver
    def write_then_fail(message: Outbox) -> None:
        Tenant.objects.create(name="half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        outbox.hand_on()
    assert not Tenant.objects.filter(name="half").exists()
    assert Outbox.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_hand_on_each_message_once_and_in_order(
    heard: list[str], at_once: Callable[..., list[Any]]
) -> None:
    for n in range(2 * outbox.BATCH):
        outbox.put(f"{n:04}", {})

    def work() -> int:
        return sum(outbox.hand_on() for _ in range(6))

    assert sum(at_once(work, work)) == 2 * outbox.BATCH
    assert heard == [f"{n:04}" for n in range(2 * outbox.BATCH)]
