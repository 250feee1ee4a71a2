"""Whoever fails waits longer each time; who does not fail never waits for others."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from portal import throttle
from portal.models import FailedAttempts
from portal.refusal import TooMany

HERE, THERE = "192.0.2.1", "198.51.100.7"
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
# What the failures on one account cost, one after the other, in seconds; the fifth costs one, which it does not say.
WAITS = [None, None, None, None, None, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.fixture(autouse=True)
def clock(db: None) -> Any:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def cost(address: str, account: str) -> int | None:
    try:
        throttle.failed(address, account)
    except TooMany as wait:
        return wait.retry_after
    return None


def waits(address: str, account: str) -> bool:
    try:
        throttle.check(address, account)
    except TooMany:
        return True
    return False


def test_failures_on_one_account_cost_a_wait_that_doubles_up_to_a_minute() -> None:
    assert [cost(HERE, "ada") for _ in WAITS] == WAITS


def test_failures_on_many_accounts_cost_their_address_a_wait() -> None:
    assert [cost(HERE, f"person {n}") for n in range(23)] == [None] * 20 + [2, 4, 8]
    assert waits(HERE, "somebody else")


def test_the_fifth_failure_in_a_row_makes_the_next_try_wait_a_second(clock: Any) -> None:
    for _ in range(4):
        cost(HERE, "ada")
    assert not waits(HERE, "ada")
    assert cost(HERE, "ada") is None
    assert waits(HERE, "ada")
    clock.shift(1.001)
    assert not waits(HERE, "ada")


def test_who_has_logged_in_from_an_address_does_not_wait_for_others_behind_it(clock: Any) -> None:
    throttle.succeeded(HERE, "ada")
    for n in range(30):
        cost(HERE, f"person {n}")
    assert waits(HERE, "bob")
    assert not waits(HERE, "ada")
    assert [cost(HERE, "ada") for _ in WAITS] == WAITS
    assert waits(HERE, "ada")
    throttle.succeeded(HERE, "ada")
    clock.shift(timedelta(days=29))
    throttle.forget()
    for n in range(30):
        cost(HERE, f"person {n}")
    assert not waits(HERE, "ada")
    clock.shift(timedelta(days=2))
    throttle.forget()
    assert not FailedAttempts.objects.exists()


def test_where_all_wait_together_a_success_ends_the_wait_of_all() -> None:
    for n in range(25):
        cost(HERE, f"person {n}")
    assert waits(HERE, "ada")
    throttle.succeeded_for_all(HERE, "ada")
    assert not waits(HERE, "bob")


def test_a_wait_ends_when_it_says(clock: Any) -> None:
    for _ in range(8):
        seconds = cost(HERE, "ada")
    assert seconds == 8
    assert waits(HERE, "ada")
    clock.shift(8.001)
    assert not waits(HERE, "ada")


def test_the_refusal_says_how_long_rounded_up(clock: Any) -> None:
    for _ in range(8):
        cost(HERE, "ada")
    clock.shift(0.5)
    with pytest.raises(TooMany, match="try again in 8 s") as refused:
        throttle.check(HERE, "ada")
    assert refused.value.retry_after == 8


def test_a_stranger_elsewhere_does_not_lock_a_known_user_out() -> None:
    for _ in range(15):
        cost(THERE, "ada")
    assert not waits(HERE, "ada")
    assert cost(HERE, "ada") is None


def test_a_success_forgets_the_failures_of_this_pair_alone() -> None:
    for _ in range(8):
        cost(HERE, "ada")
        cost(THERE, "ada")
    throttle.succeeded(HERE, "ada")
    assert not waits(HERE, "ada")
    assert waits(THERE, "ada")


def test_failures_are_forgotten_after_a_quarter_of_an_hour(clock: Any) -> None:
    for _ in range(8):
        cost(HERE, "ada")
    clock.shift(timedelta(minutes=15, seconds=1))
    assert cost(HERE, "ada") is None
    clock.shift(timedelta(minutes=15, seconds=1))
    throttle.forget()
    assert not FailedAttempts.objects.exists()


@pytest.mark.parametrize("back", [timedelta(minutes=5), timedelta(hours=1)])
def test_a_clock_that_was_set_back_makes_nobody_wait_longer_than_a_minute(clock: Any, back: timedelta) -> None:
    for _ in range(8):
        cost(HERE, "ada")
    clock.shift(-back)
    assert not waits(HERE, "ada")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("", "not an address", False),
    ],
)
def test_an_ipv6_address_counts_with_its_64_bit_network_and_an_ipv4_address_for_itself(
    one: str, other: str, same: bool
) -> None:
    for _ in range(10):
        cost(one, "ada")
    assert waits(other, "ada") == same


@pytest.mark.parametrize("account", ["", "x" * 10_000, "\x00", "\ud800", "a\nb"])
def test_any_name_of_an_account_can_be_counted(account: str) -> None:
    for _ in range(6):
        cost(HERE, account)
    assert waits(HERE, account)
    assert not waits(HERE, f"{account}!")


@pytest.mark.django_db(transaction=True)
def test_failures_at_the_same_moment_are_all_counted(clock: Any, at_once: Callable[..., list[Any]]) -> None:
    at_once(*(lambda: throttle.failed(HERE, "ada") for _ in range(8)))
    assert sorted(FailedAttempts.objects.values_list("failures", flat=True)) == [8, 8]
    assert FailedAttempts.objects.filter(wait_until__gt=timezone.now()).exists()
