"""People: the first administrator once, no weak password, no name twice."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from portal import audit, people
from portal.actor import Actor
from portal.models import AuditEvent, User
from portal.refusal import Invalid
from portal.roles import Role
from tests.conftest import PASSWORD


def test_a_person_is_created_with_a_role_and_a_row_in_the_history(db: None, root: Actor) -> None:
    user = people.create("ada", PASSWORD, Role.OPERATOR, by=root)
    assert (user.role, user.check_password(PASSWORD)) == ("operator", True)
    row = AuditEvent.objects.get()
    assert (row.verb, row.subject_id, row.after) == ("person.created", "ada", {"role": "operator", "tenant": "main"})
    assert PASSWORD not in str(row.__dict__)


@pytest.mark.parametrize("password", ["", "short", "password1234", "administrator", "ada-lovelace-1"])
def test_a_weak_password_is_refused(db: None, root: Actor, password: str) -> None:
    with pytest.raises(Invalid) as refused:
        people.create("ada-lovelace-1", password, Role.VIEWER, by=root)
    assert list(refused.value.invalid or ()) == ["password"]
    assert not User.objects.exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("name", ["", " ", "ada lovelace", "a" * 151, "ada\x00", "ada\n", "ada\u202e", "<b>", "a/b"])
def test_a_name_that_is_none_is_refused(db: None, root: Actor, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        people.create(name, PASSWORD, Role.VIEWER, by=root)
    assert list(refused.value.invalid or ()) == ["name"]
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["ada", "ADA", "Ada"])
def test_a_name_in_use_is_refused_in_any_case(administrator: User, root: Actor, name: str) -> None:
    with pytest.raises(people.NameTaken, match=f"a person named {name} already"):
        people.create(name, PASSWORD, Role.VIEWER, by=root)
    assert not AuditEvent.objects.exists()


class TestFirstAdministrator:
    def test_is_made_once_with_a_password_that_is_told_once(self, db: None) -> None:
        made = people.first_administrator()
        assert made is not None
        name, password = made
        user = User.objects.get()
        assert (name, user.username, user.role) == ("admin", "admin", "administrator")
        assert len(password) == 24
        assert user.check_password(password)
        assert people.first_administrator() is None

    def test_is_not_made_where_there_are_people(self, viewer: User) -> None:
        assert people.first_administrator() is None

    def test_takes_the_password_that_was_set_and_does_not_tell_it(
        self, db: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GATEHOUSE_ADMIN_PASSWORD", PASSWORD)
        assert people.first_administrator() == ("admin", "")
        assert User.objects.get().check_password(PASSWORD)

    def test_refuses_a_weak_password_that_was_set(self, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GATEHOUSE_ADMIN_PASSWORD", "admin")
        with pytest.raises(Invalid):
            people.first_administrator()

    @pytest.mark.django_db(transaction=True)
    def test_of_four_replicas_one_makes_it(self, at_once: Callable[..., list[Any]]) -> None:
        made = at_once(*(people.first_administrator for _ in range(4)))
        assert len([one for one in made if one]) == 1
        assert User.objects.count() == 1
        assert audit.verify().rows == 1


class TestCommand:
    def test_prints_a_generated_password_and_nothing_else(self, db: None) -> None:
        out = StringIO()
        call_command("create_admin", "grace", stdout=out)
        assert User.objects.get().check_password(out.getvalue().strip())

    def test_prints_nothing_where_the_password_was_set(self, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GATEHOUSE_ADMIN_PASSWORD", PASSWORD)
        out = StringIO()
        call_command("create_admin", "grace", stdout=out)
        assert out.getvalue() == ""

    def test_says_the_same_no(self, administrator: User) -> None:
        with pytest.raises(CommandError, match="a person named ada already"):
            call_command("create_admin", "ada", stdout=StringIO())
