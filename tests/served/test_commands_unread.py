"""Commands whose stdout or stderr is closed or full: refused in one sentence, or done all the same."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.conf import settings

from tests.pki import SERVER, Authority, new_key, request_for
from tests.served.installation import DATABASE, Served, folder
from tests.served.warm import CLOSED, Warm

NO_STDOUT = "CommandError: There is no stdout, so nobody would see what is printed; nothing was changed.\n"
FULL = "Nobody takes what is printed (No space left on device); "
MADE = """
from gateway import device_cas
from portal.actor import Actor
from tokens import credentials, registration
by = Actor.command("test")
app = registration.register("app1", tenant="main", by=by)
version = registration.add_version(app, "v1.0.0", by=by, scopes=["users:read"])
credentials.issue(version, by=by, owner=None, instance="i1", days=10)
device_cas.ensure_first(by=by)
"""
# What shows a secret or signs: it counts once somebody has seen it.
SHOWING = [
    "adduser ann",
    "adduser bob",
    "create_admin grace",
    "enrol_device press-1 --csr press-1.csr",
    "get_token ann",
    "issue_token line-3 --owner admin --days 1 --scope users:read",
    "issue_token line-3 --owner admin --days 1 --scope users:read --json",
    "rotate_credentials --due-in 14d",
    "rotate_tokens --due-in 14d",
]
OTHERS = [
    "after_restore",
    "after_restore --dry-run",
    "audit_verify",
    "deluser ann",
    "envoy_bootstrap hall-3 --portal https://localhost:8443 --out OUT --ca ca.pem",
    "import_routes app.http://10.0.0.1:7",
    "install_certificate --cert door.pem --key door.key --any-name",
    "prune",
    "prune --dry-run",
    "rotate_credentials --due-in 14d --out OUT",
    "rotate_credentials --due-in 14d --dry-run",
    "rotate_pepper",
    "rotate_pepper --dry-run",
    "rotate_signing_key",
    "rotate_signing_key --at-once",
    "rotate_signing_key --dry-run",
    "rotate_tokens --due-in 14d --dry-run",
]
# What ends with 1 here anyway: no installation runs, and nobody has a second factor.
REFUSED = [
    "doctor",
    "reset_second_factor admin",
    "simulate_fleet --devices 1 --once --url http://127.0.0.1:9",
]
COMMANDS = [*SHOWING, *OTHERS, *REFUSED]
FILES = ("ca.pem", "door.pem", "door.key", "press-1.csr", "OUT")


class Machine:
    """Commands over a database with one of each: a credential and a token that are due, a gateway user, a person."""

    def __init__(self, place: Path) -> None:
        self.place = place
        served = Served(place / "data")
        self.database = served.data_dir / DATABASE
        self.warm = Warm({**served.env, "GATEHOUSE_ADMIN_PASSWORD": ""})
        first = ("migrate -v 0", "create_admin admin", "rotate_signing_key", *SHOWING[:1], *SHOWING[5:6])
        for command in (*(line.split() for line in first), ["shell", "-v", "0", "-c", MADE]):
            done = self.warm.run(command)
            assert done.returncode == 0, done.stderr
        self.first, self.kept = self.rows(), self.database.read_bytes()
        authority = Authority()
        door = authority.issue("gate.example", purposes=(SERVER,), dns_names=("gate.example",))
        files = {"ca.pem": authority.pem, "door.pem": door.pem, "door.key": door.key_pem}
        for name, text in {**files, "press-1.csr": request_for("press-1", new_key())}.items():
            (place / name).write_text(text)

    def run(self, command: str, **streams: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a command, over the database as it was."""
        for leftover in self.database.parent.glob(f"{DATABASE}-*"):
            leftover.unlink()
        self.database.write_bytes(self.kept)
        shutil.rmtree(self.place / "OUT", ignore_errors=True)
        words = [str(self.place / word) if word in FILES else word for word in command.split()]
        done = self.warm.run(words, **streams)
        return done.returncode, done.stdout, done.stderr

    def rows(self) -> list[str]:
        with closing(sqlite3.connect(self.database)) as database:
            return list(database.iterdump())


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with folder() as place:
        made = Machine(place)
        yield made
        made.warm.close()


def test_every_command_is_among_them() -> None:
    there = {path.stem for path in settings.ROOT.glob("*/management/commands/[!_]*.py")}
    # These run on and on; `serve` has a test of its own, and `run_worker` prints nothing.
    assert there - {command.split()[0] for command in COMMANDS} == {"run_worker", "serve"}


@pytest.mark.parametrize("command", [*{line.split()[0]: line for line in COMMANDS}.values(), "serve"])
def test_without_a_stdout_nothing_is_done(machine: Machine, command: str) -> None:
    assert machine.run(command, stdout=CLOSED) == (1, "", NO_STDOUT)
    assert machine.database.read_bytes() == machine.kept


@pytest.mark.parametrize("command", SHOWING)
def test_what_nobody_is_shown_does_not_count(machine: Machine, command: str) -> None:
    code, _, err = machine.run(command, stdout="/dev/full")
    left = "the last one was left as it was" if command.startswith("rotate") else "nothing was changed"
    assert (code, err) == (1, f"CommandError: {FULL}{left}.\n")
    assert machine.rows() == machine.first


@pytest.mark.parametrize("command", [*OTHERS, *REFUSED])
def test_a_full_stdout_is_told_in_one_sentence(machine: Machine, command: str) -> None:
    code, _, err = machine.run(command, stdout="/dev/full")
    assert code == 1
    *remarks, last = err.splitlines()
    assert last.startswith("CommandError: ")
    assert FULL in last or command in REFUSED
    assert "Traceback" not in err
    assert not [line for line in remarks if "Error" in line]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_closed_stderr_keeps_nothing_back(machine: Machine, command: str) -> None:
    code, out, _ = machine.run(command, stderr=CLOSED)
    assert code == (1 if command in REFUSED else 0)
    assert out or command.startswith("reset_second_factor")


def test_nor_does_a_full_one(machine: Machine) -> None:
    assert machine.run("rotate_signing_key", stderr="/dev/full")[0] == 0
    assert machine.run("reset_second_factor admin", stderr="/dev/full")[0] == 1
    assert machine.run("rotate_credentials --due-in 14d --grace 31d", stderr=CLOSED)[0] == 2


def test_the_first_administrator_is_not_made_where_nobody_sees_the_password() -> None:
    with folder() as place:
        served = Served(place / "data", GATEHOUSE_ADMIN_PASSWORD="")
        warm = Warm(served.env)
        try:
            done = warm.run(["serve"], stdout="/dev/full")
        finally:
            warm.close()
        assert (done.returncode, done.stderr) == (1, f"CommandError: {FULL}nothing was changed.\n")
        with closing(sqlite3.connect(served.data_dir / DATABASE)) as database:
            assert database.execute("SELECT count(*) FROM portal_user").fetchone() == (0,)
