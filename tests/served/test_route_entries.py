"""EDGEX_ADD_PROXY_ROUTE at the real start: what is good is served, what is not is told, and the next start forgets."""

import json
import sqlite3
from collections.abc import Iterator

import pytest

from tests.served.installation import Served, serving

LINE = "app-myservice.http://edgex-app-myservice:56789"
BAD = "app.http://ann:hunter2@h:1"
SAID = "Entry 2 (`app.http://…@h:1`) must not hold a user, a query or a fragment."


@pytest.fixture(scope="module")
def installation() -> Iterator[Served]:
    with serving(EDGEX_ADD_PROXY_ROUTE=f"{LINE}, {BAD}") as served:
        yield served


def routes(served: Served) -> dict[str, tuple[str, int]]:
    """Target and standing of each route that is not as it was built in."""
    with sqlite3.connect(served.data_dir / "gatehouse.sqlite3") as database:
        rows = database.execute("SELECT prefix, target, is_enabled FROM gateway_route WHERE origin <> 'built_in'")
        return {prefix: (target, enabled) for prefix, target, enabled in rows}


def refused(served: Served, path: str) -> str:
    return str(json.loads(served.ask("GET", path)[2])["code"])


def test_the_line_of_the_manual_is_served_and_a_bad_entry_beside_it_is_told(installation: Served) -> None:
    assert routes(installation) == {"app-myservice": ("http://edgex-app-myservice:56789", 1)}
    # Without a token nothing is said of where a route leads; that it asks for one shows that it is there.
    assert refused(installation, "/app-myservice/api/v3/ping") == "token_missing"
    assert SAID in installation.log
    assert "hunter2" not in installation.log
    doctor = installation.try_to_manage("doctor", "--json")
    assert SAID in next(json.loads(line) for line in doctor.stdout.splitlines() if "route entries" in line)["wrong"]


def test_built_in_routes_are_nobodys_until_the_command_enables_them(installation: Served) -> None:
    before = json.loads(installation.manage("import_routes", "--edgex", "4"))
    assert len(before) == 9
    assert {one["result"] for one in before} == {"updated"}
    again = json.loads(installation.manage("import_routes", "--edgex", "4"))
    assert {one["result"] for one in again} == {"unchanged"}


def test_a_route_whose_entry_left_is_disabled_at_the_next_start(installation: Served) -> None:
    assert installation.stop() == 0
    installation.env["EDGEX_ADD_PROXY_ROUTE"] = "other.http://edgex-other:1"
    installation.start()
    installation.wait_ready()
    assert routes(installation) == {
        "app-myservice": ("http://edgex-app-myservice:56789", 0),
        "other": ("http://edgex-other:1", 1),
    }
    assert json.loads(installation.manage("import_routes", "other.http://edgex-other:1"))[0]["result"] == "unchanged"
    done = installation.try_to_manage("import_routes", "new.http://h:1, other.http://edgex-other:2")
    assert done.returncode == 1
    assert (
        "Entry 2 (`other.http://edgex-other:2`) is already a route to http://edgex-other:1; left as it is."
        in done.stderr
    )
    assert [one["result"] for one in json.loads(done.stdout)] == ["refused", "refused"]
