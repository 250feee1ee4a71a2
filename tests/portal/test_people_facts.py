"""What others know of a person: e-mail address, names and tenant, who may change them, and that each change counts."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from portal import people, profile, standing, tenants
from portal.actor import Actor
from portal.models import AuditEvent, Outbox, Tenant, User
from portal.refusal import Invalid
from portal.roles import Role
from tests.conftest import PASSWORD

HTMX = {"HX-Request": "true"}
both = pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
FACTS: dict[str, Any] = {"email": "vera@plant.example", "given_name": "Vera", "family_name": "Rubin", "tenant": "ten1"}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _ten1() -> None:
    Tenant.objects.create(name="ten1", title="Plant 7")


@pytest.fixture
def ada(log_in: Callable[..., Client], administrator: User) -> Client:
    return log_in(administrator)


def page_of(person: User) -> str:
    return f"/portal/people/{person.pk}/"


def known(person: User) -> dict[str, str]:
    return profile.facts(User.objects.get(pk=person.pk))


def version(person: User) -> tuple[int, datetime]:
    now = User.objects.get(pk=person.pk)
    return now.revision, now.changed_at


def trail() -> list[tuple[Any, ...]]:
    events = AuditEvent.objects.filter(verb="person.changed").order_by("number")
    return list(events.values_list("subject_id", "actor", "before", "after", "reason"))


def told() -> list[dict[str, Any]]:
    return list(Outbox.objects.filter(topic="person.changed").order_by("pk").values_list("body", flat=True))


class TestChange:
    def test_all_facts_are_kept_recorded_and_told_without_what_they_are(self, viewer: User, root: Actor) -> None:
        profile.change(viewer, by=root, reason="moved", seen=1, **FACTS)
        assert known(viewer) == FACTS
        assert profile.facts(viewer) == FACTS
        before = {"email": "", "given_name": "", "family_name": "", "tenant": "main"}
        assert trail() == [("vera", "test", before, FACTS, "moved")]
        changed = ["email", "family_name", "given_name", "tenant"]
        assert told() == [{"person": "vera", "changed": changed, "by": "command test"}]

    def test_only_what_differs_is_recorded_and_nothing_if_nothing_does(self, viewer: User, root: Actor) -> None:
        profile.change(viewer, by=root, **FACTS)
        profile.change(viewer, by=root, **{**FACTS, "given_name": ""})
        assert trail()[-1][2:4] == ({"given_name": "Vera"}, {"given_name": ""})
        before = version(viewer)
        profile.change(viewer, by=root, **{**FACTS, "given_name": ""})
        assert (len(trail()), version(viewer)) == (2, before)

    @pytest.mark.parametrize(
        ("wanted", "field"),
        [
            ({"email": "vera"}, "email"),
            ({"email": "vera@"}, "email"),
            ({"email": "v@x.example, w@x.example"}, "email"),
            ({"email": "vera@x.example\n"}, "email"),
            ({"email": "v" * 250 + "@x.example"}, "email"),
            ({"email": "v\u202e@x.example"}, "email"),
            ({"given_name": "a" * 151}, "given_name"),
            ({"given_name": "a\0"}, "given_name"),
            ({"family_name": "a\u200bb"}, "family_name"),
            ({"tenant": "nowhere"}, "tenant"),
            ({"tenant": ""}, "tenant"),
            ({"tenant": "ten1\0"}, "tenant"),
            ({"reason": "a" * 501}, "reason"),
        ],
    )
    def test_what_is_wrong_is_refused(self, viewer: User, root: Actor, wanted: dict[str, str], field: str) -> None:
        before = known(viewer)
        with pytest.raises(Invalid) as refused:
            profile.change(viewer, by=root, **wanted)  # type: ignore[arg-type]
        assert list(refused.value.invalid or ()) == [field]
        assert (known(viewer), trail(), told()) == (before, [], [])

    def test_of_two_who_looked_at_the_same_the_second_is_refused(self, viewer: User, root: Actor) -> None:
        profile.change(viewer, by=root, seen=1, given_name="Vera")
        with pytest.raises(standing.Changed, match="vera has changed since you looked"):
            profile.change(viewer, by=root, seen=1, given_name="Veronica")
        assert known(viewer)["given_name"] == "Vera"

    @pytest.mark.parametrize(
        ("by", "of", "may"),
        [
            ("administrator", "administrator", True),
            ("administrator", "viewer", True),
            ("operator", "administrator", False),
            ("viewer", "administrator", False),
            ("viewer", "operator", False),
            ("operator", "viewer", True),
            ("viewer", "viewer", True),
        ],
    )
    def test_nobody_changes_a_person_whose_role_holds_what_they_do_not(
        self, make_person: Callable[..., User], by: str, of: str, may: bool
    ) -> None:
        asker, person = make_person("asker", by), make_person("person", of)
        if may:
            profile.change(person, by=Actor.person(asker), given_name="x")
            return
        with pytest.raises(standing.RoleTooBroad):
            profile.change(person, by=Actor.person(asker), given_name="x")
        assert known(person)["given_name"] == ""

    def test_who_lost_their_role_meanwhile_changes_nobody(self, administrator: User, make_person: Any) -> None:
        by, person = Actor.person(administrator), make_person("grace", Role.ADMINISTRATOR)
        User.objects.filter(pk=administrator.pk).update(role=Role.VIEWER)
        with pytest.raises(standing.RoleTooBroad):
            profile.change(person, by=by, given_name="x")

    def test_who_is_gone_is_nobody(self, viewer: User, root: Actor) -> None:
        User.objects.filter(pk=viewer.pk).delete()
        with pytest.raises(standing.Unknown):
            profile.change(viewer, by=root, given_name="x")


class TestVersion:
    @pytest.mark.parametrize(
        "change",
        [
            lambda person, by: profile.change(person, by=by, email="v@x.example"),
            lambda person, by: profile.change(person, by=by, tenant="ten1"),
            lambda person, by: standing.change_role(person, Role.OPERATOR, by=by),
            lambda person, by: standing.deactivate(person, by=by),
        ],
        ids=["email", "tenant", "role", "active"],
    )
    def test_moves_with_what_others_see_and_not_when_it_is_so_already(
        self, viewer: User, root: Actor, change: Callable[..., Any]
    ) -> None:
        before = version(viewer)
        change(viewer, by=root)
        after = version(viewer)
        assert after[0] == before[0] + 1
        assert after[1] > before[1]
        change(viewer, by=root)
        assert version(viewer) == after

    def test_stays_with_what_they_do_not(self, viewer: User, root: Actor) -> None:
        before = version(viewer)
        people.change_password(viewer, "another good password", by=root)
        people.reset_password(viewer, by=root)
        assert version(viewer) == before


class TestCreate:
    def test_takes_the_facts_and_main_unless_told_otherwise(self, root: Actor) -> None:
        person = people.create("grace", PASSWORD, Role.VIEWER, by=root, **FACTS)
        assert known(person) == FACTS
        assert known(people.create("hugo", PASSWORD, Role.VIEWER, by=root))["tenant"] == "main"
        created = AuditEvent.objects.filter(verb="person.created").order_by("number").values_list("after", flat=True)
        assert list(created) == [{"role": "viewer", **FACTS}, {"role": "viewer", "tenant": "main"}]
        body = Outbox.objects.filter(topic="person.created").order_by("pk").first().body  # type: ignore[union-attr]
        assert body == {"person": "grace", "role": "viewer", "tenant": "ten1", "by": "command test"}

    @pytest.mark.parametrize("wrong", [{"email": "grace"}, {"tenant": "nowhere"}, {"given_name": "a\0"}])
    def test_refuses_what_is_wrong_and_makes_nobody(self, root: Actor, wrong: dict[str, str]) -> None:
        with pytest.raises(Invalid):
            people.create("grace", PASSWORD, Role.VIEWER, by=root, **wrong)
        assert not User.objects.exists()


class TestPages:
    @both
    def test_a_person_is_added_with_them(self, ada: Client, headers: dict[str, str]) -> None:
        ada.post("/portal/people/create/", {"name": "grace", "role": "viewer", **FACTS}, headers=headers)
        assert known(User.objects.get(username="grace")) == FACTS
        assert "Vera Rubin" in ada.get("/portal/people/", {"q": "RUB"}).content.decode()

    @both
    @pytest.mark.parametrize(
        ("sent", "told"),
        [
            ({"email": "grace"}, "This is no e-mail address; write one such as ada@plant.example."),
            ({"tenant": "nowhere"}, "There is no such tenant; choose one that is shown."),
            ({"family_name": "a\u202eb"}, "It holds the invisible character U+202E; remove it."),
        ],
    )
    def test_what_is_wrong_stands_beside_its_field_in_both_forms(
        self, ada: Client, viewer: User, headers: dict[str, str], sent: dict[str, str], told: str
    ) -> None:
        wanted = {**FACTS, "given_name": "Kept", "seen": 1, **sent}
        for to in ("/portal/people/create/", f"{page_of(viewer)}facts/"):
            answer = ada.post(to, {"name": "grace", "role": "viewer", **wanted}, headers=headers)
            assert answer.status_code == 400
            page = answer.content.decode()
            assert told in page
            assert 'value="Kept"' in page
        assert User.objects.count() == 2
        assert known(viewer)["given_name"] == ""

    @both
    def test_they_are_changed_on_the_page_of_the_person(
        self, ada: Client, viewer: User, headers: dict[str, str]
    ) -> None:
        answer = ada.post(
            f"{page_of(viewer)}facts/", {**FACTS, "seen": 1, "reason": "moved"}, headers=headers, follow=True
        )
        page = answer.content.decode()
        assert answer.status_code == 200
        assert 'value="vera@plant.example"' in page
        assert '<option value="ten1" selected>ten1 (Plant 7)</option>' in page
        assert 'name="seen" value="2"' in page
        assert trail()[0][1] == "ada"
        assert known(viewer) == FACTS

    @both
    def test_who_looked_before_another_changed_them_is_told(
        self, ada: Client, viewer: User, root: Actor, headers: dict[str, str]
    ) -> None:
        profile.change(viewer, by=root, email="other@x.example")
        answer = ada.post(f"{page_of(viewer)}facts/", {**FACTS, "seen": 1}, headers=headers)
        assert answer.status_code == 409
        assert "vera has changed since you looked" in answer.content.decode()
        assert ada.post(f"{page_of(viewer)}facts/", FACTS, headers=headers).status_code == 400

    def test_after_another_role_the_page_knows_the_present_revision(self, ada: Client, viewer: User) -> None:
        sent = {"role": "operator", "seen": "viewer"}
        page = ada.post(f"{page_of(viewer)}role/", sent, headers=HTMX).content.decode()
        assert 'name="seen" value="2"' in page

    def test_an_administrator_changes_their_own_too(self, ada: Client, administrator: User) -> None:
        ada.post(f"{page_of(administrator)}facts/", {**FACTS, "seen": 1})
        assert known(administrator) == FACTS

    def test_a_viewer_reads_them_and_changes_nobodys(
        self, log_in: Callable[..., Client], viewer: User, operator: User
    ) -> None:
        User.objects.filter(pk=operator.pk).update(email="otto@x.example", first_name="Otto")
        client = log_in(viewer)
        page = client.get(page_of(operator)).content.decode()
        assert "otto@x.example" in page
        assert "/facts/" not in page
        assert client.post(f"{page_of(operator)}facts/", {**FACTS, "seen": 1}).status_code == 403

    @both
    def test_everybody_changes_their_own_on_the_account_page_but_not_their_tenant(
        self, log_in: Callable[..., Client], viewer: User, headers: dict[str, str]
    ) -> None:
        client = log_in(viewer)
        answer = client.post("/portal/account/facts/", FACTS, headers=headers, follow=True)
        page = answer.content.decode()
        assert answer.status_code == 200
        assert "Saved." in page
        assert 'value="vera@plant.example"' in page
        assert known(viewer) == {**FACTS, "tenant": "main"}
        assert trail()[0][:2] == ("vera", "vera")

    @both
    def test_what_is_wrong_with_ones_own_stands_beside_its_field(
        self, log_in: Callable[..., Client], viewer: User, headers: dict[str, str]
    ) -> None:
        sent = {**FACTS, "given_name": "a\u202eb"}
        answer = log_in(viewer).post("/portal/account/facts/", sent, headers=headers)
        assert answer.status_code == 400
        assert "It holds the invisible character U+202E; remove it." in answer.content.decode()
        assert known(viewer)["email"] == ""


def test_a_tenant_that_is_made_is_offered_at_once(ada: Client, root: Actor) -> None:
    tenants.make("ten2", by=root)
    assert '<option value="ten2">ten2</option>' in ada.get("/portal/people/").content.decode()
