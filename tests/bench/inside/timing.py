"""How long calls take: alternately, so that what else the machine does meets all of them alike."""

import time
from collections.abc import Callable, Mapping
from statistics import median

Calls = Mapping[str, Callable[[], object]]


def milliseconds(calls: Calls, *, rounds: int) -> dict[str, float]:
    """The median of each call by the clock, after one that is not counted."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in range(rounds + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if round_:
                took[name].append((time.perf_counter() - began) * 1000)
    return {name: median(times) for name, times in took.items()}


def microseconds(calls: Calls, *, rounds: int, each: int, by_clock: bool) -> list[dict[str, float]]:
    """By round, after one that is not counted: one of `each` calls in a row, by the clock or by the processor."""
    now = time.perf_counter if by_clock else time.process_time
    found = []
    for _ in range(rounds + 1):
        took = {}
        for name, call in calls.items():
            began = now()
            for _ in range(each):
                call()
            took[name] = (now() - began) * 1_000_000 / each
        found.append(took)
    return found[1:]
