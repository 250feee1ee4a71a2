"""Apps on devices over REST: installed with a token that is shown once, rotated, switched, moved to another version."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from devices.models import Device
from portal.actor import Actor
from portal.models import AuditEvent, KeptAnswer, Outbox, User
from portal.scopes import Scope
from portal.topics import Topic
from tokens import access_tokens, device_files, overlap, registration, shown_secrets
from tokens.models import AppTokenSecret, AppVersion, InstalledApp
from tokens.overlap import Rotated

INSTALLATIONS = "/api/v1/apps/app1/installations"
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
HERE = "192.0.2.7"

Rest = Callable[..., APIClient]
Install = Callable[..., dict[str, Any]]


@pytest.fixture
def client(rest: Rest) -> APIClient:
    return rest(Scope.APPS_READ, Scope.APPS_MANAGE, Scope.USERS_READ)


@pytest.fixture
def version(make_version: Callable[..., AppVersion], make_device: Callable[..., Device]) -> AppVersion:
    """A version of an app, beside an accepted device."""
    make_device("press-1", status="accepted")
    return make_version()


@pytest.fixture
def install(client: APIClient, version: AppVersion) -> Install:
    def make(**facts: Any) -> dict[str, Any]:
        answer = client.post(INSTALLATIONS, {"device": "press-1", "version": "v1.0.0", **facts}, format="json")
        assert answer.status_code == 201, answer.content
        shown: dict[str, Any] = answer.json()
        return shown

    return make


def no(answer: Any) -> tuple[int, str, str]:
    body = answer.json()
    return answer.status_code, body["code"], body["error"]


def invalid(answer: Any) -> tuple[int, list[str]]:
    return answer.status_code, list(answer.json()["invalid"])


def opens(shown: dict[str, Any]) -> bool:
    try:
        shown_secrets.of_installation(shown["app_token"], address=HERE)
    except shown_secrets.Refused:
        return False
    return True


def devices(answer: Any) -> list[str]:
    return [one["device"] for one in answer.json()["results"]]


class TestInstalling:
    def test_the_token_is_shown_once_with_the_files_for_the_app(self, client: APIClient, version: AppVersion) -> None:
        answer = client.post(INSTALLATIONS, {"device": "press-1", "version": "v1.0.0", "days": 30}, format="json")
        body = answer.json()
        assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
        assert answer["Location"] == f"{INSTALLATIONS}/{body['id']}"
        token = body["app_token"]
        assert token.startswith(f"gate_app_{body['id']}_")
        assert body == {
            "id": body["id"],
            "app": "app1",
            "version": "v1.0.0",
            "device": "press-1",
            "expires_at": body["expires_at"],
            "app_token": token,
            "apptoken_file": '{"appPrimaryToken":"' + token + '"}\n',
            "certsips_file": device_files.certsips(),
        }
        assert opens(body)
        again = client.get(answer["Location"])
        assert (again.status_code, again["ETag"]) == (200, answer["ETag"])
        assert token not in again.content.decode()
        [secret] = again.json()["secrets"]
        assert again.json() == {
            "id": body["id"],
            "app": "app1",
            "version": "v1.0.0",
            "device": "press-1",
            "owner": "ada",
            "state": "live",
            "expires_at": body["expires_at"],
            "hint": token[-4:],
            "last_used_at": secret["last_used_at"],
            "last_used_from": HERE,
            "rotation": {"open": False, "ends_at": None},
            "secrets": [secret],
        }

    def test_an_app_is_on_a_device_once(self, client: APIClient, install: Install) -> None:
        install()
        status, code, sentence = no(
            client.post(INSTALLATIONS, {"device": "press-1", "version": "v1.0.0"}, format="json")
        )
        assert (status, code) == (409, "already_installed")
        assert sentence == "app1 is on press-1 already, as v1.0.0; change its version, or uninstall it first."

    @pytest.mark.parametrize(
        ("facts", "state"),
        [({"status": "pending"}, "pending"), ({"status": "accepted", "denied_at": NOON}, "denied")],
    )
    def test_only_an_accepted_device_gets_one(
        self,
        client: APIClient,
        version: AppVersion,
        make_device: Callable[..., Device],
        facts: dict[str, Any],
        state: str,
    ) -> None:
        make_device("new", **facts)
        status, code, sentence = no(client.post(INSTALLATIONS, {"device": "new", "version": "v1.0.0"}, format="json"))
        assert (status, code) == (409, "device_not_accepted")
        assert sentence == f"new is {state}; accept it first, then install apps on it."

    def test_an_unknown_device_and_an_unknown_version_are_404s(self, client: APIClient, version: AppVersion) -> None:
        status, code, sentence = no(client.post(INSTALLATIONS, {"device": "x", "version": "v1.0.0"}, format="json"))
        assert (status, code) == (404, "device_not_found")
        assert sentence == "There is no device x; the list of devices shows them all."
        status, code, sentence = no(client.post(INSTALLATIONS, {"device": "press-1", "version": "v9"}, format="json"))
        assert (status, code) == (404, "version_not_found")
        assert sentence == "app1 has no version v9; its page lists those it has."

    def test_nobody_installs_what_may_more_than_they(self, rest: Rest, version: AppVersion) -> None:
        narrow = rest(Scope.APPS_MANAGE)
        status, code, sentence = no(
            narrow.post(INSTALLATIONS, {"device": "press-1", "version": "v1.0.0"}, format="json")
        )
        assert (status, code) == (403, "scope_too_broad")
        assert sentence == "You do not hold users:read, which app1 v1.0.0 opens; ask who does."

    @pytest.mark.parametrize(
        ("other", "member"),
        [
            ({"device": 5}, "device"),
            ({"device": "x" * 129}, "device"),
            ({"version": None}, "version"),
            ({"days": 0}, "days"),
            ({"days": 366}, "days"),
            ({"owner": "nobody"}, "owner"),
            ({"scopes": []}, "scopes"),
        ],
    )
    def test_a_wrong_member_is_named_and_nothing_installed(
        self, client: APIClient, version: AppVersion, other: dict[str, Any], member: str
    ) -> None:
        answer = client.post(INSTALLATIONS, {"device": "press-1", "version": "v1.0.0", **other}, format="json")
        assert invalid(answer) == (400, [member])
        assert not InstalledApp.objects.exists()

    def test_sent_again_under_its_key_it_shows_the_same_token_which_is_kept_sealed(
        self, client: APIClient, version: AppVersion
    ) -> None:
        body = {"device": "press-1", "version": "v1.0.0"}
        first, again = (
            client.post(INSTALLATIONS, body, format="json", headers={"Idempotency-Key": "once"}) for _ in range(2)
        )
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert again["Cache-Control"] == "no-store"
        kept = [str(list(table.objects.values())) for table in (KeptAnswer, AppTokenSecret, AuditEvent, Outbox)]
        assert not [rows for rows in kept if first.json()["app_token"] in rows]

    def test_an_app_installs_without_an_owner_or_for_one_that_it_names(
        self,
        version: AppVersion,
        make_version: Callable[..., AppVersion],
        make_credential: Callable[..., Rotated],
        make_device: Callable[..., Device],
        administrator: User,
    ) -> None:
        installer = make_version(app="installer", scopes=[Scope.APPS_MANAGE, Scope.APPS_READ, Scope.USERS_READ])
        issued = make_credential(installer)
        buyer = shown_secrets.of_client(issued.holder.client_id, issued.text, address=HERE)
        app = APIClient(headers={"Authorization": f"Bearer {access_tokens.technical(buyer, 'main')}"})
        for device, said, owner in (("press-1", {}, None), ("press-2", {"owner": "ada"}, "ada")):
            if device != "press-1":
                make_device(device, status="accepted")
            answer = app.post(INSTALLATIONS, {"device": device, "version": "v1.0.0", **said}, format="json")
            assert answer.status_code == 201
            assert app.get(answer["Location"]).json()["owner"] == owner


class TestList:
    def test_filters_narrow_it_and_the_soonest_expiry_comes_first(
        self, client: APIClient, install: Install, make_device: Callable[..., Device], root: Actor
    ) -> None:
        registration.add_version(registration.find("app1"), "2", by=root)
        for name in ("press-2", "press-3"):
            make_device(name, status="accepted")
        install(days=300)
        install(device="press-2", days=10, version="2")
        gone = install(device="press-3", days=20)
        client.post(f"{INSTALLATIONS}/{gone['id']}/revoke", {"reason": "x"}, format="json")
        assert devices(client.get(INSTALLATIONS)) == ["press-2", "press-3", "press-1"]
        assert devices(client.get(INSTALLATIONS, {"state": "revoked"})) == ["press-3"]
        assert devices(client.get(INSTALLATIONS, {"device": "press-1"})) == ["press-1"]
        assert devices(client.get(INSTALLATIONS, {"version": "2"})) == ["press-2"]
        assert devices(client.get(INSTALLATIONS, {"expires_within": "30d"})) == ["press-2"]
        first = client.get(INSTALLATIONS, {"limit": 2})
        assert devices(client.get(first.json()["next"])) == ["press-1"]

    def test_a_longer_list_costs_no_more_queries(
        self, client: APIClient, install: Install, make_device: Callable[..., Device], root: Actor
    ) -> None:
        def cost() -> int:
            with CaptureQueriesContext(connection) as caught:
                client.get(INSTALLATIONS)
            return len(caught)

        install()
        few = cost()
        for number in range(2, 6):
            make_device(f"press-{number}", status="accepted")
            install(device=f"press-{number}")
        for installed in InstalledApp.objects.all():
            overlap.rotate(installed, by=root)
        assert cost() == few

    def test_those_of_another_app_are_not_there(
        self, client: APIClient, install: Install, make_version: Callable[..., AppVersion]
    ) -> None:
        made = install()
        make_version(app="other")
        assert client.get("/api/v1/apps/other/installations").json()["results"] == []
        status, code, sentence = no(client.get(f"/api/v1/apps/other/installations/{made['id']}"))
        assert (status, code) == (404, "installation_not_found")
        assert sentence == "There is no such installation; the page of the app lists them."


class TestVersion:
    def test_another_version_takes_its_place_and_the_token_stays(
        self, client: APIClient, install: Install, root: Actor
    ) -> None:
        registration.add_version(registration.find("app1"), "2", by=root, features=["API.Shutdown"])
        made = install()
        path = f"{INSTALLATIONS}/{made['id']}"
        seen = client.get(path)["ETag"]
        answer = client.patch(path, {"version": "2"}, format="json", headers={"If-Match": seen})
        assert (answer.status_code, answer.json()["version"], opens(made)) == (200, "2", True)
        stale = client.patch(path, {"version": "v1.0.0"}, format="json", headers={"If-Match": seen})
        assert no(stale)[:2] == (412, "precondition_failed")
        assert no(client.patch(path, {"version": "v9"}, format="json"))[:2] == (404, "version_not_found")
        assert invalid(client.patch(path, {"device": "x"}, format="json")) == (400, ["device"])

    def test_nobody_puts_there_what_may_more_than_they(
        self, client: APIClient, install: Install, make_version: Callable[..., AppVersion]
    ) -> None:
        make_version("2", scopes=[Scope.AUDIT_READ])
        status, code, sentence = no(client.patch(f"{INSTALLATIONS}/{install()['id']}", {"version": "2"}, format="json"))
        assert (status, code) == (403, "scope_too_broad")
        assert sentence == "You do not hold audit:read, which app1 2 opens; ask who does."

    def test_what_was_revoked_gets_none(self, client: APIClient, install: Install) -> None:
        path = f"{INSTALLATIONS}/{install()['id']}"
        client.post(f"{path}/revoke", {"reason": "x"}, format="json")
        status, code, sentence = no(client.patch(path, {"version": "v1.0.0"}, format="json"))
        assert (status, code) == (409, "credential_ended")
        assert sentence.startswith("app1 on press-1 was revoked by token test at ")


class TestVerbs:
    def test_both_tokens_work_until_the_grace_ends(self, client: APIClient, install: Install) -> None:
        with time_machine.travel(NOON, tick=False) as clock:
            old = install()
            path = f"{INSTALLATIONS}/{old['id']}"
            answer = client.post(f"{path}/rotate", {"grace_hours": 2}, format="json")
            new = answer.json()
            assert (answer.status_code, answer["Cache-Control"], set(new)) == (201, "no-store", set(old))
            assert new["id"] == old["id"]
            assert (opens(old), opens(new)) == (True, True)
            body = client.get(path).json()
            assert (body["hint"], body["rotation"]) == (
                new["app_token"][-4:],
                {"open": True, "ends_at": "2026-11-30T14:00:00Z"},
            )
            status, code, sentence = no(client.post(f"{path}/rotate"))
            assert (status, code) == (409, "two_secrets_live")
            assert sentence.startswith("app1 on press-1 has two live secrets;")
            clock.shift(timedelta(hours=2, seconds=1))
            assert (opens(old), opens(new)) == (False, True)

    def test_a_third_token_with_force_ends_the_older(self, client: APIClient, install: Install) -> None:
        first = install()
        path = f"{INSTALLATIONS}/{first['id']}/rotate"
        second = client.post(path).json()
        third = client.post(path, {"force": True}, format="json").json()
        assert [opens(first), opens(second), opens(third)] == [False, True, True]

    def test_the_overlap_ends_with_a_word_while_the_old_token_is_in_use(
        self, client: APIClient, install: Install
    ) -> None:
        old = install()
        path = f"{INSTALLATIONS}/{old['id']}"
        assert no(client.post(f"{path}/end-overlap"))[:2] == (409, "no_overlap")
        assert opens(old)
        client.post(f"{path}/rotate")
        assert no(client.post(f"{path}/end-overlap"))[:2] == (409, "old_secret_in_use")
        assert client.post(f"{path}/end-overlap", {"confirm": True}, format="json").status_code == 200
        assert not opens(old)

    def test_a_cancelled_rotation_leaves_the_old_token(self, client: APIClient, install: Install) -> None:
        old = install()
        path = f"{INSTALLATIONS}/{old['id']}"
        new = client.post(f"{path}/rotate").json()
        assert opens(new)
        assert no(client.post(f"{path}/cancel-rotation"))[:2] == (409, "new_secret_in_use")
        answer = client.post(f"{path}/cancel-rotation", {"confirm": True}, format="json")
        assert (answer.status_code, answer.json()["hint"]) == (200, old["app_token"][-4:])
        assert (opens(old), opens(new)) == (True, False)

    def test_disabling_takes_what_enabling_gives_back(self, client: APIClient, install: Install) -> None:
        made = install()
        path = f"{INSTALLATIONS}/{made['id']}"
        answer = client.post(f"{path}/disable", {"reason": "odd"}, format="json")
        assert (answer.status_code, answer.json()["state"], opens(made)) == (200, "disabled", False)
        assert no(client.post(f"{path}/rotate"))[:2] == (409, "credential_disabled")
        answer = client.post(f"{path}/enable", {"reason": "fine"}, format="json")
        assert (answer.status_code, answer.json()["state"], opens(made)) == (200, "live", True)

    def test_it_is_uninstalled_once_it_is_off(self, client: APIClient, install: Install) -> None:
        made = install()
        path = f"{INSTALLATIONS}/{made['id']}"
        status, code, sentence = no(client.delete(path))
        assert (status, code) == (409, "disable_first")
        assert sentence == "app1 on press-1 is live; disable or revoke it first, then delete it."
        answer = client.post(f"{path}/revoke", {"reason": "gone"}, format="json")
        assert (answer.status_code, answer.json()["state"], opens(made)) == (200, "revoked", False)
        assert client.delete(path).status_code == 204
        assert client.get(path).status_code == 404
        assert install()["id"] != made["id"]

    @pytest.mark.django_db(transaction=True)
    def test_of_two_rotations_at_once_one_is_told_of_the_other(
        self, client: APIClient, install: Install, at_once: Callable[..., list[Any]]
    ) -> None:
        path = f"{INSTALLATIONS}/{install()['id']}/rotate"
        answers = at_once(*(lambda: client.post(path) for _ in range(2)))
        assert sorted(answer.status_code for answer in answers) == [201, 409]
        assert AppTokenSecret.objects.exclude(slot=None).count() == 2


def test_whatever_is_told_can_be_chosen_by_a_webhook(client: APIClient, install: Install, root: Actor) -> None:
    registration.add_version(registration.find("app1"), "2", by=root)
    old = install()
    path = f"{INSTALLATIONS}/{old['id']}"
    client.patch(path, {"version": "2"}, format="json")
    assert opens(old)
    for step in ("rotate", "cancel-rotation", "rotate", "end-overlap"):
        client.post(f"{path}/{step}", {} if step == "rotate" else {"confirm": True}, format="json")
    assert not opens(old)
    for step in ("disable", "enable", "revoke"):
        assert client.post(f"{path}/{step}", {"reason": "x"}, format="json").status_code == 200
    client.delete(path)
    told = {topic for topic in Outbox.objects.values_list("topic", flat=True) if topic.startswith("installation.")}
    assert told == {
        "installation.made", "installation.version_changed", "installation.secret_first_used", "installation.rotated",
        "installation.rotation_cancelled", "installation.overlap_ended", "installation.retired_secret_used",
        "installation.disabled", "installation.enabled", "installation.revoked", "installation.deleted",
    }  # fmt: skip
    assert told <= set(Topic.values)
    assert old["app_token"] not in json.dumps([*Outbox.objects.values_list("body", flat=True)])


def test_one_whose_tokens_are_deleted_in_this_moment_is_shown_without_them(client: APIClient, install: Install) -> None:
    install()
    AppTokenSecret.objects.all().delete()
    [shown] = client.get(INSTALLATIONS).json()["results"]
    assert (shown["secrets"], shown["hint"], shown["last_used_at"], shown["last_used_from"]) == ([], "", None, "")
