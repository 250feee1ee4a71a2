"""Peppers rotate: every secret that lives goes on being believed, and what is used moves to the new one."""

import json
import logging
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from gateway import nodes
from gateway.models import GatewayNode
from portal import secret_files
from portal.actor import Actor
from portal.models import AuditEvent, User
from portal.scopes import Scope
from tokens import ending, issuing, pepper_rotation, peppers, secret, shown_secrets, upkeep
from tokens.models import ApiToken, Pepper
from tokens.overlap import Rotated

BY = Actor.command("rotate_pepper")
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
TEN_MINUTES = timedelta(minutes=10)
FIRST, SECOND = bytes(range(32)), bytes(range(32, 64))


@pytest.fixture(autouse=True)
def _nothing_told() -> None:
    """What one test brought into the log once a minute is not kept from the next."""
    peppers._told.clear()


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def none_yet(db: None) -> None:
    """An installation at its first start."""
    Pepper.objects.all().delete()


@pytest.fixture
def kept_by_us(tmp_path: Path, settings: Any, none_yet: None) -> Path:
    """The peppers stand in a file of the data folder."""
    path = tmp_path / "peppers"
    secret_files.kept(path, secret_files.first_pepper)
    settings.PEPPERS_FILE, settings.PEPPERS = path, secret_files.pepper_ring(path.read_text())
    peppers.forget()
    return path


@pytest.fixture
def kept_by_them(settings: Any, none_yet: None) -> Callable[..., None]:
    """The peppers come from the environment; say which, as after a restart."""

    def restart(**ring: bytes) -> None:
        settings.PEPPERS_FILE, settings.PEPPERS = None, ring
        peppers.forget()

    restart(p1=FIRST)
    return restart


@pytest.fixture
def make_token(administrator: User) -> Callable[[], tuple[ApiToken, str]]:
    return lambda: issuing.issue("line-3", [Scope.DEVICES_READ], owner=administrator, days=1, by=Actor.command("x"))


def ask(shown: str) -> int:
    status: int = APIClient().get("/api/v1/me", headers={"Authorization": f"Bearer {shown}"}).status_code
    return status


def names(path: Path) -> list[str]:
    return list(secret_files.pepper_ring(path.read_text()))


def states() -> dict[str, str]:
    return dict(Pepper.objects.values_list("id", "state"))


def history() -> list[tuple[str, str]]:
    rows = AuditEvent.objects.filter(verb__startswith="pepper.").order_by("number")
    return [(row.verb, row.subject_id) for row in rows]


class TestFirst:
    def test_the_first_use_makes_the_first_of_the_settings_active(self, kept_by_them: Callable[..., None]) -> None:
        assert secret.generate("gate_pat").pepper == "p1"
        assert states() == {"p1": "active"}
        assert history() == [("pepper.made", "p1")]

    def test_older_ones_behind_it_only_verify(self, kept_by_them: Callable[..., None]) -> None:
        kept_by_them(p2=SECOND, p1=FIRST)
        assert peppers.active() == "p2"
        assert states() == {"p2": "active", "p1": "retiring"}
        assert list(peppers.keys()) == ["p2", "p1"]

    def test_whoever_only_verifies_writes_nothing(self, kept_by_them: Callable[..., None]) -> None:
        assert peppers.key("p1") == FIRST
        assert states() == {}

    @pytest.mark.django_db(transaction=True)
    def test_of_four_processes_one_makes_it(self, at_once: Callable[..., list[Any]]) -> None:
        Pepper.objects.all().delete()
        at_once(*(lambda: peppers.ensure_active(by=BY) for _ in range(4)))
        assert list(states().values()) == ["active"]
        assert len(history()) == 1

    def test_a_ring_without_the_active_one_stops_the_start(
        self, kept_by_them: Callable[..., None], caplog: pytest.LogCaptureFixture
    ) -> None:
        kept_by_them(p2=SECOND, p1=FIRST)
        peppers.ensure_active(by=BY)
        peppers.refuse_missing()
        kept_by_them(p2=SECOND)
        peppers.refuse_missing()
        assert "GATEHOUSE_PEPPERS does not hold p1, which is retiring; put it back." in caplog.messages
        kept_by_them(p1=FIRST)
        with pytest.raises(peppers.Missing, match=r"GATEHOUSE_PEPPERS does not hold p2.*\.$"):
            peppers.refuse_missing()
        with pytest.raises(peppers.Missing):
            secret.generate("gate_pat")


