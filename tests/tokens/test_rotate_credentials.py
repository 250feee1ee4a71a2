"""The commands that rotate what is due: what they print, what they leave alone, and what one that is cut short does."""

import json
import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command, execute_from_command_line
from django.core.management.base import CommandError

from portal.actor import Actor
from portal.models import AuditEvent, User
from portal.scopes import Scope
from tokens import issuing, overlap, secret_folder, shown_secrets, switching
from tokens.models import ApiToken, AppCredential, AppVersion, CredentialSecret
from tokens.overlap import Rotated

NOON = datetime(2031, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def run(*options: str, command: str = "rotate_credentials") -> list[str]:
    out = StringIO()
    call_command(command, *options, stdout=out)
    return out.getvalue().splitlines()


def opens(client_id: str, text: str) -> bool:
    try:
        shown_secrets.of_client(client_id, text, address="192.0.2.7")
    except shown_secrets.Refused:
        return False
    return True


class TestPrinting:
    def test_a_line_is_client_id_secret_its_end_and_that_of_the_old_one(
        self, clock: Any, make_credential: Callable[..., Rotated]
    ) -> None:
        old = make_credential(days=10)
        [line] = run("--due-in", "14d")
        client_id, text, expires_at, old_ends_at = line.split(" ")
        assert (client_id, expires_at, old_ends_at) == (
            "main-app1-v1.0.0", "2032-01-01T12:00:00Z", "2031-01-11T12:00:00Z"
        )  # fmt: skip
        assert opens(client_id, text)
        assert opens(client_id, old.text)

    def test_as_json_it_is_an_object(self, clock: Any, make_credential: Callable[..., Rotated]) -> None:
        make_credential(days=10)
        [line] = run("--due-in", "14d", "--json", "--grace", "2h", "--days", "30")
        said = json.loads(line)
        assert opens(said["client_id"], said.pop("secret"))
        assert said == {
            "client_id": "main-app1-v1.0.0",
            "expires_at": "2031-01-31T12:00:00Z",
            "old_ends_at": "2031-01-01T14:00:00Z",
        }

    def test_a_planned_rotation_cuts_nobody_off_but_no_old_secret_goes_on_for_more_than_30_days(
        self, clock: Any, make_credential: Callable[..., Rotated]
    ) -> None:
        make_credential(days=60)
        [line] = run("--due-in", "90d")
        assert line.split(" ")[3] == "2031-01-31T12:00:00Z"

    def test_run_again_it_rotates_and_prints_nothing(self, clock: Any, make_credential: Callable[..., Rotated]) -> None:
        make_credential(days=10)
        assert len(run("--due-in", "14d")) == 1
        assert run("--due-in", "14d") == []
        assert run("--due-in", "400d") == []  # Its overlap is open.

    def test_a_dry_run_names_what_is_due_and_changes_nothing(
        self, clock: Any, make_credential: Callable[..., Rotated], tmp_path: Path
    ) -> None:
        make_credential(days=10)
        rows = AuditEvent.objects.count()
        assert run("--due-in", "14d", "--dry-run", "--out", str(tmp_path / "new")) == [
            "main-app1-v1.0.0 2031-01-11T12:00:00Z"
        ]
        [line] = run("--due-in", "14d", "--dry-run", "--json")
        assert json.loads(line) == {"client_id": "main-app1-v1.0.0", "expires_at": "2031-01-11T12:00:00Z"}
        assert AuditEvent.objects.count() == rows
        assert CredentialSecret.objects.count() == 1
        assert not (tmp_path / "new").exists()

    def test_the_soonest_is_first_and_what_is_not_due_is_left_alone(
        self, clock: Any, make_credential: Callable[..., Rotated], make_version: Callable[..., AppVersion], root: Actor
    ) -> None:
        version = make_version()
        for instance, days in {"b": 12, "a": 13, "late": 15, "off": 5, "dead": 5, "open": 5, "gone": 1}.items():
            issued = make_credential(version, instance=instance, days=days).holder
            if instance == "off":
                switching.disable(issued, by=root, reason="a pause")
            elif instance == "dead":
                switching.revoke(issued, by=root, reason="leaked")
            elif instance == "open":
                overlap.rotate(issued, by=root, days=5)
        clock.shift(1.5 * DAY)
        clock.shift(-0.4 * DAY)  # The secret of `gone` has ended, the overlap of `open` has not been settled.
        overlap.rotate(AppCredential.objects.get(instance="open"), by=root, days=5)
        lines = run("--due-in", "12d")
        assert [line.split(" ")[0] for line in lines] == ["main-app1-v1.0.0-b", "main-app1-v1.0.0-a"]

    def test_it_stands_in_the_history_and_holds_no_secret(
        self, clock: Any, make_credential: Callable[..., Rotated]
    ) -> None:
        make_credential(days=10)
        [line] = run("--due-in", "14d")
        event = AuditEvent.objects.get(verb="credential.rotated")
        assert (event.actor, event.actor_kind) == ("rotate_credentials", "command")
        assert line.split(" ")[1] not in str(list(AuditEvent.objects.values()))

    def test_one_that_is_refused_is_a_sentence_and_exit_1_and_the_others_are_done(
        self, clock: Any, make_credential: Callable[..., Rotated], make_version: Callable[..., AppVersion]
    ) -> None:
        version = make_version()
        for instance in "abc":
            make_credential(version, instance=instance, days=10)
        # A scope of an older release that nobody holds any more.
        AppCredential.objects.filter(instance="b").update(scopes=["old:scope"])
        out, err = StringIO(), StringIO()
        with pytest.raises(CommandError, match=r"^1 of 3 were refused; the others are done\.$") as ended:
            call_command("rotate_credentials", "--due-in", "14d", stdout=out, stderr=err)
        assert ended.value.returncode == 1
        assert sorted(line.split(" ")[0][-1] for line in out.getvalue().splitlines()) == ["a", "c"]
        assert "You do not hold old:scope" in err.getvalue()
        assert AuditEvent.objects.filter(verb="credential.rotate_refused").count() == 1

    @pytest.mark.parametrize(
        ("options", "said"),
        [(["--grace", "31d"], "at most 30d"), (["--days", "366"], "1 to 365 days"), (["--days", "0"], "1 to 365 days")],
    )
    def test_what_makes_no_sense_is_misuse(self, options: list[str], said: str) -> None:
        with pytest.raises(CommandError, match=said) as ended:
            run("--due-in", "14d", *options)
        assert ended.value.returncode == 2

    @pytest.mark.parametrize("length", ["soon", "9999999d", "-1d"])
    def test_a_length_of_time_that_is_none_is_misuse(self, length: str) -> None:
        with pytest.raises(CommandError):
            run(f"--due-in={length}")


class TestFiles:
    def test_each_secret_goes_to_a_file_that_only_its_owner_reads_and_its_path_is_printed(
        self, clock: Any, make_credential: Callable[..., Rotated], tmp_path: Path
    ) -> None:
        make_credential(days=10)
        folder = tmp_path / "new"
        [line] = run("--due-in", "14d", "--out", str(folder))
        client_id, path, *_ = line.split(" ")
        assert path == str(folder / "main-app1-v1.0.0.secret")
        assert opens(client_id, Path(path).read_text())
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert os.listdir(folder) == ["main-app1-v1.0.0.secret"]

    def test_a_link_in_its_place_is_replaced_and_not_followed(
        self, clock: Any, make_credential: Callable[..., Rotated], tmp_path: Path
    ) -> None:
        make_credential(days=10)
        target = tmp_path / "target"
        target.write_text("mine")
        folder = tmp_path / "out"
        folder.mkdir()
        (folder / "main-app1-v1.0.0.secret").symlink_to(target)
        run("--due-in", "14d", "--out", str(folder))
        assert target.read_text() == "mine"
        assert opens("main-app1-v1.0.0", (folder / "main-app1-v1.0.0.secret").read_text())

    def test_what_a_killed_run_left_beside_takes_its_place_if_it_counts_and_goes_if_not(
        self, clock: Any, make_credential: Callable[..., Rotated], root: Actor, tmp_path: Path
    ) -> None:
        new = overlap.rotate(make_credential(days=10).holder, by=root)
        with secret_folder.opened(tmp_path) as folder:
            folder.put_down("main-app1-v1.0.0", new.secret.pk, new.text)
            folder.put_down("main-app1-v1.0.0", "abcdefghijkl", "void")
        (tmp_path / "notes.txt").write_text("mine")
        assert run("--due-in", "1d", "--out", str(tmp_path)) == []
        assert sorted(os.listdir(tmp_path)) == ["main-app1-v1.0.0.secret", "notes.txt"]
        assert (tmp_path / "main-app1-v1.0.0.secret").read_text() == new.text

    def test_so_does_that_of_a_version_with_every_character_it_may_have(
        self, make_credential: Callable[..., Rotated], make_version: Callable[..., AppVersion], tmp_path: Path
    ) -> None:
        issued = make_credential(make_version("v1.0_beta"), instance="line2")
        with secret_folder.opened(tmp_path) as folder:
            folder.put_down(issued.holder.client_id, issued.secret.pk, issued.text)
        with secret_folder.opened(tmp_path):
            assert (tmp_path / "main-app1-v1.0_beta-line2.secret").read_text() == issued.text

    def test_one_whose_place_is_taken_by_a_folder_is_refused_and_the_others_are_done(
        self,
        clock: Any,
        make_credential: Callable[..., Rotated],
        make_version: Callable[..., AppVersion],
        tmp_path: Path,
    ) -> None:
        version = make_version()
        stays, goes = (make_credential(version, instance=which, days=10).holder.client_id for which in ("a", "b"))
        place = tmp_path / f"{stays}.secret"
        place.mkdir()
        out, err = StringIO(), StringIO()
        with pytest.raises(CommandError, match=r"1 of 2 were refused; the others are done\."):
            call_command("rotate_credentials", "--due-in", "14d", "--out", str(tmp_path), stdout=out, stderr=err)
        assert err.getvalue() == f"{place} is a folder, so no secret can take its place; move it away.\n"
        assert [line.split(" ")[0] for line in out.getvalue().splitlines()] == [goes]
        assert CredentialSecret.objects.filter(holder__client_id=stays).count() == 1
        assert sorted(os.listdir(tmp_path)) == [f"{stays}.secret", f"{goes}.secret"]
        place.rmdir()
        assert len(run("--due-in", "14d", "--out", str(tmp_path))) == 1
        assert opens(stays, place.read_text())

    def test_what_cannot_take_its_place_keeps_no_other_back(
        self,
        clock: Any,
        make_credential: Callable[..., Rotated],
        make_version: Callable[..., AppVersion],
        root: Actor,
        tmp_path: Path,
    ) -> None:
        version = make_version()
        old, other = (make_credential(version, instance=which, days=10) for which in ("a", "b"))
        new = overlap.rotate(old.holder, by=root)
        with secret_folder.opened(tmp_path) as folder:
            folder.put_down(new.holder.client_id, new.secret.pk, new.text)
        place, err = tmp_path / f"{new.holder.client_id}.secret", StringIO()
        place.mkdir()
        with pytest.raises(CommandError, match=r"Not every secret of an earlier run is in its place yet\."):
            call_command("rotate_credentials", "--due-in=14d", "--out", str(tmp_path), stdout=StringIO(), stderr=err)
        beside = tmp_path / f".{new.holder.client_id}.{new.secret.pk}.waiting"
        assert f"its secret counts already and is in {beside}: clear the way" in err.getvalue()
        assert beside.read_text() == new.text
        assert opens(other.holder.client_id, (tmp_path / f"{other.holder.client_id}.secret").read_text())
        place.rmdir()
        assert run("--due-in", "14d", "--out", str(tmp_path)) == []
        assert place.read_text() == new.text

    @pytest.mark.parametrize("command", ["rotate_credentials --due-in=14d", "envoy_bootstrap hall --portal=https://p"])
    def test_an_empty_name_is_no_folder(self, capsys: pytest.CaptureFixture[str], command: str) -> None:
        with pytest.raises(SystemExit) as ended:
            execute_from_command_line(["manage.py", *command.split(), "--out="])
        assert ended.value.code == 2
        assert "argument --out: it is empty; name a folder" in capsys.readouterr().err

    def test_two_runs_do_not_write_into_one_folder(self, tmp_path: Path) -> None:
        with (
            secret_folder.opened(tmp_path),
            pytest.raises(CommandError, match="Another run writes into"),
        ):
            run("--due-in", "14d", "--out", str(tmp_path))

    def test_a_folder_that_cannot_be_written_rotates_nothing(
        self, clock: Any, make_credential: Callable[..., Rotated], tmp_path: Path
    ) -> None:
        make_credential(days=10)
        (tmp_path / "file").write_text("")
        with pytest.raises(CommandError, match="cannot be written"):
            run("--due-in", "14d", "--out", str(tmp_path / "file"))
        assert CredentialSecret.objects.count() == 1


class TestTokens:
    def test_a_token_is_shown_before_it_counts_and_a_second_run_prints_nothing(
        self, administrator: User, root: Actor
    ) -> None:
        issuing.issue("line 3", [Scope.DEVICES_READ], owner=administrator, days=10, by=root)
        [line] = run("--due-in", "14d", "--json", command="rotate_tokens")
        said = json.loads(line)
        assert ApiToken.objects.get(pk=said["successor"]).replaces_id == said["id"]
        assert said["token"].startswith("gate_pat_")
        assert run("--due-in", "14d", command="rotate_tokens") == []

    @pytest.mark.parametrize("overlap", ["30m", "31d"])
    def test_an_overlap_that_is_no_whole_hours_or_too_long_is_misuse(self, overlap: str) -> None:
        with pytest.raises(CommandError, match="whole hours, at most 30d") as ended:
            run("--due-in", "14d", "--overlap", overlap, command="rotate_tokens")
        assert ended.value.returncode == 2
