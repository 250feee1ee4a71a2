"""Where one stands in a rotation: each step as the rows tell it, from the first secret to the end of the overlap."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from portal.actor import Actor
from tokens import credentials, overlap, rotation_guide, shown_secrets, switching
from tokens.overlap import Rotated
from tokens.rotation_guide import Guide

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
OLD_HOME, NEW_HOME = "192.0.2.7", "192.0.2.8"
ADA = Actor("ada", "person", Actor.command("x").scopes)

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def use(shown: Rotated, address: str) -> None:
    shown_secrets.of_client(shown.holder.client_id, shown.text, address=address)


def guide(shown: Rotated) -> Guide | None:
    return rotation_guide.read(credentials.find(shown.holder.pk))


def opened(shown: Rotated) -> Guide:
    found = guide(shown)
    assert found is not None
    return found


def mark(shown: Rotated) -> str:
    holder = credentials.find(shown.holder.pk)
    return rotation_guide.mark(holder, rotation_guide.read(holder))


def test_there_is_none_before_the_first_rotation_and_none_without_a_live_secret(
    make_credential: Callable[..., Rotated], root: Actor
) -> None:
    first = make_credential()
    assert guide(first) is None
    overlap.rotate(first.holder, by=root)
    switching.revoke(first.holder, by=root, reason="leaked")
    assert guide(first) is None


def test_it_goes_from_issued_to_used_to_quiet_to_ended(
    make_credential: Callable[..., Rotated], clock: time_machine.Traveller
) -> None:
    first = make_credential()
    use(first, OLD_HOME)
    clock.shift(timedelta(minutes=10))
    second = overlap.rotate(first.holder, by=ADA, grace_hours=100)
    now = opened(first)
    assert (now.issued_by, now.new.pk, now.old.pk) == ("ada", second.secret.pk, first.secret.pk)
    assert (now.is_open, now.at_step, now.is_used, now.is_quiet) == (True, 2, False, False)
    assert now.quiet_at == NOON + timedelta(hours=24)

    clock.shift(timedelta(minutes=10))
    use(second, NEW_HOME)
    now = opened(first)
    assert now.at_step == 3
    assert (now.first_used_at, now.first_used_from) == (NOON + timedelta(minutes=20), NEW_HOME)

    clock.shift(timedelta(hours=5))
    use(second, OLD_HOME)
    assert opened(first).first_used_from == NEW_HOME
    use(first, OLD_HOME)
    assert opened(first).quiet_at == NOON + timedelta(hours=29, minutes=20)

    clock.move_to(NOON + timedelta(hours=29, minutes=20))
    now = opened(first)
    assert (now.at_step, now.is_quiet, now.quiet_at) == (4, True, None)

    overlap.end_overlap(first.holder, by=ADA)
    now = opened(first)
    assert (now.is_open, now.at_step, now.ended_by) == (False, 0, "ada")
    clock.shift(timedelta(days=7))
    assert guide(first) is None


def test_a_secret_that_was_never_used_is_quiet_at_once(make_credential: Callable[..., Rotated], root: Actor) -> None:
    first = make_credential()
    overlap.rotate(first.holder, by=root)
    now = opened(first)
    assert now.is_quiet
    assert now.at_step == 2
    assert not now.ends_unmoved


def test_it_says_that_the_old_one_ends_before_it_could_be_quiet(
    make_credential: Callable[..., Rotated], root: Actor, clock: time_machine.Traveller
) -> None:
    first = make_credential()
    use(first, OLD_HOME)
    overlap.rotate(first.holder, by=root, grace_hours=23)
    assert opened(first).ends_unmoved


def test_an_overlap_that_ends_by_itself_is_over_though_nobody_has_written_it_down(
    make_credential: Callable[..., Rotated], root: Actor, clock: time_machine.Traveller
) -> None:
    first = make_credential()
    overlap.rotate(first.holder, by=root, grace_hours=1)
    clock.shift(timedelta(hours=1))
    now = opened(first)
    assert (now.is_open, now.at_step, now.ended_by) == (False, 0, "")
    assert now.old.end == NOON + timedelta(hours=1)


def test_after_a_rotation_without_grace_the_new_secret_is_waited_for(
    make_credential: Callable[..., Rotated], root: Actor
) -> None:
    first = make_credential()
    second = overlap.rotate(first.holder, by=root, grace_hours=0)
    now = opened(first)
    assert (now.is_open, now.is_used, now.new.pk) == (False, False, second.secret.pk)


def test_a_cancelled_rotation_is_none(make_credential: Callable[..., Rotated], root: Actor) -> None:
    first = make_credential()
    overlap.rotate(first.holder, by=root)
    overlap.cancel_rotation(first.holder, by=root)
    assert guide(first) is None


def test_one_that_brought_an_expired_credential_back_replaces_nothing(
    make_credential: Callable[..., Rotated], root: Actor, clock: time_machine.Traveller
) -> None:
    first = make_credential(days=1)
    clock.shift(timedelta(days=2))
    overlap.rotate(first.holder, by=root)
    assert guide(first) is None


def test_the_mark_changes_with_what_is_shown_and_with_nothing_else(
    make_credential: Callable[..., Rotated], root: Actor, clock: time_machine.Traveller
) -> None:
    first = make_credential()
    use(first, OLD_HOME)
    seen = [mark(first)]
    clock.shift(timedelta(seconds=20))
    use(first, OLD_HOME)
    assert mark(first) == seen[-1]
    second = overlap.rotate(first.holder, by=root, grace_hours=48)
    seen.append(mark(first))
    use(second, NEW_HOME)
    seen.append(mark(first))
    clock.shift(timedelta(hours=25))
    seen.append(mark(first))
    clock.shift(timedelta(hours=25))
    seen.append(mark(first))
    switching.disable(first.holder, by=root, reason="maintenance")
    seen.append(mark(first))
    assert len(set(seen)) == len(seen)
