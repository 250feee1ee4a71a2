"""The standing of people: who may give and take a role, who is shut out, and that an administrator is always left."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.test import Client
from rest_framework.test import APIClient

from portal import audit, people, sessions, standing
from portal.actor import Actor
from portal.models import AuditEvent, Outbox, User
from portal.refusal import Invalid, Refusal
from portal.roles import Role
from portal.scopes import Scope
from tests.conftest import PASSWORD
from tokens import issuing

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
ROLES = ["administrator", "operator", "viewer"]


@pytest.fixture
def ada(administrator: User) -> Actor:
    return Actor.person(administrator)


@pytest.fixture
def helper(operator: User) -> Actor:
    """Somebody who manages people without holding all that an administrator does."""
    scopes = Actor.person(operator).scopes | {Scope.USERS_MANAGE}
    return Actor.token("helper", scopes, owner=operator.pk, credential="token helper")


def trail() -> list[tuple[str, str, Any, Any, str]]:
    return [
        (row.verb, row.subject_id, row.before, row.after, row.reason) for row in AuditEvent.objects.order_by("number")
    ]


def topics() -> list[str]:
    return list(Outbox.objects.order_by("pk").values_list("topic", flat=True))


class TestRole:
    @pytest.mark.parametrize("after", ROLES)
    @pytest.mark.parametrize("before", ROLES)
    def test_is_changed_with_a_row_and_a_message_and_a_role_that_stays_leaves_none(
        self, ada: Actor, make_person: Callable[..., User], before: str, after: str
    ) -> None:
        grace = make_person("grace", before)
        standing.change_role(grace, Role(after), by=ada, reason="a new job", seen=before)
        assert (grace.role, User.objects.get(pk=grace.pk).role) == (after, after)
        changed = [("person.role_changed", "grace", {"role": before}, {"role": after}, "a new job")]
        assert trail() == (changed if before != after else [])
        assert topics() == (["person.role_changed"] if before != after else [])

    @pytest.mark.parametrize(
        ("before", "after"),
        [("viewer", "administrator"), ("administrator", "viewer"), ("administrator", "operator")],
    )
    def test_is_neither_given_nor_taken_by_who_does_not_hold_all_of_it(
        self, helper: Actor, make_person: Callable[..., User], ada: Actor, before: str, after: str
    ) -> None:
        grace = make_person("grace", before)
        with pytest.raises(standing.RoleTooBroad, match=r"^The role administrator holds apps:manage, which you do not"):
            standing.change_role(grace, Role(after), by=helper)
        assert User.objects.get(pk=grace.pk).role == before
        assert trail() == []

    def test_is_given_by_whoever_holds_all_of_it(self, helper: Actor, viewer: User) -> None:
        assert standing.grantable(helper) == [Role.OPERATOR, Role.VIEWER]
        standing.change_role(viewer, Role.OPERATOR, by=helper)
        assert viewer.role == "operator"

    def test_of_oneself_is_for_another_to_change(self, ada: Actor, administrator: User, root: Actor) -> None:
        people.create("grace", PASSWORD, Role.ADMINISTRATOR, by=root)
        rows = AuditEvent.objects.count()
        with pytest.raises(standing.NotYourself, match=r"^Your own role is for another administrator to change"):
            standing.change_role(administrator, Role.VIEWER, by=ada)
        standing.change_role(administrator, Role.ADMINISTRATOR, by=ada)
        assert (User.objects.get(pk=administrator.pk).role, AuditEvent.objects.count()) == ("administrator", rows)

    def test_of_the_last_active_administrator_stays(
        self, administrator: User, make_person: Callable[..., User], root: Actor
    ) -> None:
        User.objects.filter(pk=make_person("grace", Role.ADMINISTRATOR).pk).update(is_active=False)
        sentence = "^ada is the only active administrator; make somebody else one first[.]$"
        with pytest.raises(standing.LastAdministrator, match=sentence):
            standing.change_role(administrator, Role.OPERATOR, by=root)
        assert trail() == []

    def test_that_changed_meanwhile_is_refused_with_who_did_it_and_when(
        self, ada: Actor, viewer: User, root: Actor
    ) -> None:
        with time_machine.travel(NOON, tick=False):
            standing.change_role(viewer, Role.OPERATOR, by=ada)
        with pytest.raises(standing.Changed) as refused:
            standing.change_role(viewer, Role.ADMINISTRATOR, by=root, seen="viewer")
        assert str(refused.value) == (
            "The role of vera has changed since you looked: it is operator, by ada at 2026-11-25 12:00:00 UTC. "
            "Look again first."
        )
        assert (viewer.role, len(trail())) == ("operator", 1)

    def test_counts_at_the_next_request_for_the_person_and_for_their_tokens(
        self, ada: Actor, operator: User, log_in: Callable[..., Client], root: Actor
    ) -> None:
        browser = log_in(operator)
        _, shown = issuing.issue("t", [Scope.DEVICES_READ, Scope.DEVICES_ADMIT], owner=operator, days=1, by=root)
        program = APIClient(headers={"Authorization": f"Bearer {shown}"})
        standing.change_role(operator, Role.VIEWER, by=ada)
        assert browser.post("/portal/devices/press-1/accept/", {"seen": "1"}).status_code == 403
        assert program.get("/api/v1/devices").status_code == 200
        assert program.post("/api/v1/devices/press-1/accept").status_code == 403

    def test_takes_a_reason_that_can_be_read(self, ada: Actor, viewer: User) -> None:
        for unfit in ("x" * 501, "up\u202e"):
            with pytest.raises(Invalid):
                standing.change_role(viewer, Role.OPERATOR, by=ada, reason=unfit)
        assert viewer.role == "viewer"


class TestDeactivated:
    def test_people_are_logged_out_at_once_and_neither_they_nor_their_tokens_come_in_again(
        self, ada: Actor, operator: User, log_in: Callable[..., Client], root: Actor
    ) -> None:
        browser = log_in(operator)
        _, shown = issuing.issue("t", [Scope.DEVICES_READ], owner=operator, days=1, by=root)
        program = APIClient(headers={"Authorization": f"Bearer {shown}"})
        assert program.get("/api/v1/devices").status_code == 200
        standing.deactivate(operator, by=ada, reason="left the plant")
        assert browser.get("/portal/")["Location"].startswith("/portal/login/")
        assert program.get("/api/v1/devices").status_code == 401
        sent = {"username": "otto", "password": PASSWORD}
        assert Client().post("/portal/login/", sent).status_code == 403
        assert Session.objects.count() == 0
        before, after = {"active": True}, {"active": False, "sessions_ended": 1}
        assert trail()[-1] == ("person.deactivated", "otto", before, after, "left the plant")
        assert topics()[-1] == "person.deactivated"

    def test_people_come_back_as_they_were_but_for_their_sessions(
        self, ada: Actor, operator: User, log_in: Callable[..., Client], root: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        browser = log_in(operator)
        _, shown = issuing.issue("t", [Scope.DEVICES_READ], owner=operator, days=1, by=root)
        with monkeypatch.context() as late:
            # As if it had begun while its person was being shut out.
            late.setattr(sessions, "keys_of", lambda person: [])
            standing.deactivate(operator, by=ada)
        standing.activate(operator, by=ada, reason="back")
        assert browser.get("/portal/")["Location"].startswith("/portal/login/")
        log_in(operator)
        assert APIClient(headers={"Authorization": f"Bearer {shown}"}).get("/api/v1/devices").status_code == 200
        before, after = {"active": False}, {"active": True, "sessions_ended": 1}
        assert trail()[-1] == ("person.activated", "otto", before, after, "back")

    def test_twice_is_once_in_the_history(self, ada: Actor, operator: User) -> None:
        for verb in (standing.activate, standing.deactivate, standing.deactivate, standing.activate, standing.activate):
            verb(operator, by=ada)
        assert [row[0] for row in trail()] == ["person.deactivated", "person.activated"]
        assert topics() == ["person.deactivated", "person.activated"]

    def test_is_nobody_by_themselves(self, ada: Actor, administrator: User, root: Actor) -> None:
        people.create("grace", PASSWORD, Role.ADMINISTRATOR, by=root)
        with pytest.raises(standing.NotYourself, match=r"^You cannot deactivate yourself"):
            standing.deactivate(administrator, by=ada)
        assert User.objects.get(pk=administrator.pk).is_active

    def test_is_never_the_last_active_administrator(self, administrator: User, root: Actor) -> None:
        with pytest.raises(standing.LastAdministrator):
            standing.deactivate(administrator, by=root)
        assert User.objects.get(pk=administrator.pk).is_active
        assert trail() == []

    def test_is_no_administrator_by_who_is_less(self, helper: Actor, administrator: User) -> None:
        for verb in (standing.deactivate, standing.activate):
            with pytest.raises(standing.RoleTooBroad):
                verb(administrator, by=helper)


class TestPasswordReset:
    def test_gives_one_that_is_told_once_and_ends_all_sessions(
        self, ada: Actor, operator: User, log_in: Callable[..., Client]
    ) -> None:
        browser = log_in(operator)
        told = people.reset_password(operator, by=ada, reason="forgotten")
        operator.refresh_from_db()
        assert (operator.check_password(told), operator.check_password(PASSWORD)) == (True, False)
        assert browser.get("/portal/")["Location"].startswith("/portal/login/")
        assert trail() == [("person.password_reset", "otto", None, {"sessions_ended": 1}, "forgotten")]
        assert topics() == ["person.password_reset"]
        kept = str([*AuditEvent.objects.values(), *Outbox.objects.values(), *User.objects.values()])
        assert told not in kept

    def test_is_not_for_oneself_nor_for_who_holds_more(
        self, ada: Actor, administrator: User, helper: Actor, log_in: Callable[..., Client]
    ) -> None:
        browser = log_in(administrator)
        for by, no in ((ada, standing.NotYourself), (helper, standing.RoleTooBroad)):
            with pytest.raises(no):
                people.reset_password(administrator, by=by)
        administrator.refresh_from_db()
        assert administrator.check_password(PASSWORD)
        assert browser.get("/portal/").status_code == 200
        assert trail() == []


def test_a_person_is_created_only_by_who_holds_all_of_the_role(helper: Actor) -> None:
    with pytest.raises(standing.RoleTooBroad):
        people.create("grace", PASSWORD, Role.ADMINISTRATOR, by=helper)
    people.create("vic", PASSWORD, Role.VIEWER, by=helper)
    assert [(row[0], row[1]) for row in trail()] == [("person.created", "vic")]
    assert topics() == ["person.created"]


def test_all_sessions_of_a_person_end_and_none_of_anybody_else(
    ada: Actor, operator: User, viewer: User, log_in: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MOST_LOOKED_AT", 0)
    first, second, other = log_in(operator), log_in(operator), log_in(viewer)
    assert sessions.end_all(operator, by=ada) == 2
    assert sessions.end_all(operator, by=ada) == 0
    assert [client.get("/portal/").status_code for client in (first, second, other)] == [302, 302, 200]
    assert trail() == [("person.sessions_ended", "otto", None, {"sessions_ended": 2}, "")]
    assert topics() == ["person.sessions_ended"]


def test_a_person_who_is_gone_is_unknown(ada: Actor, viewer: User) -> None:
    User.objects.filter(pk=viewer.pk).delete()
    for change in (
        lambda: standing.change_role(viewer, Role.OPERATOR, by=ada),
        lambda: standing.deactivate(viewer, by=ada),
        lambda: people.reset_password(viewer, by=ada),
    ):
        with pytest.raises(standing.Unknown):
            change()


@pytest.mark.parametrize("left", [Role.OPERATOR, Role.VIEWER, None])
def test_who_was_demoted_or_shut_out_meanwhile_does_nothing_more(
    make_person: Callable[..., User], root: Actor, left: Role | None
) -> None:
    ada, grace, joan = (make_person(name, Role.ADMINISTRATOR) for name in ("ada", "grace", "joan"))
    by = Actor.person(ada)  # As she was when she asked.
    if left:
        standing.change_role(ada, left, by=root, seen="administrator")
    else:
        standing.deactivate(ada, by=root)
    for act in (
        lambda: standing.change_role(grace, Role.VIEWER, by=by, seen="administrator"),
        lambda: standing.deactivate(joan, by=by),
        lambda: people.reset_password(grace, by=by),
        lambda: people.create("eve", PASSWORD, Role.ADMINISTRATOR, by=by),
    ):
        with pytest.raises(standing.RoleTooBroad):
            act()
    assert User.objects.filter(role=Role.ADMINISTRATOR, is_active=True).count() == 2
    assert not User.objects.filter(username="eve").exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("attempt", range(3))
def test_of_three_administrators_who_shut_each_other_out_at_once_one_stays(
    make_person: Callable[..., User], at_once: Callable[..., list[Any]], attempt: int
) -> None:
    everybody = [make_person(name, Role.ADMINISTRATOR) for name in ("ada", "grace", "joan")]

    def demote(victim: User, by: User) -> Callable[[], None]:
        actor = Actor.person(by)  # As they were when they asked.
        return lambda: standing.change_role(victim, Role.VIEWER, by=actor, seen="administrator")

    def shut_out(victim: User, by: User) -> Callable[[], None]:
        actor = Actor.person(by)
        return lambda: standing.deactivate(victim, by=actor)

    ada, grace, joan = everybody
    met = at_once(demote(ada, grace), shut_out(grace, joan), demote(joan, ada))
    assert sorted(type(one).__name__ for one in met) == ["NoneType", "NoneType", "RoleTooBroad"]
    assert User.objects.filter(role=Role.ADMINISTRATOR, is_active=True).count() == 1
    assert audit.verify().rows == 2


@pytest.mark.django_db(transaction=True)
def test_of_two_who_give_a_person_different_roles_at_once_the_second_is_told(
    make_person: Callable[..., User], at_once: Callable[..., list[Any]], root: Actor
) -> None:
    vera = make_person("vera")

    def give(role: Role) -> Callable[[], None]:
        return lambda: standing.change_role(User.objects.get(pk=vera.pk), role, by=root, seen="viewer")

    met = at_once(give(Role.OPERATOR), give(Role.ADMINISTRATOR))
    assert [isinstance(one, Refusal) for one in met].count(True) == 1
    (refused,) = [one for one in met if one]
    assert refused.code == "person_changed"
    assert AuditEvent.objects.count() == 1