class TestRotation:
    def test_the_next_one_is_not_used_before_its_ten_minutes_are_over(self, kept_by_us: Path, clock: Any) -> None:
        pepper_rotation.begin(by=BY)
        clock.shift(TEN_MINUTES - timedelta(seconds=1))
        upkeep.rotate_peppers()
        assert (secret.generate("gate_pat").pepper, states()) == ("p1", {"p1": "active", "p2": "next"})
        clock.shift(1)
        upkeep.rotate_peppers()
        assert (secret.generate("gate_pat").pepper, states()) == ("p2", {"p1": "retiring", "p2": "active"})
        assert history() == [
            ("pepper.made", "p1"), ("pepper.made", "p2"), ("pepper.retiring", "p1"), ("pepper.activated", "p2"),
        ]  # fmt: skip

    def test_a_secret_is_believed_throughout_and_digested_anew_at_its_first_use(
        self, kept_by_us: Path, clock: Any, make_token: Callable[[], tuple[ApiToken, str]]
    ) -> None:
        token, shown = make_token()
        before = token.digest
        pepper_rotation.begin(by=BY)
        assert ask(shown) == 200
        token.refresh_from_db()
        assert (token.pepper, token.digest) == ("p1", before)
        clock.shift(TEN_MINUTES)
        upkeep.rotate_peppers()
        assert ask(shown) == 200
        token.refresh_from_db()
        assert token.pepper == "p2"
        assert token.digest == secret.digest(shown, "p2") != before
        assert ask(shown) == 200

    def test_one_that_fails_is_not_digested_anew(
        self, kept_by_us: Path, clock: Any, make_token: Callable[[], tuple[ApiToken, str]]
    ) -> None:
        token, shown = make_token()
        pepper_rotation.begin(by=BY)
        clock.shift(TEN_MINUTES)
        upkeep.rotate_peppers()
        ending.disable(token, by=BY)
        wrong = shown[:-49] + "A" * 43
        assert ask(shown) == ask(wrong + secret.checksum(wrong)) == 401
        assert ApiToken.objects.get().pepper == "p1"

    def test_what_was_digested_anew_meanwhile_is_left_alone(
        self, kept_by_us: Path, clock: Any, make_token: Callable[[], tuple[ApiToken, str]]
    ) -> None:
        token, shown = make_token()
        pepper_rotation.begin(by=BY)
        clock.shift(TEN_MINUTES)
        upkeep.rotate_peppers()
        ApiToken.objects.update(digest="0" * 64)
        peppers.renew(ApiToken, token.pk, shown, token.digest, token.pepper)
        assert (ApiToken.objects.get().digest, ApiToken.objects.get().pepper) == ("0" * 64, "p1")

    def test_a_process_that_takes_the_former_for_the_active_one_does_not_go_back_to_it(
        self, kept_by_us: Path, clock: Any, make_token: Callable[[], tuple[ApiToken, str]]
    ) -> None:
        token, shown = make_token()
        pepper_rotation.begin(by=BY)
        clock.shift(TEN_MINUTES)
        assert peppers.active() == "p1"
        behind = peppers._cached
        upkeep.rotate_peppers()
        assert ask(shown) == 200
        peppers._cached = behind
        assert (ask(shown), peppers.active()) == (200, "p1")
        token.refresh_from_db()
        assert token.pepper == "p2"

    def test_a_client_secret_goes_with_it(
        self, kept_by_us: Path, clock: Any, make_credential: Callable[..., Rotated]
    ) -> None:
        issued = make_credential()
        pepper_rotation.begin(by=BY)
        clock.shift(TEN_MINUTES)
        upkeep.rotate_peppers()
        assert [each.needed_by["client secrets"] for each in pepper_rotation.ring()] == [0, 1]
        for _ in range(2):
            assert shown_secrets.of_client(issued.holder.client_id, issued.text, address="192.0.2.7")
        assert [each.needed_by["client secrets"] for each in pepper_rotation.ring()] == [1, 0]

    def test_a_node_of_the_gateway_goes_with_it(self, kept_by_us: Path, clock: Any) -> None:
        _, text = nodes.local(by=BY)
        pepper_rotation.begin(by=BY)
        clock.shift(TEN_MINUTES)
        upkeep.rotate_peppers()
        for _ in range(2):
            assert nodes.known(f"Bearer {text}").name == "local"
        assert GatewayNode.objects.get().pepper == "p2"

    def test_a_pepper_retires_when_nothing_that_lives_needs_it_and_not_before(
        self, kept_by_us: Path, clock: Any, make_token: Callable[[], tuple[ApiToken, str]]
    ) -> None:
        disabled, shown = make_token()
        expiring, _ = make_token()
        revoked, _ = make_token()
        ending.disable(disabled, by=BY)
        ending.revoke(revoked, by=BY)
        pepper_rotation.begin(by=BY)
        clock.shift(TEN_MINUTES)
        upkeep.rotate_peppers()
        clock.shift(TEN_MINUTES)
        upkeep.retire_peppers()
        assert states()["p1"] == "retiring"
        assert [each.needed_by["API tokens"] for each in pepper_rotation.ring()] == [0, 2]
        ending.enable(disabled, by=BY)
        assert ask(shown) == 200
        upkeep.retire_peppers()
        assert states()["p1"] == "retiring"
        ApiToken.objects.filter(pk=expiring.pk).update(expires_at=datetime.now(UTC))
        upkeep.retire_peppers()
        assert states()["p1"] == "retired"
        assert history()[-1] == ("pepper.retired", "p1")
        assert ask(shown) == 200

    def test_not_in_its_first_minutes_while_a_process_may_still_use_it(self, kept_by_us: Path, clock: Any) -> None:
        pepper_rotation.begin(by=BY)
        clock.shift(TEN_MINUTES)
        upkeep.rotate_peppers()
        clock.shift(TEN_MINUTES - timedelta(seconds=1))
        upkeep.retire_peppers()
        assert states()["p1"] == "retiring"
        clock.shift(1)
        upkeep.retire_peppers()
        assert states()["p1"] == "retired"

    @pytest.mark.django_db(transaction=True)
    def test_of_four_at_once_one_does_it(self, kept_by_us: Path, clock: Any, at_once: Callable[..., list[Any]]) -> None:
        begun = at_once(*(lambda: pepper_rotation.begin(by=BY) for _ in range(4)))
        assert sorted(type(one).__name__ for one in begun) == ["Pepper"] + ["UnderWay"] * 3
        assert names(kept_by_us) == ["p2", "p1"]
        clock.shift(TEN_MINUTES)
        assert len([one for one in at_once(*(lambda: pepper_rotation.activate(by=BY) for _ in range(4))) if one]) == 1
        clock.shift(TEN_MINUTES)
        assert len([one for one in at_once(*(lambda: pepper_rotation.retire(by=BY) for _ in range(4))) if one]) == 1
        assert states() == {"p1": "retired", "p2": "active"}
        assert len(history()) == 5


