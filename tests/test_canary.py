"""The watch over secrets is awake."""

import logging

import pytest

from tests import canary
from tests.conftest import PASSWORD
from tokens import secret

pytestmark = pytest.mark.django_db  # Who generates a secret asks which pepper is active.


@pytest.fixture
def watched() -> tuple[logging.Logger, canary.Watch]:
    logger, watch = logging.Logger("story"), canary.Watch(PASSWORD)
    logger.addHandler(watch)
    return logger, watch


@pytest.mark.parametrize("line", ["Bearer {}", "/x?token={}&y=1", '{{"token": "{}"}}', "{}\u202e"])
def test_a_secret_in_a_line_of_the_log_is_found(watched: tuple[logging.Logger, canary.Watch], line: str) -> None:
    logger, watch = watched
    logger.info(line.format(secret.generate("gate_pat").text))
    (place,) = watch.found
    assert place.startswith("story, ")
    assert "gate_" not in place


def test_a_secret_in_a_traceback_or_an_event_is_found_and_so_is_the_password(
    watched: tuple[logging.Logger, canary.Watch],
) -> None:
    logger, watch = watched
    shown = secret.generate("gate_pat").text
    try:
        raise ValueError(shown)
    except ValueError:
        logger.exception("It failed.")
    logger.info("told", extra={"event": {"token": shown}})
    logger.warning("somebody came with %s", PASSWORD)
    assert len(watch.found) == 3


def test_what_only_looks_like_a_secret_is_none(watched: tuple[logging.Logger, canary.Watch]) -> None:
    logger, watch = watched
    text = secret.generate("gate_pat").text
    logger.info("gate_pat_abcdefghijkl_… %s", text[:-1] + ("0" if text[-1] != "0" else "1"))
    assert watch.found == []


def test_a_client_secret_is_one_too(watched: tuple[logging.Logger, canary.Watch]) -> None:
    logger, watch = watched
    text = secret.client_secret("main-app1-v1.0.0").text
    logger.info("%s and %s", text[:-1] + ("0" if text[-1] != "0" else "1"), text[:-6])
    assert watch.found == []
    logger.info("X-SPACE-AUTH-KEY: %s", text)
    assert len(watch.found) == 1
    kept = {"part": f"x{text[6:49]}".encode(), "prefix": b"gatecs"}
    assert canary.places(kept, [text.encode()]) == ["part"]


def test_the_random_part_of_a_secret_that_was_shown_is_found_alone() -> None:
    shown = secret.generate("gate_pat").text.encode()
    kept = {"whole": shown, "part": b"x" + shown[22:65] + b"x", "id": shown[:21], "nothing": b""}
    assert canary.places(kept, [shown]) == ["whole", "part"]


def test_the_watch_stands_at_every_logger_that_writes() -> None:
    """Lines of `django` do not reach the root."""
    for name in (None, "django"):
        assert any(isinstance(handler, canary.Watch) for handler in logging.getLogger(name).handlers)
