"""Tenants: made, given another title, deleted when nobody and nothing belongs to them; by rule and on their pages."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from portal import people, tenants
from portal.actor import Actor
from portal.models import AuditEvent, Outbox, Tenant, User
from portal.refusal import Invalid, Refusal
from portal.roles import Role
from tests.conftest import PASSWORD
from tokens import registration

LIST = "/portal/tenants/"
HTMX = {"HX-Request": "true"}
both = pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])

pytestmark = pytest.mark.django_db


@pytest.fixture
def ten1(root: Actor) -> Tenant:
    made = tenants.make("ten1", "Plant 7", by=root)
    AuditEvent.objects.all().delete()
    Outbox.objects.all().delete()
    return made


@pytest.fixture
def ada(log_in: Callable[..., Client], administrator: User) -> Client:
    return log_in(administrator)


def told() -> list[tuple[str, dict[str, Any]]]:
    return list(Outbox.objects.order_by("pk").values_list("topic", "body"))


def trail() -> list[tuple[Any, ...]]:
    events = AuditEvent.objects.filter(subject_kind="tenant").order_by("number")
    return list(events.values_list("verb", "subject_id", "before", "after", "reason"))


class TestMake:
    def test_it_is_there_recorded_and_told(self, root: Actor) -> None:
        tenants.make("ten1", "Plant 7", by=root)
        assert Tenant.objects.filter(name="ten1", title="Plant 7", revision=1).exists()
        assert trail() == [("tenant.made", "ten1", None, {"title": "Plant 7"}, "")]
        assert told() == [("tenant.made", {"tenant": "ten1", "title": "Plant 7", "by": "command test"})]

    @pytest.mark.parametrize("name", ["a", "ten1", "z9", "a" * 20])
    def test_a_name_is_letters_and_digits(self, root: Actor, name: str) -> None:
        assert tenants.make(name, by=root) == tenants.find(name)

    @pytest.mark.parametrize("name", ["", "1ten", "Ten1", "ten-1", "ten_1", "ten 1", "tén", "ten1\n", "a" * 21, "a\0"])
    def test_another_name_is_refused(self, root: Actor, name: str) -> None:
        with pytest.raises(Invalid, match="1 to 20 of a-z and 0-9") as refused:
            tenants.make(name, by=root)
        assert list(refused.value.invalid or ()) == ["name"]

    @pytest.mark.parametrize("title", ["a" * 101, "a\u202eb", "a\0", "a\nb"])
    def test_a_title_that_cannot_be_read_is_refused(self, root: Actor, title: str) -> None:
        with pytest.raises(Invalid):
            tenants.make("ten1", title, by=root)

    def test_a_name_in_use_is_refused(self, root: Actor, ten1: Tenant) -> None:
        with pytest.raises(tenants.Exists, match="There is a tenant ten1 already"):
            tenants.make("ten1", by=root)
        assert told() == trail() == []


class TestRename:
    def test_the_title_is_another_and_the_name_stays(self, root: Actor, ten1: Tenant) -> None:
        tenants.rename(ten1, "Plant 8", by=root, seen=1)
        ten1.refresh_from_db()
        assert (ten1.name, ten1.title, ten1.revision) == ("ten1", "Plant 8", 2)
        assert trail() == [("tenant.changed", "ten1", {"title": "Plant 7"}, {"title": "Plant 8"}, "")]
        assert told() == [("tenant.changed", {"tenant": "ten1", "title": "Plant 8", "by": "command test"})]

    def test_the_same_title_leaves_no_trace(self, root: Actor, ten1: Tenant) -> None:
        tenants.rename(ten1, "Plant 7", by=root)
        assert (ten1.revision, trail(), told()) == (1, [], [])

    def test_what_has_changed_meanwhile_stays(self, root: Actor, ten1: Tenant) -> None:
        tenants.rename(tenants.find("ten1"), "Plant 8", by=root)
        with pytest.raises(tenants.Changed):
            tenants.rename(ten1, "Plant 9", by=root, seen=1)
        assert tenants.find("ten1").title == "Plant 8"

    def test_one_that_is_gone_is_no_more(self, root: Actor, ten1: Tenant) -> None:
        Tenant.objects.filter(name="ten1").delete()
        with pytest.raises(tenants.Unknown):
            tenants.rename(ten1, "Plant 9", by=root)


class TestDelete:
    def test_an_empty_one_goes(self, root: Actor, ten1: Tenant) -> None:
        tenants.delete(ten1, by=root, reason="sold", seen=1)
        assert not Tenant.objects.filter(name="ten1").exists()
        assert trail() == [("tenant.deleted", "ten1", {"title": "Plant 7"}, None, "sold")]
        assert told() == [("tenant.deleted", {"tenant": "ten1", "by": "command test"})]

    def test_one_with_people_or_apps_stays_and_says_how_many(self, root: Actor, ten1: Tenant) -> None:
        for name in ("tia", "tom"):
            people.create(name, PASSWORD, Role.VIEWER, by=root, tenant="ten1")
        registration.register("app1", by=root, tenant="ten1")
        with pytest.raises(tenants.InUse) as refused:
            tenants.delete(ten1, by=root)
        assert str(refused.value) == "The tenant ten1 has 2 users and 1 app; move or remove them first."
        assert refused.value.code == "tenant_in_use"
        assert tenants.belonging(ten1) == {"users": 2, "app": 1}

    def test_the_database_itself_lets_none_go_that_somebody_belongs_to(self, root: Actor, ten1: Tenant) -> None:
        User.objects.create(username="tia", tenant=ten1)

        def delete() -> None:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("DELETE FROM portal_tenant WHERE name = 'ten1'")
                connection.check_constraints()

        with pytest.raises(IntegrityError):
            delete()

    def test_the_first_one_stays(self, root: Actor) -> None:
        with pytest.raises(tenants.Needed, match="New people belong to main"):
            tenants.delete(tenants.find("main"), by=root)

    def test_what_has_changed_meanwhile_stays(self, root: Actor, ten1: Tenant) -> None:
        with pytest.raises(tenants.Changed):
            tenants.delete(ten1, by=root, seen=2)

    @pytest.mark.django_db(transaction=True)
    def test_of_deleting_and_coming_to_belong_at_once_one_is_refused(
        self, root: Actor, at_once: Callable[..., list[Any]]
    ) -> None:
        for round in range(3):
            name = f"ten{round}"
            tenant = tenants.make(name, by=root)
            outcomes = at_once(
                lambda tenant=tenant: tenants.delete(tenant, by=root),
                lambda name=name: people.create(f"p{name}", PASSWORD, Role.VIEWER, by=root, tenant=name),
            )
            assert sum(isinstance(outcome, Refusal) for outcome in outcomes) == 1
            assert Tenant.objects.filter(name=name).exists() == User.objects.filter(tenant_id=name).exists()


class TestPages:
    def test_the_list_names_all_with_how_many_people(self, ada: Client, ten1: Tenant) -> None:
        page = ada.get(LIST).content.decode()
        assert "Plant 7" in page
        assert '<a class="name" href="/portal/tenants/ten1/">ten1</a>' in page
        assert f'href="{LIST}"' in ada.get("/portal/people/").content.decode()

    @both
    def test_one_is_made_renamed_and_deleted(self, ada: Client, headers: dict[str, str]) -> None:
        made = ada.post(f"{LIST}new/make/", {"name": "ten1", "title": "Plant 7"}, headers=headers)
        assert made["HX-Redirect" if headers else "Location"] == "/portal/tenants/ten1/"
        wanted = {"title": "Plant 8", "seen": 1}
        changed = ada.post(f"{LIST}ten1/rename/", wanted, headers=headers, follow=True)
        assert "Plant 8" in changed.content.decode()
        gone = ada.post(f"{LIST}ten1/delete/", {"reason": "sold", "seen": 2}, headers=headers)
        assert gone["HX-Redirect" if headers else "Location"] == LIST
        assert [row[0] for row in trail()] == ["tenant.made", "tenant.changed", "tenant.deleted"]
        assert AuditEvent.objects.filter(subject_kind="tenant", actor="ada").count() == 3

    @both
    @pytest.mark.parametrize(
        ("sent", "status", "wrong"),
        [
            ({"name": "", "title": ""}, 400, "Say how programs name it."),
            ({"name": "Ten-1", "title": "kept"}, 400, "1 to 20 of a-z and 0-9"),
            ({"name": "main", "title": "kept"}, 409, "There is a tenant main already"),
            ({"name": "ten1", "title": "a\u202eb"}, 400, "It holds the invisible character U+202E; remove it."),
        ],
    )
    def test_what_is_wrong_stands_beside_its_field(
        self, ada: Client, headers: dict[str, str], sent: dict[str, str], status: int, wrong: str
    ) -> None:
        answer = ada.post(f"{LIST}new/make/", sent, headers=headers)
        page = answer.content.decode()
        assert answer.status_code == status
        assert wrong in page
        assert ("<html" in page) is not bool(headers)
        if sent["title"] == "kept":
            assert 'value="kept"' in page

    @both
    def test_what_cannot_be_done_is_said(self, ada: Client, ten1: Tenant, headers: dict[str, str]) -> None:
        User.objects.create(username="tia", tenant=ten1)
        answer = ada.post(f"{LIST}ten1/delete/", {"seen": 1}, headers=headers)
        assert answer.status_code == 409
        assert "The tenant ten1 has 1 user; move or remove them first." in answer.content.decode()
        assert ada.post(f"{LIST}ten1/rename/", {"title": "x", "seen": 7}, headers=headers).status_code == 409
        assert ada.post(f"{LIST}ten1/rename/", {"title": "x"}, headers=headers).status_code == 400

    def test_a_delete_is_offered_where_it_can_be_done(self, ada: Client, ten1: Tenant) -> None:
        offered = 'action="/portal/tenants/{}/delete/"'
        assert offered.format("ten1") in ada.get(f"{LIST}ten1/").content.decode()
        assert offered.format("main") not in ada.get(f"{LIST}main/").content.decode()
        User.objects.create(username="tia", tenant=ten1)
        page = ada.get(f"{LIST}ten1/").content.decode()
        assert offered.format("ten1") not in page
        assert "1 user" in page

    def test_a_viewer_reads_and_is_offered_nothing(
        self, log_in: Callable[..., Client], viewer: User, ten1: Tenant
    ) -> None:
        client = log_in(viewer)
        for path in (LIST, f"{LIST}ten1/"):
            page = client.get(path).content.decode()
            assert f'method="post" action="{LIST}' not in page
            assert "users:manage" in page
        assert client.get(f"{LIST}nowhere/").status_code == 404
