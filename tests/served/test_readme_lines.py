"""The shell lines of README in an installation that is new: each section by itself, pasted as it stands."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.receiver import receiving
from tests.served.installation import PATIENCE, ROOT, Served, serving
from tests.served.services import SERVED

README = (ROOT / "README.md").read_text()
Paste = Callable[..., str]


def section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def shell(title: str) -> list[str]:
    """The blocks of the section that are marked as shell."""
    return re.findall(r"^```sh\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)


def indented(text: str, by: int) -> list[str]:
    return [block.strip() for block in re.findall(rf"(?:^ {{{by}}}.+\n)+", text, re.MULTILINE)]


@pytest.fixture(scope="module")
def portal() -> Iterator[Served]:
    with serving(GATEHOUSE_ROUTE_TARGETS="private loopback") as ready:
        yield ready


@pytest.fixture(scope="module")
def paste(portal: Served, files: Path) -> Paste:
    """Paste lines into a new shell, which knows no variable that they don't set; what they print.

    Commands, paths and addresses are those of this installation, and `instead` says what else is another here.
    """

    def paste(*blocks: str, instead: dict[str, str] | None = None) -> str:
        lines = "\n".join(blocks)
        here = {
            ".venv/bin/python manage.py": f"{sys.executable} {ROOT}/manage.py",
            "var/run/": f"{portal.data_dir}/run/",
            "localhost:8443": f"localhost:{portal.tls_port}",
            "edge-iot-core.proxy-redirect:8443": f"edge-iot-core.proxy-redirect:{portal.tls_port}",
            "localhost:8444": f"localhost:{portal.device_port}",
            "localhost:8000": f"127.0.0.1:{portal.http_port}",
        }
        for written, other in {**here, **(instead or {})}.items():
            lines = lines.replace(written, other)
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", lines], cwd=files, env=portal.env, capture_output=True, text=True,
            timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return paste


@pytest.fixture(scope="module")
def press_1(portal: Served, paste: Paste) -> None:
    """The device of the first five minutes, accepted."""
    knocks = indented(section("The first five minutes").partition("\n5. ")[2], 7)[0]
    assert json.loads(paste(knocks))["device"] == "press-1"
    token = portal.manage("issue_token", "accepts", "--owner=admin", "--days=1", "--scope=devices:admit").strip()
    headers = {"Authorization": f"Bearer {token}"}
    assert portal.ask("POST", "/api/v1/devices/press-1/accept", headers=headers)[0] == 200


@pytest.mark.parametrize("tool", ["curl", "jq", "openssl", "sqlite3"])
def test_what_the_lines_use_is_named_where_they_begin(tool: str) -> None:
    assert re.search(rf"\b{tool} ", README)
    assert f"`{tool}`" in section("The first five minutes").partition("\n1. ")[0]


def first_token() -> str:
    return indented(section("The first five minutes").partition("\n3. ")[2], 7)[0]


def test_a_list_of_one_device_is_judged_with_the_token_of_the_first_five_minutes(paste: Paste) -> None:
    rule, expected = indented(section("Letting devices in ahead of time"), 4)
    assert json.loads(paste(first_token(), rule))["name"] == "press hall"
    [outcome] = json.loads(paste(first_token(), expected))["outcomes"]
    assert (outcome["status"], outcome["error"]) == ("ready", "")


@pytest.mark.usefixtures("press_1")
def test_credentials_are_used_and_rotated_and_an_app_comes_in_from_its_device(paste: Paste) -> None:
    said = paste(*shell("App credentials"), *shell("Apps on devices"))
    assert '"userName":"admin"' in said
    assert json.loads(said[said.rindex('{"access_token"') :])["expires_in"] == 3600


@pytest.mark.usefixtures("press_1")
def test_a_shutdown_of_the_one_device_is_ordered_and_cancelled(paste: Paste) -> None:
    [lines] = shell("Shutting devices down")
    said = paste(lines)
    assert json.loads(said[said.rindex("{") :]) == {"cancelled": ["press-1"], "too_late": []}


def test_a_route_serves_the_first_call_that_is_made_in_the_same_paste(paste: Paste) -> None:
    lines = shell("Publishing a service behind the gateway")[0]
    with receiving(answer=SERVED) as service:
        said = paste(lines, instead={"http://10.20.0.5:59740": f"http://127.0.0.1:{service.port}"})
        assert said.endswith("ok")
        assert service.heard[-1].path == "/api/v3/ping"


def test_a_gateway_user_comes_as_far_as_the_service(paste: Paste) -> None:
    routes, user = shell("Publishing a service behind the gateway")[1:]
    paste(routes, instead={"10.20.0.5": "127.0.0.1"})
    assert json.loads(paste(user))["code"] == "service_unreachable"  # None is here; the way to it was open.
