"""The page about oneself: the role in words, one's own password, and the sessions that one can end."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from portal import people, sessions
from portal.actor import Actor
from portal.models import AuditEvent, Outbox, User
from portal.refusal import Invalid
from portal.scopes import Scope
from portal.session_store import kept_as
from tests.conftest import PASSWORD

ANOTHER = "a lighthouse keeper's breakfast"
CHANGE = {"present": PASSWORD, "new": ANOTHER, "again": ANOTHER}
TO = "/portal/account/password/"


@pytest.fixture
def plain(log_in: Callable[..., Client], operator: User) -> Client:
    return log_in(operator)


@pytest.fixture
def htmx(log_in: Callable[..., Client], operator: User) -> Client:
    client = log_in(operator)
    client.defaults["HTTP_HX_REQUEST"] = "true"
    return client


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def ends(answer: Any) -> list[str]:
    """Where the buttons lead that end a session."""
    return sorted(set(re.findall(r'action="(/portal/account/sessions/[0-9a-f]{24}/end/)"', answer.content.decode())))


def is_in(client: Client) -> bool:
    return client.get("/portal/account/", headers={"HX-Request": ""}).status_code == 200


def test_the_name_in_the_header_leads_to_a_page_that_says_what_the_role_may_do(plain: Client) -> None:
    assert '<a class="who" href="/portal/account/">' in plain.get("/portal/").content.decode()
    page = text_of(plain.get("/portal/account/"))
    assert "Operator: what you may do" in page
    assert Scope.DEVICES_ADMIT.label in page
    assert Scope.USERS_MANAGE.label not in page


class TestPassword:
    def test_that_is_new_counts_at_once_and_the_old_one_no_longer(
        self, plain: Client, htmx: Client, operator: User
    ) -> None:
        answer = plain.post(TO, CHANGE)
        assert (answer.status_code, answer["Location"]) == (302, "/portal/account/?changed=1")
        assert "Your password is changed" in text_of(plain.get(answer["Location"]))
        operator.refresh_from_db()
        assert (operator.check_password(ANOTHER), operator.check_password(PASSWORD)) == (True, False)

    def test_keeps_this_session_under_a_new_id_and_ends_all_others_of_this_person_only(
        self, plain: Client, htmx: Client, log_in: Callable[..., Client], administrator: User
    ) -> None:
        ada, before = log_in(administrator), plain.cookies["gatehouse-session"].value
        plain.post(TO, CHANGE)
        assert (is_in(plain), is_in(htmx), is_in(ada)) == (True, False, True)
        assert plain.cookies["gatehouse-session"].value != before
        assert Session.objects.count() == 2

    def test_ends_even_the_sessions_that_a_bounded_search_does_not_reach(
        self, plain: Client, htmx: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "MOST_LOOKED_AT", 0)
        plain.post(TO, CHANGE)
        assert (is_in(plain), is_in(htmx)) == (True, False)

    def test_is_told_to_htmx_in_the_place_of_the_form(self, htmx: Client) -> None:
        answer = htmx.post(TO, CHANGE)
        assert answer.content.decode().strip().startswith('<section id="password"')
        assert "Your password is changed" in text_of(answer)
        assert "sessions-changed" in answer["HX-Trigger"]

    def test_is_in_the_history_as_changed_and_never_itself(self, plain: Client, htmx: Client) -> None:
        plain.post(TO, CHANGE)
        event = AuditEvent.objects.get()
        assert (event.verb, event.actor, event.subject_kind, event.subject_id) == (
            "person.password_changed", "otto", "person", "otto",
        )  # fmt: skip
        assert (event.before, event.after) == (None, {"sessions_ended": 1})
        kept = [*AuditEvent.objects.values(), *Outbox.objects.values()]
        kept += [session.get_decoded() for session in Session.objects.all()]
        assert PASSWORD not in str(kept)
        assert ANOTHER not in str(kept)
        assert User.objects.get().password not in str(kept)

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"present": ""}, "Type your present password."),
            ({"new": ""}, "Type a new password."),
            ({"again": "something else entirely"}, "This is not what you typed above"),
            ({"new": "short", "again": "short"}, "This password is too short."),
            ({"new": "password1234", "again": "password1234"}, "This password is too common."),
            ({"new": PASSWORD, "again": PASSWORD}, "This is your present password; choose another."),
        ],
    )
    def test_that_does_not_fit_is_said_beside_its_field_and_changes_nothing(
        self, plain: Client, htmx: Client, operator: User, change: dict[str, str], sentence: str
    ) -> None:
        page, answer = plain.post(TO, {**CHANGE, **change}), htmx.post(TO, {**CHANGE, **change})
        assert (page.status_code, answer.status_code) == (400, 400)
        assert answer["HX-Retarget"] == "#password"
        for shown in (page, answer):
            assert sentence in text_of(shown)
            assert ANOTHER not in shown.content.decode()
        operator.refresh_from_db()
        assert operator.check_password(PASSWORD)
        assert not AuditEvent.objects.exists()
        assert is_in(htmx)

    def test_needs_the_present_one_however_fresh_the_session_and_wrong_tries_must_wait(
        self, plain: Client, htmx: Client, operator: User
    ) -> None:
        sent = {**CHANGE, "present": "wrong"}
        for client in (plain, htmx, plain, htmx, plain):
            answer = client.post(TO, sent)
            assert answer.status_code == 403
            assert "Type your own password to confirm this; it was not right." in text_of(answer)
        assert plain.post(TO, sent).status_code == 429
        assert plain.post(TO, CHANGE).status_code == 429
        operator.refresh_from_db()
        assert operator.check_password(PASSWORD)

    def test_is_refused_by_the_rule_itself_when_weak_or_the_present_one(self, operator: User, root: Actor) -> None:
        for unfit in ("short", PASSWORD):
            with pytest.raises(Invalid):
                people.change_password(operator, unfit, by=root)
        assert not AuditEvent.objects.exists()

    def test_that_was_reset_after_the_present_one_was_seen_stays(self, operator: User, root: Actor) -> None:
        seen = User.objects.get(pk=operator.pk)
        generated = people.reset_password(operator, by=root)
        with pytest.raises(people.PasswordChanged, match="has been changed meanwhile"):
            people.change_password(seen, ANOTHER, by=Actor.person(seen))
        operator.refresh_from_db()
        assert operator.check_password(generated)
        assert [event.verb for event in AuditEvent.objects.all()] == ["person.password_reset"]

    def test_that_is_reset_while_it_is_changed_ends_the_session_and_the_page_says_so(
        self, plain: Client, operator: User, root: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def digested_slowly(password: str) -> str:
            monkeypatch.setattr(people, "make_password", make_password)
            people.reset_password(User.objects.get(pk=operator.pk), by=root)
            return make_password(password)

        monkeypatch.setattr(people, "make_password", digested_slowly)
        answer = plain.post(TO, CHANGE)
        assert answer.status_code == 400
        assert "Your session has ended meanwhile; log in again" in text_of(answer)
        operator.refresh_from_db()
        assert not operator.check_password(ANOTHER)

    def test_that_is_digested_anew_by_the_way_is_changed_all_the_same(
        self, plain: Client, operator: User, settings: Any
    ) -> None:
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher", *settings.PASSWORD_HASHERS]
        assert plain.post(TO, CHANGE).status_code == 302
        operator.refresh_from_db()
        assert operator.check_password(ANOTHER)
        assert is_in(plain)


class TestSessions:
    def test_are_listed_with_this_one_marked_and_without_their_keys(self, plain: Client, htmx: Client) -> None:
        page = plain.get("/portal/account/")
        assert text_of(page).count("this one") == 1
        assert len(ends(page)) == 1
        assert text_of(page).count("127.0.0.1") == 2
        keys: list[str] = [session.pk for session in Session.objects.all()]
        keys += [client.cookies["gatehouse-session"].value for client in (plain, htmx)]
        assert not [key for key in keys if key in page.content.decode()]

    def test_that_stand_in_the_database_open_nothing_to_who_reads_it(self, plain: Client) -> None:
        row = Session.objects.get()
        key = plain.cookies["gatehouse-session"].value
        assert key not in f"{row.pk} {row.session_data} {row.get_decoded()}"
        for read in (row.pk, row.pk[:32], row.pk.lower()):
            assert not is_in(Client(headers={"Cookie": f"gatehouse-session={read}"}))
        assert is_in(Client(headers={"Cookie": f"gatehouse-session={key}"}))

    def test_under_a_key_that_the_browser_made_up_never_begin(self, operator: User) -> None:
        made_up = "a" * 32
        client = Client(headers={"Cookie": f"gatehouse-session={made_up}"})
        client.post("/portal/login/", {"username": "otto", "password": PASSWORD})
        assert client.cookies["gatehouse-session"].value != made_up
        assert not Session.objects.filter(pk__in=[made_up, kept_as(made_up)]).exists()

    def test_of_others_and_those_that_have_ended_are_not_listed(
        self, plain: Client, log_in: Callable[..., Client], administrator: User, operator: User
    ) -> None:
        log_in(administrator)
        with time_machine.travel(timezone.now() - timedelta(hours=13)):
            log_in(operator)
        with time_machine.travel(timezone.now() - timedelta(minutes=31)):
            log_in(operator)
        assert ends(plain.get("/portal/account/")) == []

    def test_that_are_ended_come_to_the_login_and_stand_in_the_history(self, plain: Client, htmx: Client) -> None:
        (to,) = ends(plain.get("/portal/account/"))
        answer = plain.post(to)
        assert (answer.status_code, answer["Location"]) == (302, "/portal/account/")
        assert (is_in(plain), is_in(htmx)) == (True, False)
        event = AuditEvent.objects.get()
        assert (event.verb, event.actor, event.subject_id) == ("person.session_ended", "otto", "otto")

    def test_htmx_gets_the_list_that_remains(self, plain: Client, htmx: Client) -> None:
        (to,) = ends(htmx.get("/portal/account/"))
        answer = htmx.post(to)
        assert answer.content.decode().strip().startswith('<section id="sessions"')
        assert ends(answer) == []
        again = htmx.post(to)
        assert (again.status_code, again["HX-Retarget"]) == (404, "#notices")
        assert "This session has ended already" in text_of(again)
        assert AuditEvent.objects.count() == 1

    def test_of_another_cannot_be_ended(
        self, plain: Client, log_in: Callable[..., Client], administrator: User
    ) -> None:
        ada = log_in(administrator)
        log_in(administrator)
        (to,) = ends(ada.get("/portal/account/"))
        assert plain.post(to).status_code == 404
        assert Session.objects.count() == 3