def test_whatever_keeps_digests_is_asked_before_a_pepper_retires(db: None) -> None:
    keeping = {model for model in apps.get_models() if any(field.name == "pepper" for field in model._meta.fields)}
    assert {needing("p1").model for needing in pepper_rotation._kinds.values()} == keeping


class TestKeptByUs:
    def test_the_new_one_is_put_before_the_others_and_only_the_owner_reads_it(self, kept_by_us: Path) -> None:
        first = kept_by_us.read_text().strip()
        pepper_rotation.begin(by=BY)
        assert names(kept_by_us) == ["p2", "p1"]
        assert kept_by_us.read_text().strip().endswith(f" {first}")
        assert stat.S_IMODE(kept_by_us.stat().st_mode) == 0o600
        assert [path.name for path in kept_by_us.parent.iterdir()] == ["peppers"]

    def test_one_that_a_run_left_behind_that_was_killed_is_taken_by_the_next(self, kept_by_us: Path) -> None:
        peppers.ensure_active(by=BY)
        secret_files.put_pepper(kept_by_us, "p2")
        before = kept_by_us.read_text()
        assert pepper_rotation.begin(by=BY).pk == "p2"
        assert kept_by_us.read_text() == before

    def test_what_another_process_wrote_is_known_at_once(
        self, kept_by_us: Path, make_token: Callable[[], tuple[ApiToken, str]]
    ) -> None:
        _, shown = make_token()
        assert list(peppers.keys()) == ["p1"]
        secret_files.put_pepper(kept_by_us, "p2")
        key = secret_files.pepper_ring(kept_by_us.read_text())["p2"]
        ApiToken.objects.update(pepper="p2", digest=peppers.under(key, shown))
        assert ask(shown) == 200

    def test_a_retired_one_is_dropped_at_the_next_run_and_its_name_never_comes_again(
        self, kept_by_us: Path, clock: Any
    ) -> None:
        pepper_rotation.rotate(by=BY)
        clock.shift(TEN_MINUTES)
        pepper_rotation.rotate(by=BY)
        clock.shift(TEN_MINUTES)
        pepper_rotation.rotate(by=BY)
        assert (names(kept_by_us), states()) == (["p2", "p1"], {"p1": "retired", "p2": "active"})
        pepper_rotation.rotate(by=BY)
        assert names(kept_by_us) == ["p3", "p2"]

    @pytest.mark.parametrize("content", ["", "p1:short", "\x80" * 50])
    def test_a_file_that_is_damaged_while_we_run_is_told_and_what_was_known_goes_on(
        self, kept_by_us: Path, content: str, make_token: Callable[[], tuple[ApiToken, str]],
        caplog: pytest.LogCaptureFixture,
    ) -> None:  # fmt: skip
        _, shown = make_token()
        kept_by_us.write_text(content, encoding="latin-1")
        for _ in range(3):
            peppers.forget()
            assert ask(shown) == 200
        assert len([line for line in caplog.messages if str(kept_by_us) in line]) == 1
        os.unlink(kept_by_us)
        peppers.forget()
        assert ask(shown) == 200


