"""Installations that a test may break, and what the tests of the device door share."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.served.installation import Served, serving

SCOPES = ("devices:read", "devices:admit", "devices:update", "devices:delete", "devices:enrol", "gateway:read",
          "gateway:manage")  # fmt: skip


@pytest.fixture
def own_served() -> Iterator[Served]:
    """An installation of the test's own, to be broken."""
    with serving() as ready:
        yield ready


@pytest.fixture(scope="module")
def portal() -> Iterator[Served]:
    """One installation for all tests of a module."""
    with serving() as ready:
        yield ready


@pytest.fixture(scope="module")
def rest(portal: Served) -> Callable[..., Any]:
    """A call of the native REST API with every scope that the tests need."""
    scopes = [f"--scope={scope}" for scope in SCOPES]
    token = portal.manage("issue_token", "test", "--owner=admin", "--days=1", *scopes).strip()

    def call(method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        answered, _, content = portal.ask(method, f"/api/v1{path}", json.dumps(body) if body else None, headers)
        assert answered == status, content
        return json.loads(content) if content else None

    return call


@pytest.fixture(scope="module")
def files() -> Iterator[Path]:
    """A folder for certificates and keys, which TLS clients read from files alone."""
    folder = Path(tempfile.mkdtemp(prefix="gh-pki-"))
    yield folder
    shutil.rmtree(folder)
