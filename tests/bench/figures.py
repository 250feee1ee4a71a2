"""A figure that a benchmark yields, and the register of benchmarks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


class CannotRun(Exception):
    """The benchmark could not be made; the text says why."""


@dataclass(frozen=True)
class Figure:
    """One measured value. `goal` reads `< 0.5 s`; a figure without a goal is there to be known."""

    name: str
    value: float
    unit: str = ""
    below: float | None = None
    at_least: float | None = None

    @property
    def holds(self) -> bool:
        above = self.at_least is None or self.value >= self.at_least
        return above and (self.below is None or self.value < self.below)

    def __str__(self) -> str:
        shown = f"{self.name}: {self._with_unit(self.value)}"
        if self.below is None and self.at_least is None:
            return shown
        goal = f"< {self._with_unit(self.below)}" if self.below is not None else f">= {self._with_unit(self.at_least)}"
        return f"{shown} (goal {goal}) {'holds' if self.holds else 'falls short'}"

    def _with_unit(self, value: float | None) -> str:
        return f"{value:g} {self.unit}".strip()


Bench = Callable[[], Iterator[Figure]]

BENCHES: dict[str, Bench] = {}


def bench(run: Bench) -> Bench:
    """Register a benchmark under the name of its function."""
    BENCHES[run.__name__] = run
    return run
