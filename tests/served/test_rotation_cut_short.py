"""A rotation that is killed, unread or out of room leaves every credential with a secret that somebody knows."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.served.installation import PATIENCE, ROOT, wait_for

MANY = 40
ISSUE = """
from portal.actor import Actor
from tokens import credentials, registration
by = Actor.command("test")
version = registration.add_version(registration.register("app1", tenant="main", by=by), "v1.0.0", by=by,
    scopes=["users:read"])
for number in range({number}):
    issued = credentials.issue(version, by=by, owner=None, instance=f"i{{number}}", days=10)
    print(issued.holder.client_id, issued.text)
"""
JUDGE = """
import json, sys
from tokens import shown_secrets
for client_id, text in json.load(sys.stdin):
    try:
        shown_secrets.of_client(client_id, text, address="192.0.2.7")
    except shown_secrets.Refused:
        print("no")
    else:
        print("yes")
"""


class Machine:
    """An installation of its own, for commands in processes that may be killed."""

    def __init__(self, folder: Path) -> None:
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("GATEHOUSE_", "DJANGO_"))}
        self.env = kept | {"GATEHOUSE_DATA_DIR": str(folder)}

    def begin(self, *command: str, **how: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "manage.py", *command], cwd=ROOT, env=self.env, text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how},
        )  # fmt: skip

    def manage(self, *command: str, given: str = "") -> str:
        begun = self.begin(*command, stdin=subprocess.PIPE)
        out, err = begun.communicate(given, timeout=PATIENCE)
        assert begun.returncode == 0, err
        return out

    def open(self, secrets: list[tuple[str, str]]) -> list[bool]:
        said = self.manage("shell", "-v0", "-c", JUDGE, given=json.dumps(secrets))
        return [line == "yes" for line in said.split()]


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("migrated") / "data"
    Machine(folder).manage("migrate", "-v0")
    return folder


@pytest.fixture
def machine(migrated: Path, tmp_path: Path) -> Machine:
    return Machine(shutil.copytree(migrated, tmp_path / "data"))


def issued(machine: Machine, number: int) -> dict[str, str]:
    lines = machine.manage("shell", "-v0", "-c", ISSUE.format(number=number)).splitlines()
    return dict(line.split(" ") for line in lines)  # type: ignore[misc]


@pytest.mark.parametrize("to_files", [False, True])
def test_killed_at_any_point_and_run_again_every_credential_has_a_known_secret_that_opens(
    machine: Machine, tmp_path: Path, chance: Random, to_files: bool
) -> None:
    old, out = issued(machine, MANY), tmp_path / "out"
    options = ["rotate_credentials", "--due-in=14d", *(["--out", str(out)] if to_files else [])]
    printed = tmp_path / "printed"
    for _ in range(2):
        begins = printed.stat().st_size if printed.exists() else 0
        with printed.open("a") as stdout:
            begun = machine.begin(*options, stdout=stdout)
            wait_for(lambda: printed.stat().st_size > begins or begun.poll() is not None)  # noqa: B023
            time.sleep(chance.random() * 0.1)
            begun.send_signal(signal.SIGKILL)
            begun.communicate()
        known = [*old.items(), *known_secrets(printed, out, to_files=to_files)]
        opening = {client_id for (client_id, _), good in zip(known, machine.open(known), strict=True) if good}
        assert opening == set(old)
        if to_files:
            in_place = [(path.name.removesuffix(".secret"), path.read_text()) for path in out.glob("*.secret")]
            assert all(machine.open(in_place))
    with printed.open("a") as stdout:
        assert machine.begin(*options, stdout=stdout).wait(PATIENCE) == 0
    newest = known_secrets(printed, out, to_files=to_files)
    good = {one for one, is_good in zip(newest, machine.open(newest), strict=True) if is_good}
    assert {client_id for client_id, _ in good} == set(old)
    assert len(good) == MANY
    assert machine.manage(*options) == ""
    if to_files:
        assert len(os.listdir(out)) == MANY


def known_secrets(printed: Path, out: Path, *, to_files: bool) -> list[tuple[str, str]]:
    if to_files:
        return [(path.name.removesuffix(".secret"), path.read_text()) for path in sorted(out.glob("*.secret"))]
    # Lines that were flushed are whole.
    return [(line.split(" ")[0], line.split(" ")[1]) for line in printed.read_text().splitlines()]


def test_a_reader_that_goes_away_leaves_the_next_one_as_it_was(machine: Machine) -> None:
    old = issued(machine, 5)
    begun = machine.begin("rotate_credentials", "--due-in=14d")
    assert begun.stdout
    assert begun.stderr
    begun.stdout.close()
    assert begun.wait(PATIENCE) == 1
    assert "Nobody takes what is printed (Broken pipe); the last one was left as it was." in begun.stderr.read()
    begun.stderr.close()
    assert machine.open(list(old.items())) == [True] * 5
    assert len(machine.manage("rotate_credentials", "--due-in=14d").splitlines()) == 5


def test_a_full_disk_behind_stdout_does_the_same(machine: Machine) -> None:
    issued(machine, 2)
    with Path("/dev/full").open("w") as full:
        begun = machine.begin("rotate_credentials", "--due-in=14d", stdout=full)
        _, err = begun.communicate(timeout=PATIENCE)
    assert begun.returncode == 1
    assert "No space left on device" in err
    assert len(machine.manage("rotate_credentials", "--due-in=14d").splitlines()) == 2


def test_two_runs_at_once_rotate_each_once(machine: Machine) -> None:
    old = issued(machine, 10)
    both = [machine.begin("rotate_credentials", "--due-in=14d") for _ in range(2)]
    lines = [line for begun in both for line in begun.communicate(timeout=PATIENCE)[0].splitlines()]
    assert [begun.returncode for begun in both] == [0, 0]
    assert sorted(line.split(" ")[0] for line in lines) == sorted(old)
    assert all(machine.open([(line.split(" ")[0], line.split(" ")[1]) for line in lines]))
