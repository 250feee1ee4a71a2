"""`manage.py import_routes`: what it prints, and how it ends."""

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from gateway.models import Route

pytestmark = pytest.mark.django_db


def run(*words: str) -> tuple[Any, str, int]:
    """What stood on stdout as JSON, what on stderr, and the exit code."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("import_routes", *words, stdout=out, stderr=err)
    except CommandError as ended:
        err.write(str(ended))
        code = ended.returncode
    return json.loads(out.getvalue() or "null"), err.getvalue(), code


def test_prints_what_came_of_each_entry() -> None:
    created = {"position": 1, "prefix": "app", "target": "http://edgex-app:56789", "result": "created", "error": None}
    assert run("app.http://edgex-app:56789") == ([created], "", 0)
    assert run("app.http://edgex-app:56789") == ([created | {"result": "unchanged"}], "", 0)
    assert run("app.http://edgex-app:1") == ([created | {"result": "updated", "target": "http://edgex-app:1"}], "", 0)
    assert Route.objects.get().created_by == "command import_routes"


def test_a_list_with_a_bad_entry_ends_with_every_reason_and_changes_nothing() -> None:
    shown, said, code = run("app.http://edgex-app:1, b, app.http://u:p@h")
    assert code == 1
    assert [(one["position"], one["result"]) for one in shown] == [(1, "refused"), (2, "refused"), (3, "refused")]
    assert said.splitlines() == [
        "Entry 1 (`app.http://edgex-app:1`) is not taken either, since other entries of the list are refused.",
        "Entry 2 (`b`) has no http:// or https:// target.",
        "Entry 3 (`app.http://…@h`) must not hold a user, a query or a fragment.",
        "The list was not taken; correct it, or take what is good with --skip-bad.",
    ]
    assert [one["error"] for one in shown] == said.splitlines()[:3]
    assert not Route.objects.exists()


def test_takes_the_good_ones_if_it_is_told_to() -> None:
    shown, said, code = run("app.http://edgex-app:1, b", "--skip-bad")
    assert ([one["result"] for one in shown], code) == (["created", "refused"], 0)
    assert said == "Entry 2 (`b`) has no http:// or https:// target.\n"


def test_enables_the_routes_of_edgex() -> None:
    shown, _, code = run("--edgex", "4", "--host", "10.0.0.5")
    assert (len(shown), code) == (9, 0)
    assert Route.objects.get(prefix="support-scheduler").target == "http://10.0.0.5:59863"
    shown, _, code = run("--edgex", "--host", "10.0.0.5")
    assert [one["prefix"] for one in shown if one["result"] == "updated"] == ["support-scheduler"]
    assert run("--edgex", "--host", "169.254.169.254")[2] == 1


@pytest.mark.parametrize("host", ["ann:sekret@h", "ann:sek, ret@h", "ann:sek/ret@h", "ann:sek@ret@h"])
def test_repeats_no_password_of_the_host(host: str) -> None:
    shown, said, code = run("--edgex", "--host", host)
    assert (len(shown), code) == (8, 1)
    assert "sek" not in json.dumps(shown) + said
    assert said.startswith("Entry 1 (`core-data.http://…@h:59880`) must not hold a user, a query or a fragment.\n")


@pytest.mark.parametrize(
    "words", [(), ("a.http://h", "--edgex=3"), ("a.http://h", "--host=h"), ("--edgex", "5"), ("--host=h",)]
)
def test_misuse_ends_with_2(words: tuple[str, ...]) -> None:
    if words == ("--edgex", "5"):
        with pytest.raises(CommandError, match="invalid choice"):
            call_command("import_routes", *words)
        return
    assert run(*words)[2] == 2


def test_an_empty_list_is_taken() -> None:
    assert run("") == ([], "", 0)
