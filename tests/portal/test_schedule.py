"""Each job of the worker runs when it is due, once over all workers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from portal import schedule
from portal.models import ScheduledJob

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A worker with two jobs, of which the first one breaks; the list says what ran."""
    monkeypatch.setattr(schedule, "_jobs", {})
    ran: list[str] = []

    @schedule.every(60, "broken")
    def broken() -> None:
        ran.append("broken")
        raise RuntimeError("the job is broken")

    @schedule.every(60, "sound")
    def sound() -> None:
        ran.append("sound")

    return ran


def test_a_job_runs_at_once_and_then_when_it_is_due(db: None, clock: Any, runs: list[str]) -> None:
    assert schedule.run_due() == 2
    clock.shift(59)
    assert schedule.run_due() == 0
    clock.shift(1)
    assert schedule.run_due() == 2
    assert runs.count("sound") == 2


def test_a_broken_job_is_told_and_does_not_stop_the_others(
    db: None, clock: Any, runs: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    schedule.run_due()
    assert runs == ["broken", "sound"]
    assert "The job broken failed" in caplog.text


def test_runs_that_were_missed_are_made_up_for_once(db: None, clock: Any, runs: list[str]) -> None:
    schedule.run_due()
    clock.shift(timedelta(hours=5))
    schedule.run_due()
    assert schedule.run_due() == 0


@pytest.mark.parametrize("back", [timedelta(minutes=5), timedelta(hours=1), timedelta(days=400)])
def test_after_the_clock_was_set_back_a_job_runs_within_its_usual_time_and_not_twice(
    db: None, clock: Any, runs: list[str], back: timedelta
) -> None:
    schedule.run_due()
    clock.shift(-back)
    assert schedule.run_due() == 0
    clock.shift(60)
    assert schedule.run_due() == 2
    assert schedule.run_due() == 0


def test_a_step_forward_and_back_again_runs_a_job_once(db: None, clock: Any, runs: list[str]) -> None:
    schedule.run_due()
    clock.shift(timedelta(hours=1))
    schedule.run_due()
    clock.shift(-timedelta(hours=1))
    schedule.run_due()
    assert runs.count("sound") == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", [True, False])
def test_of_eight_workers_exactly_one_claims_a_run(
    clock: Any, runs: list[str], at_once: Callable[..., list[Any]], first: bool
) -> None:
    job = schedule.jobs()[0]
    if not first:
        ScheduledJob.objects.create(name=job.name, due_at=NOON - timedelta(seconds=1))
    claims = at_once(*(lambda: schedule.claim(job) for _ in range(8)))
    assert sorted(claims) == [False] * 7 + [True]


@pytest.mark.django_db(transaction=True)
def test_two_workers_do_each_due_run_once(clock: Any, runs: list[str], at_once: Callable[..., list[Any]]) -> None:
    for _ in range(5):
        at_once(schedule.run_due, schedule.run_due)
        clock.shift(60)
    assert (runs.count("sound"), runs.count("broken")) == (5, 5)
