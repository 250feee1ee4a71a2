"""A client that a generator makes of our OpenAPI does a programmer's first job against a whole installation."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.served.installation import PATIENCE, Served

SCOPES = ("devices:read", "devices:admit", "devices:delete")
# The generator knows no text/csv, and sends it as it sends any bytes; it need not format what nobody reads.
CONFIG = "content_type_overrides: {text/csv: application/octet-stream}\npost_hooks: []\n"


@pytest.fixture(scope="module")
def generated(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a package that holds the client; the generator understands the whole document."""
    folder = tmp_path_factory.mktemp("generated")
    document, package, config = folder / "api.yaml", folder / "gatehouse_client", folder / "config.yaml"
    config.write_text(CONFIG)
    served.manage("spectacular", "--file", str(document))
    done = subprocess.run(
        [
            sys.executable, "-m", "openapi_python_client", "generate", "--path", str(document),
            "--output-path", str(package), "--config", str(config), "--meta", "none",
            "--fail-on-warning",
        ],
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout
    sys.path.insert(0, str(folder))
    yield package.name
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == package.name]:
        del sys.modules[name]


@pytest.fixture
def part(generated: str) -> Any:
    """A module of the client by its name."""

    def load(name: str) -> ModuleType:
        return importlib.import_module(f"{generated}.{name}")

    return load


@pytest.fixture
def client(part: Any, served: Served) -> Any:
    scopes = [f"--scope={scope}" for scope in SCOPES]
    token = served.manage("issue_token", "generated", "--owner=admin", "--days=1", *scopes).strip()
    return part("client").AuthenticatedClient(served.tls_url, token, verify_ssl=served.trusted())


@pytest.fixture
def waiting(part: Any, client: Any, served: Served) -> Iterator[str]:
    """The id of a device that has just asked to be let in."""
    devices_list, status = part("api.devices.devices_list"), part("models.devices_list_status").DevicesListStatus

    def pending() -> set[str]:
        page = devices_list.sync(client=client, status=status.PENDING, limit=500)
        assert page.total == len(page.results)
        return {device.id for device in page.results}

    before = pending()
    served.manage("simulate_fleet", "--devices=1", "--once", f"--url={served.http_url}")
    [device_id] = pending() - before
    yield device_id
    part("api.devices.devices_purge").sync_detailed(device_id, client=client)


def test_a_client_made_of_the_document_lists_and_accepts_a_device(part: Any, client: Any, waiting: str) -> None:
    accept, reason = part("api.devices.devices_accept"), part("models.reason_request").ReasonRequest
    device = accept.sync(waiting, client=client, body=reason(reason="It stands in hall 3."))
    assert (device.id, device.status.value, device.decided_by) == (waiting, "accepted", "token generated")
    assert device.decided_at.tzinfo is not None
    assert device.identity.additional_properties
    [decided, *_] = part("api.devices.devices_history").sync(waiting, client=client).results
    assert (decided.verb, decided.reason) == ("device.accepted", "It stands in hall 3.")


def test_it_understands_a_no(part: Any, client: Any, waiting: str) -> None:
    accept, reason = part("api.devices.devices_accept"), part("models.reason_request").ReasonRequest
    assert accept.sync_detailed(waiting, client=client, body=reason(), if_match='"999"').status_code == 412
    accept.sync(waiting, client=client, body=reason())
    refused = accept.sync(waiting, client=client, body=reason())
    assert isinstance(refused, part("models.error").Error)
    assert refused.code == "admission_not_possible"
    unknown = part("api.devices.devices_retrieve").sync("press-unknown", client=client)
    assert unknown.code == "device_not_found"


def test_it_follows_the_pages(part: Any, client: Any, waiting: str) -> None:
    devices_list = part("api.devices.devices_list")
    whole = devices_list.sync(client=client, limit=500)
    page = devices_list.sync(client=client, limit=1)
    found = [device.id for device in page.results]
    while page.next_:
        cursor = page.next_.partition("cursor=")[2].partition("&")[0].replace("%3D", "=")
        page = devices_list.sync(client=client, limit=1, cursor=cursor)
        found += [device.id for device in page.results]
    assert found == [device.id for device in whole.results]
