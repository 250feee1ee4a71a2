"""What has ended by itself is written down and told, once, and not before a clock that jumped would take it back."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from portal.actor import Actor
from portal.models import AuditEvent, Outbox
from tokens import overlap, settling
from tokens.models import CredentialSecret
from tokens.overlap import Rotated

NOON = datetime(2031, 1, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def told() -> list[Any]:
    return [row.after for row in AuditEvent.objects.filter(verb="credential.secret_expired").order_by("number")]


def test_a_secret_that_a_rotation_ended_and_one_that_grew_old_are_told_once_each(
    clock: Any, make_credential: Callable[..., Rotated], root: Actor
) -> None:
    issued = make_credential(days=10)
    new = overlap.rotate(issued.holder, by=root, grace_hours=24, days=20)
    clock.shift(timedelta(hours=25, minutes=6))
    assert settling.settle_all() == 1
    assert settling.settle_all() == 0
    clock.move_to(NOON + timedelta(days=20, hours=2))
    assert settling.settle_all() == 1
    assert told() == [
        {"secret": issued.secret.pk, "ended_at": "2031-01-02T12:00:00Z"},
        {"secret": new.secret.pk, "ended_at": "2031-01-21T12:00:00Z"},
    ]
    whys = dict(CredentialSecret.objects.values_list("pk", "ended_why"))
    assert whys == {issued.secret.pk: "a rotation", new.secret.pk: "its age"}
    assert Outbox.objects.filter(topic="credential.secret_expired").count() == 2


def test_a_clock_that_jumps_an_hour_ahead_and_back_ends_nothing(
    clock: Any, make_credential: Callable[..., Rotated]
) -> None:
    issued = make_credential(days=1)
    clock.move_to(NOON + timedelta(days=1, minutes=59))
    assert settling.settle_all() == 0
    clock.move_to(NOON + timedelta(hours=23, minutes=59))
    assert issued.holder.living()


@pytest.mark.django_db(transaction=True)
def test_of_two_workers_one_writes_it_down(
    clock: Any, make_credential: Callable[..., Rotated], at_once: Callable[..., list[Any]]
) -> None:
    make_credential(days=1)
    clock.shift(timedelta(days=2))
    assert sorted(at_once(settling.settle_all, settling.settle_all)) == [0, 1]
    assert len(told()) == 1
