"""The pages about people: adding one, roles, standing, forgotten passwords and sessions, with and without htmx."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from portal.models import AuditEvent, Outbox, User
from portal.roles import Role
from portal.scopes import Scope
from tests.conftest import PASSWORD

LIST = "/portal/people/"
NEW = {"name": "grace", "role": "operator"}
GIVEN = "a lighthouse keeper's breakfast"
HTMX = {"HX-Request": "true"}
both = pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])


@pytest.fixture
def ada(log_in: Callable[..., Client], administrator: User) -> Client:
    return log_in(administrator)


@pytest.fixture
def stale(log_in: Callable[..., Client], administrator: User) -> Client:
    """The administrator, who gave the password more than ten minutes ago."""
    with time_machine.travel(timezone.now() - timedelta(minutes=11)):
        return log_in(administrator)


def page_of(person: User) -> str:
    return f"{LIST}{person.pk}/"


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def shown_password(answer: Any) -> str:
    (password,) = re.findall(r'id="secret-password">([^<]+)<', answer.content.decode())
    return str(password)


class TestList:
    def test_shows_who_there_is_with_role_standing_and_last_login(self, ada: Client, viewer: User) -> None:
        User.objects.filter(pk=viewer.pk).update(is_active=False)
        page = text_of(ada.get(LIST))
        assert re.search(r"ada you Administrator active last logged in just now", page)
        assert re.search(r"vera Viewer deactivated last logged in never", page)

    def test_finds_by_a_part_of_the_name(self, ada: Client, viewer: User) -> None:
        assert "vera" in text_of(ada.get(LIST, {"q": "ER"}))
        assert "vera" not in text_of(ada.get(LIST, {"q": "%"}))
        assert "Nobody here whose name holds" in text_of(ada.get(LIST, {"q": "zed"}))
        assert ada.get(LIST, {"q": "a\x00"}).status_code == 400
        assert ada.get(LIST, {"q": "a" * 151}).status_code == 400

    def test_explains_each_role_by_what_it_adds_and_offers_the_narrowest(self, ada: Client) -> None:
        page = ada.get(LIST)
        told = text_of(page)
        assert told.index("Viewer May:") < told.index(Scope.AUDIT_READ.label)
        assert told.index("All that the role Viewer may, and:") < told.index(Scope.DEVICES_ADMIT.label)
        assert told.index("All that the role Operator may, and:") < told.index(Scope.USERS_MANAGE.label)
        assert re.findall(r'value="(\w+)"[^>]* checked', page.content.decode()) == ["viewer"]

    def test_offers_a_viewer_no_verb_and_is_in_the_navigation(
        self, log_in: Callable[..., Client], viewer: User, operator: User
    ) -> None:
        client = log_in(viewer)
        for path in (LIST, page_of(operator), page_of(viewer)):
            page = client.get(path).content.decode()
            assert "hx-post" not in page
            assert f'<a href="{LIST}" aria-current="page">People</a>' in page
        assert "needs the scope users:manage" in text_of(client.get(page_of(operator)))


class TestNewPerson:
    @both
    def test_gets_a_generated_password_that_is_shown_once(self, ada: Client, headers: dict[str, str]) -> None:
        answer = ada.post(f"{LIST}create/", NEW, headers=headers)
        assert answer.status_code == 200
        password = shown_password(answer)
        grace = User.objects.get(username="grace")
        assert (grace.role, grace.check_password(password)) == ("operator", True)
        assert answer["Cache-Control"] == "no-store"
        assert ("people-changed" in answer.get("HX-Trigger", "")) == bool(headers)
        assert password not in ada.get(LIST).content.decode()
        kept = [*AuditEvent.objects.values(), *Outbox.objects.values(), *User.objects.values()]
        kept += [session.get_decoded() for session in Session.objects.all()]
        assert password not in str(kept)

    @both
    def test_takes_a_password_that_was_given_and_does_not_show_it(self, ada: Client, headers: dict[str, str]) -> None:
        answer = ada.post(f"{LIST}create/", {**NEW, "first_password": GIVEN}, headers=headers)
        assert "with the password that you gave" in text_of(answer)
        assert "lighthouse" not in answer.content.decode()
        assert User.objects.get(username="grace").check_password(GIVEN)

    @both
    @pytest.mark.parametrize(
        ("sent", "status", "sentence"),
        [
            ({"name": ""}, 400, "Say what the person is called."),
            ({"name": "<b>"}, 400, "Enter a valid username."),
            ({"name": "ADA"}, 409, "There is a person named ADA already"),
            ({"role": ""}, 400, "Choose a role."),
            ({"role": "king"}, 400, "There is no such role"),
            ({"first_password": "short"}, 400, "This password is too short."),
        ],
    )
    def test_that_does_not_fit_is_said_beside_its_field(
        self, ada: Client, headers: dict[str, str], sent: dict[str, str], status: int, sentence: str
    ) -> None:
        answer = ada.post(f"{LIST}create/", {**NEW, **sent}, headers=headers)
        assert (answer.status_code, answer.get("HX-Retarget")) == (status, "#new-person" if headers else None)
        assert sentence in text_of(answer)
        assert "short" not in re.findall(r'value="([^"]*)"', answer.content.decode())
        assert User.objects.count() == 1
        assert not AuditEvent.objects.exists()


class TestFreshPassword:
    """Who gave theirs long ago gives it again before they make people, change roles and set passwords."""

    def posts(self, person: User) -> list[tuple[str, dict[str, str]]]:
        role = {"role": "operator", "seen": "viewer"}
        return [(f"{LIST}create/", NEW), (f"{page_of(person)}role/", role), (f"{page_of(person)}password/", {})]

    @both
    @pytest.mark.parametrize("number", range(3))
    def test_is_asked_for_beside_the_form_and_must_be_right(
        self, stale: Client, viewer: User, headers: dict[str, str], number: int
    ) -> None:
        to, sent = self.posts(viewer)[number]
        asked = stale.post(to, sent, headers=headers)
        assert asked.status_code == 400
        assert "Type your own password to confirm this." in text_of(asked)
        wrong = stale.post(to, {**sent, "password": "wrong"}, headers=headers)
        assert wrong.status_code == 403
        assert not AuditEvent.objects.exists()
        assert stale.post(to, {**sent, "password": PASSWORD}, headers=headers).status_code in (200, 302)
        assert AuditEvent.objects.count() == 1

    def test_is_no_matter_of_shutting_somebody_out(self, stale: Client, viewer: User) -> None:
        assert stale.post(f"{page_of(viewer)}deactivate/").status_code == 302
        assert not User.objects.get(pk=viewer.pk).is_active


class TestRole:
    def test_is_changed_with_its_effect_told_before_and_its_history_after(self, ada: Client, viewer: User) -> None:
        assert "Another role counts from their next request on" in text_of(ada.get(page_of(viewer)))
        answer = ada.post(f"{page_of(viewer)}role/", {"role": "operator", "seen": "viewer", "reason": "night shift"})
        assert answer["Location"] == page_of(viewer)
        page = text_of(ada.get(page_of(viewer)))
        assert "Operator, added" in page
        assert re.search(r"ada from 127.0.0.1 role changed role viewer → operator night shift", page)

    def test_comes_to_htmx_with_the_whole_person(self, ada: Client, viewer: User) -> None:
        answer = ada.post(f"{page_of(viewer)}role/", {"role": "operator", "seen": "viewer"}, headers=HTMX)
        assert answer.content.decode().strip().startswith('<article id="person"')
        assert 'name="seen" value="operator"' in answer.content.decode()

    @both
    def test_that_another_changed_meanwhile_is_refused_with_a_sentence(
        self, ada: Client, viewer: User, headers: dict[str, str]
    ) -> None:
        to = f"{page_of(viewer)}role/"
        ada.post(to, {"role": "operator", "seen": "viewer"})
        answer = ada.post(to, {"role": "administrator", "seen": "viewer"}, headers=headers)
        assert answer.status_code == 409
        assert "it is operator, by ada at 20" in text_of(answer)

    @pytest.mark.parametrize(
        "sent", [{}, {"role": "king", "seen": "viewer"}, {"role": "operator"}, {"role": "operator", "seen": "x"}]
    )
    def test_that_is_none_is_refused(self, ada: Client, viewer: User, sent: dict[str, str]) -> None:
        assert ada.post(f"{page_of(viewer)}role/", sent).status_code == 400
        assert User.objects.get(pk=viewer.pk).role == "viewer"

    def test_and_standing_of_oneself_are_another_administrators(self, ada: Client, administrator: User) -> None:
        assert "This is you." in text_of(ada.get(page_of(administrator)))
        for verb, sent in (("role", {"role": "viewer", "seen": "administrator"}), ("deactivate", {}), ("password", {})):
            answer = ada.post(f"{page_of(administrator)}{verb}/", sent)
            assert answer.status_code == 409
        administrator.refresh_from_db()
        assert (administrator.role, administrator.is_active) == ("administrator", True)


@both
def test_a_person_is_deactivated_and_activated_with_reasons(ada: Client, viewer: User, headers: dict[str, str]) -> None:
    page = text_of(ada.get(page_of(viewer)))
    assert "their sessions end at once" in page
    assert "Activate this person" not in page
    for verb, active in (("deactivate", False), ("activate", True)):
        answer = ada.post(f"{page_of(viewer)}{verb}/", {"reason": f"to {verb}"}, headers=headers)
        assert answer.status_code == (200 if headers else 302)
        assert User.objects.get(pk=viewer.pk).is_active == active
        page = text_of(ada.get(page_of(viewer)))
        assert f"to {verb}" in page
        assert ("Deactivate this person" in page, "Activate this person" in page) == (active, not active)
    assert ada.post(f"{page_of(viewer)}deactivate/", {"reason": "x" * 501}, headers=headers).status_code == 400


@both
def test_a_forgotten_password_is_set_anew_and_shown_once(
    ada: Client, viewer: User, log_in: Callable[..., Client], headers: dict[str, str]
) -> None:
    theirs = log_in(viewer)
    answer = ada.post(f"{page_of(viewer)}password/", {"reason": "forgotten"}, headers=headers)
    assert answer.status_code == 200
    password = shown_password(answer)
    viewer.refresh_from_db()
    assert viewer.check_password(password)
    assert theirs.get("/portal/").status_code == 302
    assert password not in ada.get(page_of(viewer)).content.decode()
    assert "password reset" in text_of(ada.get(page_of(viewer)))
    kept = [*AuditEvent.objects.values(), *Outbox.objects.values()]
    assert password not in str(kept + [session.get_decoded() for session in Session.objects.all()])


class TestSessions:
    @both
    def test_of_another_are_ended_one_by_one_and_all_at_once(
        self, ada: Client, viewer: User, log_in: Callable[..., Client], headers: dict[str, str]
    ) -> None:
        browsers = [log_in(viewer) for _ in range(3)]
        ends = rf'action="({page_of(viewer)}sessions/[0-9a-f]{{24}}/end/)"'
        page = ada.get(page_of(viewer)).content.decode()
        assert not [session.pk for session in Session.objects.all() if session.pk in page]
        found = re.findall(ends, page)
        assert len(found) == 3
        assert ada.post(found[0], headers=headers).status_code == (200 if headers else 302)
        assert ada.post(found[0], headers=headers).status_code == 404
        assert len(re.findall(ends, ada.get(page_of(viewer)).content.decode())) == 2
        ada.post(f"{page_of(viewer)}sessions/end/", headers=headers)
        assert [browser.get("/portal/").status_code for browser in browsers] == [302, 302, 302]
        assert "Nowhere just now." in text_of(ada.get(page_of(viewer)))
        verbs = AuditEvent.objects.order_by("number").values_list("verb", "subject_id")
        assert list(verbs) == [("person.session_ended", "vera"), ("person.sessions_ended", "vera")]

    def test_of_a_third_person_are_not_ended_through_this_one(
        self, ada: Client, viewer: User, operator: User, log_in: Callable[..., Client]
    ) -> None:
        log_in(operator)
        (to,) = re.findall(r'action="([^"]+/sessions/[0-9a-f]{24}/end/)"', ada.get(page_of(operator)).content.decode())
        assert ada.post(to.replace(str(operator.pk), str(viewer.pk))).status_code == 404
        assert Session.objects.count() == 2

    def test_are_shown_to_those_alone_who_manage_people(
        self, viewer: User, operator: User, log_in: Callable[..., Client]
    ) -> None:
        assert "is logged in" not in text_of(log_in(viewer).get(page_of(operator)))


def test_nobody_by_that_id_is_not_found(ada: Client) -> None:
    answer = ada.get(f"{LIST}00000000-0000-4000-8000-000000000000/")
    assert answer.status_code == 404
    assert "There is no such person" in text_of(answer)


def test_the_account_page_says_where_roles_come_from(ada: Client) -> None:
    page = ada.get("/portal/account/").content.decode()
    assert f'Administrators give roles, under <a href="{LIST}">People</a>' in page


@pytest.mark.parametrize("role", Role)
def test_everybody_who_reads_people_opens_a_page(
    log_in: Callable[..., Client], make_person: Callable[..., User], role: str
) -> None:
    me = make_person("me", role)
    assert log_in(me).get(page_of(me)).status_code == 200
