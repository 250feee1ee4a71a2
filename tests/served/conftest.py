"""Installations that a test may break."""

from collections.abc import Iterator

import pytest

from tests.served.installation import Served, serving


@pytest.fixture
def own_served() -> Iterator[Served]:
    """An installation of the test's own, to be broken."""
    with serving() as ready:
        yield ready
