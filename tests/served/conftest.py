"""Installations that a test may break, and what the tests of the device door share."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pki import Authority
from tests.receiver import Receiver, receiving
from tests.served.gateway import Gateway
from tests.served.installation import Served, serving
from tests.served.services import SERVED

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


@pytest.fixture(scope="module")
def plant() -> Authority:
    """The CA of the plant, which the machine of `gateway` knows."""
    return Authority("plant CA")


@pytest.fixture(scope="module")
def gateway(plant: Authority, files: Path) -> Iterator[Gateway]:
    """An installation whose routes may lead to services on this machine."""
    cas = files / "cas.pem"
    cas.write_text(plant.pem)
    with serving(GATEHOUSE_ROUTE_TARGETS="private loopback", SSL_CERT_FILE=str(cas)) as ready:
        yield Gateway(ready)


@pytest.fixture(scope="module")
def service() -> Iterator[Receiver]:
    with receiving(answer=SERVED) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def line(gateway: Gateway, service: Receiver) -> int:
    """A route to the service, with a base path and two methods."""
    target = f"http://127.0.0.1:{service.port}/base"
    return gateway.open("line", target, methods=["GET", "POST"], body_limit=2048)


@pytest.fixture(scope="module")
def token(gateway: Gateway) -> str:
    return gateway.line
