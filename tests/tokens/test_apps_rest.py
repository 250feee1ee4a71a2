"""Apps, versions and tenant grants over REST: what is declared, handed over, opened and taken away again."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from portal.actor import Actor
from portal.models import Outbox, Tenant
from portal.scopes import Scope
from portal.topics import Topic
from tokens import access_tokens, registration, shown_secrets
from tokens.models import App, AppCredential, AppVersion
from tokens.overlap import Rotated

APPS = "/api/v1/apps"
VERSIONS = f"{APPS}/historian/versions"
V1 = f"{VERSIONS}/v1.0.0"
DECLARED = {"version": "v1.0.0", "features": ["API.Shutdown"], "scopes": ["devices:read"]}


@pytest.fixture
def client(rest: Callable[..., APIClient]) -> APIClient:
    return rest(Scope.APPS_READ, Scope.APPS_MANAGE, Scope.DEVICES_READ)


@pytest.fixture
def registered(client: APIClient) -> APIClient:
    """The client, once it has registered an app with a version, among three tenants."""
    Tenant.objects.create(name="plant7")
    Tenant.objects.create(name="plant8")
    assert client.post(APPS, {"name": "historian", "title": "Historian"}, format="json").status_code == 201
    assert client.post(VERSIONS, DECLARED, format="json").status_code == 201
    return client


def no(answer: Any) -> tuple[int, str, str]:
    body = answer.json()
    return answer.status_code, body["code"], body["error"]


def invalid(answer: Any) -> tuple[int, list[str]]:
    return answer.status_code, list(answer.json()["invalid"])


def names(answer: Any, name: str) -> list[str]:
    return [one[name] for one in answer.json()["results"]]


class TestApps:
    def test_an_app_is_registered_at_home_in_main(self, client: APIClient) -> None:
        answer = client.post(APPS, {"name": "historian"}, format="json")
        assert (answer.status_code, answer["Location"]) == (201, f"{APPS}/historian")
        assert answer.json() == {"name": "historian", "title": "", "tenant": "main"}
        again = client.get(f"{APPS}/historian")
        assert (again.json(), again["ETag"]) == (answer.json(), answer["ETag"])
        assert client.get(f"{APPS}/historian", headers={"If-None-Match": answer["ETag"]}).status_code == 304

    def test_a_name_in_use_is_refused(self, registered: APIClient) -> None:
        status, code, sentence = no(registered.post(APPS, {"name": "historian"}, format="json"))
        assert (status, code) == (409, "app_exists")
        assert sentence == ("There is an app historian already; choose another name, or de-register that one.")

    @pytest.mark.parametrize(
        ("body", "member"),
        [
            ({}, "name"),
            ({"name": "Historian"}, "name"),
            ({"name": "a-b"}, "name"),
            ({"name": "historian\n"}, "name"),
            ({"name": "x" * 21}, "name"),
            ({"name": "x", "title": "\u202e"}, "title"),
            ({"name": "x", "tenant": "nowhere"}, "tenant"),
            ({"name": "x", "owner": "ada"}, "owner"),
        ],
    )
    def test_a_wrong_member_is_named(self, client: APIClient, body: dict[str, Any], member: str) -> None:
        assert invalid(client.post(APPS, body, format="json")) == (400, [member])
        assert not App.objects.exists()

    def test_apps_are_listed_by_name_and_page_by_page(self, client: APIClient) -> None:
        for name in ("zeta", "alpha", "mid"):
            client.post(APPS, {"name": name}, format="json")
        first = client.get(APPS, {"limit": 2})
        assert names(first, "name") == ["alpha", "mid"]
        assert names(client.get(first.json()["next"]), "name") == ["zeta"]

    def test_an_unknown_app_is_a_404_wherever_it_is_named(self, client: APIClient) -> None:
        for path in ("", "/versions", "/versions/v1.0.0", "/versions/v1.0.0/grants", "/installations"):
            status, code, sentence = no(client.get(f"{APPS}/ghost{path}"))
            assert (status, code) == (404, "app_not_found"), path
            assert sentence == "There is no app ghost; the list of apps shows what is registered."

    def test_de_registering_revokes_the_credentials_and_frees_the_name(
        self, client: APIClient, make_credential: Callable[..., Rotated]
    ) -> None:
        issued = make_credential()
        assert client.delete(f"{APPS}/app1").status_code == 204
        assert AppCredential.objects.get(pk=issued.holder.pk).state() == "revoked"
        assert client.get(f"{APPS}/app1").status_code == 404
        assert client.get(APPS).json()["results"] == []
        assert client.post(APPS, {"name": "app1"}, format="json").status_code == 201

    def test_one_that_was_registered_anew_is_not_what_was_seen(self, client: APIClient) -> None:
        seen = client.post(APPS, {"name": "app1"}, format="json")["ETag"]
        client.delete(f"{APPS}/app1")
        client.post(APPS, {"name": "app1"}, format="json")
        answer = client.delete(f"{APPS}/app1", headers={"If-Match": seen})
        assert no(answer)[:2] == (412, "precondition_failed")
        assert client.get(f"{APPS}/app1").status_code == 200

    def test_a_registration_sent_again_under_its_key_is_answered_as_the_first_time(self, client: APIClient) -> None:
        first, again = (
            client.post(APPS, {"name": "app1"}, format="json", headers={"Idempotency-Key": "once"}) for _ in range(2)
        )
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        other = client.post(APPS, {"name": "app2"}, format="json", headers={"Idempotency-Key": "once"})
        assert no(other)[:2] == (422, "idempotency_key_reused")


class TestVersions:
    def test_a_version_is_shown_with_what_it_declared(self, registered: APIClient) -> None:
        body = registered.get(V1).json()
        assert body.pop("created_at")
        assert body == {
            "app": "historian",
            "version": "v1.0.0",
            "features": ["API.Shutdown"],
            "scopes": ["devices:read"],
            "host_tenant": "main",
            "stage": "dev",
            "created_by": "token test",
            "transferred_at": None,
        }

    def test_versions_are_listed_as_they_were_added(self, registered: APIClient) -> None:
        for version in ("9", "0.1_beta.2"):
            answer = registered.post(VERSIONS, {"version": version}, format="json")
            assert (answer.status_code, answer["Location"]) == (201, f"{VERSIONS}/{version}")
            assert registered.get(answer["Location"]).status_code == 200
        assert names(registered.get(VERSIONS), "version") == ["v1.0.0", "9", "0.1_beta.2"]

    def test_a_version_that_is_there_is_refused(self, registered: APIClient) -> None:
        status, code, sentence = no(registered.post(VERSIONS, {"version": "v1.0.0"}, format="json"))
        assert (status, code) == (409, "version_exists")
        assert sentence == "historian has a version v1.0.0 already; make another one."

    def test_an_unknown_version_is_a_404(self, registered: APIClient) -> None:
        status, code, sentence = no(registered.get(f"{VERSIONS}/v9"))
        assert (status, code) == (404, "version_not_found")
        assert sentence == "historian has no version v9; its page lists those it has."

    @pytest.mark.parametrize(
        ("body", "member"),
        [
            ({}, "version"),
            ({"version": "V1"}, "version"),
            ({"version": "1-0"}, "version"),
            ({"version": ".1"}, "version"),
            ({"version": "1", "features": ["API.Reboot"]}, "features.0"),
            ({"version": "1", "features": "API.Shutdown"}, "features"),
            ({"version": "1", "scopes": ["devices:fly"]}, "scopes.0"),
            ({"version": "1", "stage": "ops"}, "stage"),
        ],
    )
    def test_a_wrong_member_is_named(self, registered: APIClient, body: dict[str, Any], member: str) -> None:
        answer = registered.post(VERSIONS, body, format="json")
        assert answer.status_code == 400
        assert [name.partition(".")[0] for name in answer.json()["invalid"]] == [member.partition(".")[0]]
        assert AppVersion.objects.count() == 1

    def test_an_unknown_feature_is_answered_with_those_there_are(self, registered: APIClient) -> None:
        answer = registered.post(VERSIONS, {"version": "2", "features": ["API.Reboot"]}, format="json")
        assert "There is no feature API.Reboot; there is API.Shutdown." in answer.content.decode()

    def test_nobody_declares_a_scope_that_they_do_not_hold(self, registered: APIClient) -> None:
        status, code, sentence = no(
            registered.post(VERSIONS, {"version": "2", "scopes": ["audit:read"]}, format="json")
        )
        assert (status, code) == (403, "scope_too_broad")
        assert sentence == "You do not hold audit:read, so you cannot grant it; leave it out."

    @pytest.mark.parametrize("change", [{"features": []}, {"scopes": ["devices:read"]}])
    def test_what_it_declared_is_fixed(self, registered: APIClient, change: dict[str, Any]) -> None:
        status, code, sentence = no(registered.patch(V1, change, format="json"))
        assert (status, code) == (409, "version_is_fixed")
        assert sentence == (
            "Features and scopes of historian v1.0.0 were fixed when it was made; "
            "add another version that declares others."
        )
        assert registered.patch(V1, {}, format="json").status_code == 200
        assert invalid(registered.patch(V1, {"title": "x"}, format="json")) == (400, ["title"])

    def test_de_registering_a_version_revokes_its_credentials_alone(
        self, client: APIClient, make_version: Callable[..., AppVersion], make_credential: Callable[..., Rotated]
    ) -> None:
        kept, gone = make_credential(make_version("1")), make_credential(make_version("2"))
        assert client.delete(f"{APPS}/app1/versions/2").status_code == 204
        states = {one.client_id: one.state() for one in AppCredential.objects.all()}
        assert states == {kept.holder.client_id: "live", gone.holder.client_id: "revoked"}
        assert client.get(f"{APPS}/app1/versions/2").status_code == 404

    def test_the_document_needs_no_body_to_delete_and_takes_none(self, registered: APIClient) -> None:
        assert invalid(registered.delete(V1, {"force": True}, format="json")) == (400, ["force"])
        assert registered.delete(V1).status_code == 204


class TestTransfer:
    def test_a_version_goes_to_its_operator_once(
        self, registered: APIClient, make_credential: Callable[..., Rotated]
    ) -> None:
        issued = make_credential(AppVersion.objects.get())
        seen = registered.get(V1)["ETag"]
        answer = registered.post(f"{V1}/transfer", {"tenant": "plant7"}, format="json")
        body = answer.json()
        assert (answer.status_code, body["host_tenant"], body["stage"]) == (200, "plant7", "ops")
        assert body["transferred_at"]
        assert AppCredential.objects.get(pk=issued.holder.pk).state() == "revoked"
        status, code, sentence = no(registered.post(f"{V1}/transfer", {"tenant": "plant8"}, format="json"))
        assert (status, code) == (409, "already_transferred")
        assert sentence.startswith("historian v1.0.0 was transferred to plant7 already;")
        stale = registered.delete(V1, headers={"If-Match": seen})
        assert no(stale)[:2] == (412, "precondition_failed")

    @pytest.mark.parametrize("verb", ["transfer", "delete"])
    def test_one_that_was_handed_over_between_the_comparison_and_the_lock_is_not_what_was_seen(
        self, registered: APIClient, root: Actor, monkeypatch: pytest.MonkeyPatch, verb: str
    ) -> None:
        seen = {"If-Match": registered.get(V1)["ETag"]}
        find_version = registration.find_version

        def found_and_handed_over_at_once(app: App, version: str) -> AppVersion:
            found = find_version(app, version)
            registration.transfer(found, "plant8", by=root)
            return found

        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(registration, "find_version", found_and_handed_over_at_once)
            if verb == "delete":
                answer = registered.delete(V1, headers=seen)
            else:
                answer = registered.post(f"{V1}/transfer", {"tenant": "plant7"}, format="json", headers=seen)
        assert no(answer)[:2] == (412, "precondition_failed")
        assert registered.get(V1).json()["host_tenant"] == "plant8"

    def test_to_an_unknown_tenant_nothing_goes(self, registered: APIClient) -> None:
        answer = registered.post(f"{V1}/transfer", {"tenant": "nowhere"}, format="json")
        assert invalid(answer) == (400, ["tenant"])
        assert registered.get(V1).json()["stage"] == "dev"


class TestGrants:
    GRANTS = f"{V1}/grants"

    def test_a_grant_is_given_listed_and_withdrawn(self, registered: APIClient) -> None:
        for tenant in ("plant8", "plant7"):
            answer = registered.post(self.GRANTS, {"tenant": tenant}, format="json")
            assert (answer.status_code, answer.json()["tenant"]) == (201, tenant)
            assert set(answer.json()) == {"tenant", "created_at", "created_by"}
        assert names(registered.get(self.GRANTS), "tenant") == ["plant7", "plant8"]
        assert registered.delete(f"{self.GRANTS}/plant7").status_code == 204
        assert names(registered.get(self.GRANTS), "tenant") == ["plant8"]

    def test_a_grant_that_is_there_is_refused(self, registered: APIClient) -> None:
        registered.post(self.GRANTS, {"tenant": "plant7"}, format="json")
        status, code, sentence = no(registered.post(self.GRANTS, {"tenant": "plant7"}, format="json"))
        assert (status, code) == (409, "grant_exists")
        assert sentence == "historian v1.0.0 may open the data of plant7 already."

    def test_the_host_needs_none(self, registered: APIClient) -> None:
        status, code, sentence = no(registered.post(self.GRANTS, {"tenant": "main"}, format="json"))
        assert (status, code) == (409, "host_tenant")
        assert sentence == "main hosts historian v1.0.0, which may open its data without a grant."

    def test_what_was_not_given_is_not_withdrawn(self, registered: APIClient) -> None:
        status, code, sentence = no(registered.delete(f"{self.GRANTS}/plant7"))
        assert (status, code) == (404, "grant_not_found")
        assert sentence == "historian v1.0.0 has no grant for plant7; its page lists those it has."

    def test_an_unknown_tenant_is_a_wrong_member(self, registered: APIClient) -> None:
        assert invalid(registered.post(self.GRANTS, {"tenant": "nowhere"}, format="json")) == (400, ["tenant"])


def test_an_app_with_the_scope_manages_apps_too(
    make_version: Callable[..., AppVersion], make_credential: Callable[..., Rotated]
) -> None:
    issued = make_credential(make_version(scopes=[Scope.APPS_MANAGE, Scope.APPS_READ]))
    buyer = shown_secrets.of_client(issued.holder.client_id, issued.text, address="192.0.2.7")
    client = APIClient(headers={"Authorization": f"Bearer {access_tokens.technical(buyer, 'main')}"})
    assert client.post(APPS, {"name": "made"}, format="json").status_code == 201
    assert App.objects.get(name="made").created_by == "app main-app1-v1.0.0"


def test_a_longer_list_costs_no_more_queries(client: APIClient, root: Actor) -> None:
    def cost(path: str) -> int:
        with CaptureQueriesContext(connection) as caught:
            assert client.get(path).status_code == 200
        return len(caught)

    client.post(APPS, {"name": "app0"}, format="json")
    client.post(f"{APPS}/app0/versions", {"version": "0"}, format="json")
    few = [cost(APPS), cost(f"{APPS}/app0/versions")]
    for number in range(1, 5):
        client.post(APPS, {"name": f"app{number}"}, format="json")
        client.post(f"{APPS}/app0/versions", {"version": str(number)}, format="json")
    assert [cost(APPS), cost(f"{APPS}/app0/versions")] == few


def test_whatever_is_told_can_be_chosen_by_a_webhook(registered: APIClient) -> None:
    registered.post(f"{V1}/grants", {"tenant": "plant7"}, format="json")
    registered.delete(f"{V1}/grants/plant7")
    registered.post(f"{V1}/transfer", {"tenant": "plant8"}, format="json")
    registered.delete(V1)
    registered.delete(f"{APPS}/historian")
    told = set(Outbox.objects.values_list("topic", flat=True)) - {"token.issued"}
    assert told == {
        "app.registered", "app.version_added", "tenant_grant.given", "tenant_grant.withdrawn", "app.transferred",
        "app.version_deregistered", "app.deregistered",
    }  # fmt: skip
    assert told <= set(Topic.values)
