"""Files are sent one at a time in a process, and the next one's turn comes whatever became of the last."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from portal.downloads import Busy, download
from portal.models import User

# A file that ends, ends its request, which looks at the connection.
pytestmark = pytest.mark.django_db


def file() -> Any:
    return download(iter(["one\n", "two\n"]), "lines.txt", "text/plain")


def test_a_second_file_is_refused_until_the_first_is_read_to_its_end() -> None:
    first = file()
    with pytest.raises(Busy, match="Another file is being sent"):
        file()
    assert b"".join(first.streaming_content) == b"one\ntwo\n"
    file().close()


@pytest.mark.parametrize("lines", [0, 1])
def test_who_goes_away_early_leaves_the_turn_to_the_next(lines: int) -> None:
    for _ in range(3):
        answer = file()
        for _ in range(lines):
            next(iter(answer.streaming_content))
        answer.close()
        answer.close()


def test_an_answer_that_is_dropped_unclosed_leaves_the_turn_to_the_next() -> None:
    """As by a middleware that fails after the view, such as that of the sessions on a database that is read-only."""
    for _ in range(3):
        assert file().streaming


def test_a_file_that_breaks_in_the_middle_leaves_the_turn_to_the_next() -> None:
    def broken() -> Any:
        yield "one\n"
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            list(download(broken(), "lines.txt", "text/plain").streaming_content)


def test_a_page_says_when_to_try_again(log_in: Callable[..., Client], viewer: User) -> None:
    reader, first = log_in(viewer), file()
    refused = reader.get("/portal/audit/audit.csv")
    assert (refused.status_code, refused["Retry-After"]) == (503, "10")
    assert b"".join(first.streaming_content)
