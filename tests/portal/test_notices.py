"""Notices of what ends: at 30, 7 and 1 days and when it has ended, each once, with one mail for an owner and a run."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction

from portal import audit, letters, notices, outbox
from portal.actor import Actor
from portal.environment import MailServer
from portal.models import AuditEvent, ExpiryNotice, Letter, Outbox, User
from portal.scopes import Scope
from tests.conftest import PASSWORD
from tests.mail_server import mail_server
from tokens import credentials, issuing, overlap, rotation, switching
from tokens.models import ApiToken
from tokens.overlap import Rotated

NOON = datetime(2031, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def _mail(settings: Any) -> None:
    settings.MAIL_SERVER = MailServer("127.0.0.1", 9, "", "", is_smtps=False)
    settings.ADMIN_EMAILS = ["root@plant.example"]
    settings.PUBLIC_URL = "https://gate.example:8443"


@pytest.fixture
def vera(make_person: Callable[..., User]) -> User:
    return mailed(make_person("vera"))


@pytest.fixture
def make_token(root: Actor) -> Callable[..., ApiToken]:
    def make(owner: User, name: str = "line 3", days: int = 100) -> ApiToken:
        return issuing.issue(name, [Scope.DEVICES_READ], owner=owner, days=days, by=root)[0]

    return make


def mailed(person: User) -> User:
    person.email = f"{person.username}@plant.example"
    person.save()
    return person


def told() -> list[tuple[str, str, int]]:
    """Verb, subject and threshold of each notice in the history."""
    rows = AuditEvent.objects.filter(verb__endswith=".notice_sent").order_by("number")
    return [(row.verb, row.subject_id, row.after["days"]) for row in rows if row.after]


class TestWhen:
    def test_an_end_is_told_of_at_each_threshold_and_when_it_has_come_and_never_twice(
        self, clock: Any, make_credential: Callable[..., Rotated]
    ) -> None:
        make_credential(days=100)
        days = []
        for day in (0, 1, 69, 70, 71, 92, 93, 94, 98, 99, 100, 101, 129):
            clock.move_to(NOON + day * DAY)
            if notices.give():
                days.append(day)
            assert notices.give() == 0
        assert days == [70, 93, 99, 100]
        assert [threshold for _, _, threshold in told()] == [30, 7, 1, 0]
        assert {subject for _, subject, _ in told()} == {"main-app1-v1.0.0"}

    def test_of_several_thresholds_that_were_missed_the_nearest_counts(
        self, clock: Any, make_credential: Callable[..., Rotated]
    ) -> None:
        make_credential(days=100)
        clock.shift(99 * DAY)
        assert notices.give() == 1
        clock.shift(3 * DAY)
        assert notices.give() == 1
        assert [threshold for _, _, threshold in told()] == [1, 0]

    @pytest.mark.parametrize(("days", "thresholds"), [(1, [0]), (7, [1, 0]), (20, [7, 1, 0]), (30, [7, 1, 0])])
    def test_a_threshold_that_lay_before_it_was_made_is_none(
        self, clock: Any, make_credential: Callable[..., Rotated], days: int, thresholds: list[int]
    ) -> None:
        make_credential(days=days)
        for before in (30, 8, 7, 2, 1, 0, -1):
            clock.move_to(NOON + max(days - before, 0) * DAY)
            notices.give()
        assert [threshold for _, _, threshold in told()] == thresholds

    def test_what_ended_long_before_anybody_could_tell_of_it_is_not_told_of(
        self, clock: Any, make_credential: Callable[..., Rotated]
    ) -> None:
        make_credential(days=100)
        clock.shift(131 * DAY)
        assert notices.give() == 0

    @pytest.mark.parametrize("back", [timedelta(minutes=5), timedelta(hours=1), 60 * DAY])
    def test_a_clock_that_was_set_back_gives_no_second_and_no_earlier_notice(
        self, clock: Any, make_credential: Callable[..., Rotated], back: timedelta
    ) -> None:
        make_credential(days=100)
        clock.shift(93 * DAY)
        assert notices.give() == 1
        clock.shift(-back)
        assert notices.give() == 0
        clock.shift(back)
        assert notices.give() == 0
        assert [threshold for _, _, threshold in told()] == [7]


class TestWhat:
    def test_a_rotated_credential_is_told_of_by_its_new_end_alone(
        self, clock: Any, make_credential: Callable[..., Rotated], root: Actor
    ) -> None:
        issued = make_credential(days=40)
        clock.shift(11 * DAY)
        assert notices.give() == 1
        overlap.rotate(issued.holder, by=root, days=100, grace_hours=720)
        for day in (1, 29, 30, 40, 69):
            clock.move_to(NOON + (11 + day) * DAY)
            assert notices.give() == 0
        clock.shift(DAY)
        assert notices.give() == 1
        assert [threshold for _, _, threshold in told()] == [30, 30]

    def test_what_is_revoked_or_switched_off_is_not_told_of(
        self, clock: Any, make_credential: Callable[..., Rotated], root: Actor
    ) -> None:
        leaked = make_credential(days=100).holder
        switching.revoke(leaked, by=root, reason="leaked")
        off = make_credential(leaked.version, instance="off", days=100)
        switching.disable(off.holder, by=root, reason="a pause")
        clock.shift(95 * DAY)
        assert notices.give() == 0
        switching.enable(off.holder, by=root)
        assert notices.give() == 1

    def test_a_token_with_a_successor_or_of_somebody_who_is_gone_is_not_told_of(
        self, clock: Any, make_token: Any, vera: User, make_person: Callable[..., User], root: Actor
    ) -> None:
        rotation.rotate(make_token(vera, days=300), by=root, overlap_hours=720)
        make_token(make_person("gone"))
        User.objects.filter(username="gone").update(is_active=False)
        clock.shift(10 * DAY)
        assert notices.give() == 0

    def test_each_kind_has_its_words_in_the_history_and_its_topic(
        self, clock: Any, make_token: Any, make_credential: Callable[..., Rotated], vera: User
    ) -> None:
        token = make_token(vera)
        make_credential(days=100, owner=vera)
        Outbox.objects.all().delete()
        clock.shift(99 * DAY)
        assert notices.give() == 2
        assert sorted(told()) == [
            ("credential.notice_sent", "main-app1-v1.0.0", 1),
            ("token.notice_sent", token.pk, 1),
        ]
        messages = dict(Outbox.objects.values_list("topic", "body"))
        facts = {"days": 1, "ends_at": "2031-04-11T12:00:00Z", "owner": "vera"}
        assert messages == {
            "token.expiring": {"token": token.pk, "kind": "api_token", **facts},
            "credential.expiring": {"credential": "main-app1-v1.0.0", "kind": "app_credential", **facts},
        }
        assert audit.verify().holds


class TestMails:
    def test_an_owner_gets_one_mail_a_run_that_lists_everything(
        self, clock: Any, make_token: Any, make_credential: Callable[..., Rotated], vera: User
    ) -> None:
        token = make_token(vera, "line 3", days=100)
        issued = make_credential(days=93, owner=vera)
        clock.shift(99 * DAY)
        assert notices.give() == 2
        letter = Letter.objects.get()
        assert letter.to == ["vera@plant.example"]
        assert letter.subject == "[Gatehouse] Of your tokens and certificates 1 ends soon and 1 has ended"
        assert letter.text.splitlines()[2:10] == [
            "app credential main-app1-v1.0.0",
            "  ended  2031-04-04 12:00:00 UTC, 6 days ago",
            "  to do  Rotate it, give the new secret to the app, end the overlap once the old one is no longer used.",
            f"  page   https://gate.example:8443/portal/apps/credentials/{issued.holder.pk}/",
            "",
            "API token line 3",
            "  ends   2031-04-11 12:00:00 UTC, in 1 day",
            "  to do  Its owner rotates it, and gives the successor to the program before this one ends.",
        ]
        assert f"https://gate.example:8443/portal/tokens/?q={token.pk}" in letter.text

    def test_what_has_no_owner_who_can_be_written_to_goes_to_the_administrators_in_one_mail(
        self,
        clock: Any,
        make_token: Any,
        make_credential: Callable[..., Rotated],
        vera: User,
        make_person: Callable[..., User],
    ) -> None:
        version = make_credential(days=100, owner=None).holder.version
        make_credential(version, instance="b", days=100, owner=make_person("mute"))
        make_credential(version, instance="c", days=100, owner=mailed(make_person("gone")))
        make_credential(version, instance="d", days=100, owner=vera)
        User.objects.filter(username="gone").update(is_active=False)
        clock.shift(95 * DAY)
        assert notices.give() == 4
        mine, theirs = Letter.objects.order_by("subject")
        assert (mine.to, theirs.to) == (["vera@plant.example"], ["root@plant.example"])
        assert "v1.0.0-d" in mine.text
        assert "owner" not in mine.text.replace("owner rotates", "")
        assert theirs.subject == "[Gatehouse] Of your tokens and certificates 3 end soon"
        for owner in ("nobody; hand it over", "mute, who has no mail address", "gone, who is deactivated"):
            assert f"  owner  {owner}" in theirs.text

    def test_a_mail_of_many_names_fifty_and_says_how_many_more(self, clock: Any, make_token: Any, vera: User) -> None:
        for number in range(53):
            make_token(vera, f"line {number}")
        clock.shift(95 * DAY)
        assert notices.give() == 53
        text = Letter.objects.get().text
        assert text.count("API token") == 50
        assert "and 3 more." in text
        assert text.endswith("https://gate.example:8443/portal/expiring/")

    def test_of_very_many_the_rest_is_told_in_the_next_run(
        self, clock: Any, make_token: Any, vera: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(notices, "MOST", 4)
        for number in range(10):
            make_token(vera, f"line {number}")
        clock.shift(95 * DAY)
        assert [notices.give() for _ in range(4)] == [4, 4, 2, 0]

    def test_without_a_mail_server_everything_else_is_told(
        self, clock: Any, make_token: Any, vera: User, settings: Any
    ) -> None:
        settings.MAIL_SERVER = None
        make_token(vera)
        clock.shift(95 * DAY)
        assert notices.give() == 1
        assert len(told()) == 1
        assert Outbox.objects.filter(topic="token.expiring").count() == 1
        assert not Letter.objects.exists()

    def test_no_mail_holds_a_secret(self, clock: Any, root: Actor, vera: User) -> None:
        _, shown = issuing.issue("line 3", [Scope.DEVICES_READ], owner=vera, days=100, by=root)
        clock.shift(95 * DAY)
        notices.give()
        letter = Letter.objects.get()
        assert shown not in letter.text
        assert PASSWORD not in letter.text


class TestFaults:
    def test_a_run_that_is_broken_off_leaves_nothing_and_the_next_gives_all(
        self, clock: Any, make_token: Any, vera: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_token(vera)
        clock.shift(95 * DAY)
        whole = audit.record_all

        def killed(*args: Any, **facts: Any) -> None:
            raise SystemExit

        monkeypatch.setattr(audit, "record_all", killed)
        with pytest.raises(SystemExit):
            notices.give()
        monkeypatch.setattr(audit, "record_all", whole)
        assert not ExpiryNotice.objects.exists()
        assert not Letter.objects.exists()
        assert notices.give() == 1

    def test_what_goes_wrong_for_one_owner_keeps_no_other_from_theirs_however_much_it_is(
        self,
        clock: Any,
        make_token: Any,
        vera: User,
        make_person: Callable[..., User],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(notices, "MOST", 2)
        for number in range(3):
            make_token(vera, f"line {number}")
        make_token(mailed(make_person("otto")), days=101)
        clock.shift(95 * DAY)
        write = letters.write

        def break_for_vera(to: Any, subject: str, text: str) -> None:
            if to == ["vera@plant.example"]:
                raise RuntimeError("broken")
            write(to, subject, text)

        monkeypatch.setattr(letters, "write", break_for_vera)
        assert notices.give() == 1
        assert "could not be given" in caplog.text
        monkeypatch.setattr(letters, "write", write)
        assert [notices.give() for _ in range(3)] == [2, 1, 0]
        letters_to = sorted(letter.to for letter in Letter.objects.all())
        assert letters_to == [["otto@plant.example"], ["vera@plant.example"], ["vera@plant.example"]]

    @pytest.mark.django_db(transaction=True)
    def test_of_four_workers_each_notice_is_given_by_one(
        self,
        clock: Any,
        make_token: Any,
        make_credential: Callable[..., Rotated],
        vera: User,
        at_once: Callable[..., list[Any]],
    ) -> None:
        for number in range(6):
            make_token(vera, f"line {number}")
        make_credential(days=100)
        clock.shift(95 * DAY)
        assert sum(at_once(*(notices.give for _ in range(4)))) == 7
        assert len(told()) == len(set(told())) == 7
        assert Outbox.objects.filter(topic__endswith=".expiring").count() == 7
        assert sorted(letter.to for letter in Letter.objects.all()) == [["root@plant.example"], ["vera@plant.example"]]

    def test_the_mail_goes_out_to_the_owner(self, clock: Any, make_token: Any, vera: User, settings: Any) -> None:
        make_token(vera)
        clock.shift(95 * DAY)
        with mail_server() as sink:
            settings.MAIL_SERVER = MailServer("127.0.0.1", sink.port, "", "", is_smtps=False)
            notices.give()
            assert letters.send_next()
            taken: list[Any] = sink.taken
        assert taken[0].recipients == ["vera@plant.example"]
        assert "line 3" in taken[0].text


def test_a_cancelled_rotation_gives_no_notice_a_second_time(
    clock: Any, make_credential: Callable[..., Rotated], root: Actor
) -> None:
    issued = make_credential(days=100)
    clock.shift(95 * DAY)
    assert notices.give() == 1
    overlap.rotate(issued.holder, by=root)
    overlap.cancel_rotation(credentials.find(issued.holder.pk), by=root)
    assert notices.give() == 0
    with transaction.atomic():
        outbox.hand_on()
