"""The commands about gateway users print the result alone, one JSON line, and take EdgeX's spellings of options."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import jwt
import pytest
import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError

from tokens import gateway_logins
from tokens.models import UserPassAccount

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
BAD_NAME = "User names are letters, digits, _ and -."
COMMANDS = ("adduser", "deluser", "get_token")


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


def run(*words: str) -> str:
    """The one line that a command prints."""
    out, err = StringIO(), StringIO()
    call_command(*words, stdout=out, stderr=err)
    assert err.getvalue() == ""
    [line] = out.getvalue().splitlines()
    return line


def facts() -> tuple[Any, ...]:
    kept = UserPassAccount.objects.get()
    return kept.token_ttl_s, kept.jwt_ttl_s, kept.audience, kept.scopes


def test_adduser_prints_the_name_as_it_is_kept_and_the_password() -> None:
    line = run("adduser", "Ann")
    assert re.fullmatch(r'\{"username":"ann","password":"[0-9A-Za-z]{43}"\}', line)
    assert gateway_logins.login("ann", json.loads(line)["password"], address="")
    assert facts() == (3600, 3600, "edgex", ["gateway:*"])


def test_deluser_says_how_much_was_live() -> None:
    password = json.loads(run("adduser", "ann"))["password"]
    for _ in range(2):
        gateway_logins.login("ann", password, address="")
    assert run("deluser", "ANN") == '{"username":"ann","deleted":true,"tokens_revoked":2}'
    assert run("deluser", "ann") == '{"username":"ann","deleted":false,"tokens_revoked":0}'


def test_get_token_prints_a_jwt_and_leaves_the_password_alone() -> None:
    password = json.loads(run("adduser", "ann", "--jwt-ttl", "2h"))["password"]
    said = json.loads(run("get_token", "ann"))
    assert list(said) == ["username", "token", "ttl", "expires_at"]
    assert (said["username"], said["ttl"], said["expires_at"]) == ("ann", 7200, "2026-11-30T14:00:00Z")
    claims = jwt.decode(said["token"], options={"verify_signature": False})
    assert (claims["name"], claims["exp"] - claims["iat"]) == ("ann", 7200)
    assert run("get_token", "ann", "--raw").count(".") == 2
    assert gateway_logins.login("ann", password, address="")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "words", [("ANN",), ("--user", "ANN"), ("--user=ANN", "--useRootToken"), ("ann", "--user=ann")]
)
def test_the_name_may_stand_in_two_places(command: str, words: tuple[str, ...]) -> None:
    run("adduser", "ann")
    assert json.loads(run(command, *words))["username"] == "ann"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("words", [(), ("ann", "--user=bob")])
def test_no_name_or_two_are_misuse(command: str, words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as misused:
        run(command, *words)
    assert misused.value.returncode == 2


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["a b", "ann@plant", "x" * 65, ""])
def test_a_name_that_is_none_is_refused(command: str, name: str) -> None:
    with pytest.raises(CommandError, match=f"^{BAD_NAME}$") as refused:
        run(command, name)
    assert refused.value.returncode == 1


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("119m", 7140), ("2h", 7200), ("1d", 86400), ("60", 60)]
)
@pytest.mark.parametrize("names", [("--token-ttl", "--jwt-ttl"), ("--tokenTTL", "--jwtTTL")])
def test_lengths_of_time_are_written_as_in_edgex(names: tuple[str, str], text: str, seconds: int) -> None:
    run("adduser", "ann", names[0], text, names[1], text)
    assert facts()[:2] == (seconds, seconds)


@pytest.mark.parametrize("text", ["", "1w", "1.5h", "h", "-60", "\u0661\u0660\u0660", "1h30m", "9" * 9])
def test_what_is_no_length_of_time_is_misuse(text: str) -> None:
    with pytest.raises(CommandError, match="write 90, 90s, 119m, 2h or 1d") as misused:
        run("adduser", "ann", f"--jwt-ttl={text}")
    assert misused.value.returncode in (1, 2)
    assert not UserPassAccount.objects.exists()


@pytest.mark.parametrize("text", ["59", "25h", "2d", "0"])
def test_one_that_is_out_of_bounds_is_refused(text: str) -> None:
    for name in ("--token-ttl", "--jwt-ttl"):
        with pytest.raises(CommandError, match="lives 60 s to 24 h"):
            run("adduser", "ann", name, text)
    assert not UserPassAccount.objects.exists()


def test_audience_and_scopes_are_for_the_operator_to_choose() -> None:
    run("adduser", "ann", "--jwtAudience", "gateway", "--scope", "gateway:core-data", "--scope", "gateway:core-command")
    assert facts() == (3600, 3600, "gateway", ["gateway:core-command", "gateway:core-data"])
    run("adduser", "ann", "--audience", "edgex")
    assert facts() == (3600, 3600, "edgex", ["gateway:core-command", "gateway:core-data"])


def test_a_scope_of_the_portal_is_refused() -> None:
    with pytest.raises(CommandError, match="gateway:manage"):
        run("adduser", "ann", "--scope", "gateway:manage")


def test_no_token_of_nobody() -> None:
    with pytest.raises(CommandError, match=r"There is no gateway user ann; adduser makes one\."):
        run("get_token", "ann")
