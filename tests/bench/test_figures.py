"""What a benchmark prints."""

import pytest

from tests.bench.__main__ import main
from tests.bench.figures import BENCHES, Figure


@pytest.mark.parametrize(
    ("figure", "line"),
    [
        (Figure("wait", 0.31, "s", below=0.5), "wait: 0.31 s (goal < 0.5 s) holds"),
        (Figure("wait", 0.5, "s", below=0.5), "wait: 0.5 s (goal < 0.5 s) falls short"),
        (Figure("ratio", 0.8, at_least=0.8), "ratio: 0.8 (goal >= 0.8) holds"),
        (Figure("ratio", 0.79, at_least=0.8), "ratio: 0.79 (goal >= 0.8) falls short"),
        (Figure("rate", 812, "per second"), "rate: 812 per second"),
    ],
)
def test_a_figure_is_one_line_that_says_whether_its_goal_holds(figure: Figure, line: str) -> None:
    assert str(figure) == line


def test_every_benchmark_has_a_name_to_be_asked_for_by() -> None:
    names = {
        "enrolment", "memory", "start", "first_start", "through_the_door", "lists", "token_check", "admissions", "bulk",
        "device_door", "device_calls", "access_token_check", "token_endpoint", "failed_tokens", "rotation_under_load",
        "gateway_verdicts", "many_routes", "shutdowns",
    }  # fmt: skip
    assert set(BENCHES) == names


def test_an_unknown_benchmark_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speed"]) == 2
    assert "There is no benchmark speed; there are" in capsys.readouterr().err
