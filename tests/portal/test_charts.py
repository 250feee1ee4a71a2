"""The shapes of the charts: within their picture, none invisible, and the same numbers in words."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from portal import charts

NOON = datetime(2026, 5, 4, 12, 34, tzinfo=UTC)
number = st.integers(0, 10**12)


def day(*last: int) -> dict[str, list[int]]:
    """Nothing but these in the hour under way, in the order of the series."""
    return {one.name: [*[0] * 23, number] for one, number in zip(charts.REQUESTS, last, strict=True)}


def drawn(numbers: dict[str, list[int]]) -> charts.Chart:
    return charts.draw("requests", "Requests", "requests", charts.REQUESTS, numbers, NOON)


def test_the_words_say_the_sums_and_each_hour_its_numbers() -> None:
    chart = drawn(day(12345, 6, 0))
    assert chart.words == "Requests in the last 24 hours: 12,345 answered, 6 refused, 0 failed."
    assert chart.columns[-1].words == "12:00, 12,345 answered, 6 refused, 0 failed"
    assert [f"{column.hour:%d %H}" for column in chart.columns[:1]] == ["03 13"]
    assert chart.most == "12,351"


def test_a_day_without_anything_has_no_bar() -> None:
    chart = drawn(day(0, 0, 0))
    assert not any(column.bars for column in chart.columns)
    assert chart.most == "0"


def test_one_failure_is_seen_beside_ten_thousand_answers() -> None:
    bars = {bar.tone: float(bar.height) for bar in drawn(day(10_000, 0, 1)).columns[-1].bars}
    assert bars == {"answered": 58.0, "failed": 2.0}


@given(st.lists(st.tuples(number, number, number), min_size=24, max_size=24))
def test_every_number_but_zero_has_its_bar_within_the_picture(hours: list[tuple[int, int, int]]) -> None:
    chart = drawn({one.name: [hour[at] for hour in hours] for at, one in enumerate(charts.REQUESTS)})
    for column, numbers in zip(chart.columns, hours, strict=True):
        assert len(column.bars) == sum(number > 0 for number in numbers)
        assert 0 <= column.x <= 230
        for bar in column.bars:
            assert float(bar.height) >= 2.0 - 0.01
            assert -0.01 <= float(bar.y) <= 60 - float(bar.height) + 0.02