class TestKeptByThem:
    def test_without_a_new_one_it_is_refused_and_says_what_to_add(self, kept_by_them: Callable[..., None]) -> None:
        with pytest.raises(pepper_rotation.NothingNew) as refused:
            pepper_rotation.begin(by=BY)
        assert "p2:<44 characters of base64>" in str(refused.value)
        assert "restart every replica" in str(refused.value)

    def test_the_new_one_becomes_the_next_and_then_the_active_one(
        self, kept_by_them: Callable[..., None], clock: Any
    ) -> None:
        peppers.ensure_active(by=BY)
        kept_by_them(p2=SECOND, p1=FIRST)
        assert peppers.active() == "p1"
        assert pepper_rotation.begin(by=BY).pk == "p2"
        clock.shift(TEN_MINUTES)
        upkeep.rotate_peppers()
        assert peppers.active() == "p2"

    def test_a_worker_without_its_key_does_not_make_it_active(
        self, kept_by_them: Callable[..., None], clock: Any
    ) -> None:
        peppers.ensure_active(by=BY)
        kept_by_them(p2=SECOND, p1=FIRST)
        pepper_rotation.begin(by=BY)
        kept_by_them(p1=FIRST)
        clock.shift(TEN_MINUTES)
        upkeep.rotate_peppers()
        assert states() == {"p1": "active", "p2": "next"}


