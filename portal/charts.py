"""Bars of the last 24 hours, drawn on the server: shapes for an SVG, and the same numbers in words and in a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from portal import tally

HOURS = 24
STEP, WIDTH, HEIGHT = 10, 8, 60
# What happened once in an hour must be seen beside what happened ten thousand times.
LEAST = 2.0


@dataclass(frozen=True)
class Series:
    """One kind of bar: the count behind it, the word that names it, and the colour by its class."""

    name: str
    word: str
    tone: str


@dataclass(frozen=True)
class Bar:
    """A rectangle in the coordinates of the picture, 240 wide and 60 high."""

    tone: str
    y: str
    height: str


@dataclass(frozen=True)
class Column:
    """An hour: its bars one above the other, and its numbers in the order of the series."""

    x: int
    hour: datetime
    words: str
    numbers: Sequence[int]
    bars: Sequence[Bar]


@dataclass(frozen=True)
class Chart:
    """`legend` has each series with its sum, `most` the largest number of a column, `words` the whole in a sentence."""

    key: str
    title: str
    words: str
    legend: Sequence[tuple[Series, str]]
    columns: Sequence[Column]
    most: str
    unit: str = "an hour"


ADMISSIONS = (
    Series("device.pending", "asked", "pending"),
    Series("device.accepted", "accepted", "accepted"),
    Series("device.rejected", "rejected", "rejected"),
    Series("device.denied", "denied", "denied"),
)
REQUESTS = (
    Series(tally.ANSWERED, "answered", "answered"),
    Series(tally.REFUSED, "refused", "refused"),
    Series(tally.FAILED, "failed", "failed"),
)


def draw(
    key: str, title: str, subject: str, series: Sequence[Series], day: Mapping[str, Sequence[int]], now: datetime
) -> Chart:
    """The chart of these series; `subject` is what is counted, such as `devices`, and `day` has 24 numbers for each."""
    began = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    hours = [[day[one.name][at] for one in series] for at in range(HOURS)]
    most = max(sum(numbers) for numbers in hours)
    sums = [sum(day[one.name]) for one in series]
    columns = [
        Column(at * STEP, hour, f"{hour:%H:%M}, {_listed(series, numbers)}", numbers, _bars(series, numbers, most))
        for at, numbers in enumerate(hours)
        for hour in [began + timedelta(hours=at)]
    ]
    words = f"{subject.capitalize()} in the last {HOURS} hours: {_listed(series, sums)}."
    legend = [(one, f"{total:,}") for one, total in zip(series, sums, strict=True)]
    return Chart(key, title, words, legend, columns, f"{most:,}")


def _listed(series: Sequence[Series], numbers: Sequence[int]) -> str:
    return ", ".join(f"{number:,} {one.word}" for one, number in zip(series, numbers, strict=True))


def _bars(series: Sequence[Series], numbers: Sequence[int], most: int) -> list[Bar]:
    """From the ground up. Small ones are drawn larger than they are, at the cost of the largest."""
    heights = [max(LEAST, HEIGHT * number / most) if number else 0.0 for number in numbers]
    if (over := sum(heights) - HEIGHT) > 0:
        heights[heights.index(max(heights))] -= over
    bars, ground = [], float(HEIGHT)
    for one, height in zip(series, heights, strict=True):
        ground -= height
        if height:
            bars.append(Bar(one.tone, f"{ground:.2f}", f"{height:.2f}"))
    return bars