class TestUnknown:
    @pytest.fixture
    def shown(self, kept_by_them: Callable[..., None], make_token: Callable[[], tuple[ApiToken, str]]) -> str:
        """A token under a pepper that nobody has."""
        _, shown = make_token()
        ApiToken.objects.update(pepper="p9")
        return shown

    def test_it_is_401_and_a_loud_line_a_minute(self, shown: str, caplog: pytest.LogCaptureFixture) -> None:
        def lines() -> list[logging.LogRecord]:
            return [record for record in caplog.records if "p9" in record.getMessage()]

        assert [ask(shown) for _ in range(3)] == [401] * 3
        assert [line.levelname for line in lines()] == ["ERROR"]
        assert "GATEHOUSE_PEPPERS" in lines()[0].getMessage()
        peppers._told["p9"] -= 60
        assert ask(shown) == 401
        assert len(lines()) == 2

    def test_a_retired_one_is_no_better(
        self, kept_by_them: Callable[..., None], make_token: Callable[[], tuple[ApiToken, str]]
    ) -> None:
        _, shown = make_token()
        Pepper.objects.update(state="retired")
        peppers.forget()
        assert ask(shown) == 401

    def test_nor_is_a_client_secret_where_every_pepper_that_is_known_has_retired(
        self, kept_by_them: Callable[..., None], make_credential: Callable[..., Rotated]
    ) -> None:
        issued = make_credential()
        Pepper.objects.update(state="retired")
        peppers.forget()
        with pytest.raises(shown_secrets.Wrong):
            shown_secrets.of_client(issued.holder.client_id, issued.text, address="192.0.2.7")

    def test_it_costs_no_look_into_the_database_each(
        self, shown: str, django_assert_max_num_queries: Callable[..., Any]
    ) -> None:
        ask(shown)
        with django_assert_max_num_queries(2):
            for _ in range(100):
                assert not secret.matches(shown, "0" * 64, "p9")


@pytest.mark.usefixtures("clock")
class TestCommand:
    def run(self, *options: str) -> tuple[list[str], str]:
        """Lines of stdout, and stderr."""
        out, err = StringIO(), StringIO()
        call_command("rotate_pepper", *options, stdout=out, stderr=err)
        return out.getvalue().splitlines(), err.getvalue()

    def test_it_begins_and_says_how_many_secrets_need_which(
        self, kept_by_us: Path, make_token: Callable[[], tuple[ApiToken, str]]
    ) -> None:
        make_token()
        lines, said = self.run()
        assert [line.partition(", needed by ")[0] for line in lines] == [
            "p1 active since 2026-11-25T12:00:00Z",
            "p2 next since 2026-11-25T12:00:00Z, active at 2026-11-25T12:10:00Z",
        ]
        assert lines[0].partition(", needed by ")[2].startswith("1 API tokens, 0 client secrets, 0 app tokens")
        assert "The pepper p2 is the next one" in said

    def test_run_again_it_changes_nothing_and_says_so(self, kept_by_us: Path) -> None:
        before, content = self.run()[0], kept_by_us.read_text()
        again, said = self.run()
        assert (again, kept_by_us.read_text()) == (before, content)
        assert "A rotation is under way" in said
        assert "Nothing was changed." in said

    def test_as_json_it_is_an_object_a_pepper_and_never_a_key(self, kept_by_us: Path) -> None:
        lines, _ = self.run("--json")
        first, second = map(json.loads, lines)
        assert (first["pepper"], first["state"], first["active_at"], first["held"]) == ("p1", "active", None, True)
        assert (second["pepper"], second["state"], second["active_at"]) == ("p2", "next", "2026-11-25T12:10:00Z")
        assert set(second["needed_by"]) >= {"API tokens", "client secrets", "app tokens", "gateway nodes"}
        keys = [entry.partition(":")[2] for entry in kept_by_us.read_text().split()]
        assert not [key for key in keys if key in "".join(lines)]

    def test_a_dry_run_changes_nothing(self, kept_by_us: Path, clock: Any) -> None:
        peppers.ensure_active(by=BY)
        content = kept_by_us.read_text()
        assert "A new pepper would be the next one." in self.run("--dry-run")[1]
        assert (kept_by_us.read_text(), states()) == (content, {"p1": "active"})
        self.run()
        assert "Nothing would be changed" in self.run("--dry-run")[1]
        clock.shift(TEN_MINUTES)
        assert "The pepper p2 would be active." in self.run("--dry-run")[1]
        assert states() == {"p1": "active", "p2": "next"}

    def test_refused_it_shows_the_ring_all_the_same(self, kept_by_them: Callable[..., None]) -> None:
        out = StringIO()
        with pytest.raises(CommandError, match=r"GATEHOUSE_PEPPERS holds no new pepper.*\.$"):
            call_command("rotate_pepper", stdout=out, stderr=StringIO())
        assert out.getvalue().startswith("p1 active since")
