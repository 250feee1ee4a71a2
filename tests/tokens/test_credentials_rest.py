"""App credentials over REST: issued, rotated with an overlap, switched off and on, revoked and deleted."""

import json
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from portal.actor import Actor
from portal.models import AuditEvent, KeptAnswer, Outbox, User
from portal.scopes import Scope
from portal.topics import Topic
from tokens import access_tokens, held_rest, overlap, shown_secrets
from tokens.models import AppCredential, AppVersion, CredentialSecret
from tokens.overlap import Rotated

CREDENTIALS = "/api/v1/credentials"
NEW = {"app": "app1", "version": "v1.0.0", "scopes": ["users:read"]}
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
HERE = "192.0.2.7"


@pytest.fixture
def client(rest: Callable[..., APIClient]) -> APIClient:
    return rest(
        Scope.CREDENTIALS_READ, Scope.CREDENTIALS_MANAGE, Scope.CREDENTIALS_ROTATE_OWN, Scope.USERS_READ,
        Scope.DEVICES_READ,
    )  # fmt: skip


@pytest.fixture
def issue(client: APIClient, make_version: Callable[..., AppVersion]) -> Callable[..., dict[str, Any]]:
    """Issue credentials over REST for the version of the examples; what is said is asked, too."""

    def make(**facts: Any) -> dict[str, Any]:
        if not AppVersion.objects.exists():
            make_version()
        answer = client.post(CREDENTIALS, {**NEW, **facts}, format="json")
        assert answer.status_code == 201, answer.content
        shown: dict[str, Any] = answer.json()
        return shown

    return make


def no(answer: Any) -> tuple[int, str, str]:
    body = answer.json()
    return answer.status_code, body["code"], body["error"]


def invalid(answer: Any) -> tuple[int, list[str]]:
    return answer.status_code, list(answer.json()["invalid"])


def opens(shown: dict[str, Any], secret: str | None = None) -> bool:
    try:
        shown_secrets.of_client(shown["client_id"], secret or shown["secret"], address=HERE)
    except shown_secrets.Refused:
        return False
    return True


def listed(client: APIClient, **query: Any) -> list[str]:
    answer = client.get(CREDENTIALS, query)
    assert answer.status_code == 200, answer.content
    return [one["client_id"] for one in answer.json()["results"]]


class TestIssuing:
    def test_the_secret_is_shown_once_with_the_key_for_the_header(
        self, client: APIClient, make_version: Callable[..., AppVersion]
    ) -> None:
        make_version()
        answer = client.post(CREDENTIALS, {**NEW, "instance": "line2", "days": 30}, format="json")
        body = answer.json()
        assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
        assert answer["Location"] == f"{CREDENTIALS}/{body['id']}"
        pair = f"{body['client_id']}:{body['secret']}"
        assert body["x_space_auth_key"] == f"Bearer {b64encode(pair.encode()).decode()}"
        assert opens(body)
        again = client.get(answer["Location"])
        assert (again.status_code, again["ETag"]) == (200, answer["ETag"])
        assert body["secret"] not in again.content.decode()
        [secret] = again.json()["secrets"]
        assert secret["hint"] == body["secret"][-4:]
        assert again.json() == {
            "id": body["id"],
            "client_id": "main-app1-v1.0.0-line2",
            "app": "app1",
            "version": "v1.0.0",
            "host_tenant": "main",
            "stage": "dev",
            "instance": "line2",
            "owner": "ada",
            "scopes": ["credentials:rotate-own", "users:read"],
            "state": "live",
            "expires_at": secret["expires_at"],
            "rotation": {"open": False, "ends_at": None},
            "secrets": [secret],
        }
        assert set(secret) == {
            "id", "hint", "state", "created_at", "expires_at", "ends_at", "last_used_at", "last_used_from",
        }  # fmt: skip
        assert (secret["state"], secret["ends_at"], secret["last_used_from"]) == ("live", None, HERE)

    def test_an_instance_has_one_set(self, client: APIClient, issue: Callable[..., Any]) -> None:
        issue()
        status, code, sentence = no(client.post(CREDENTIALS, NEW, format="json"))
        assert (status, code) == (409, "credential_exists")
        assert sentence == (
            "app1 v1.0.0 has credentials main-app1-v1.0.0 already; "
            "rotate those, or choose another label for this instance."
        )

    @pytest.mark.parametrize(
        ("other", "member"),
        [
            ({"app": None}, "app"),
            ({"scopes": None}, "scopes"),
            ({"scopes": ["audit:read"]}, "scopes"),
            ({"scopes": ["devices:fly"]}, "scopes.0"),
            ({"instance": "Line-2"}, "instance"),
            ({"instance": "x" * 21}, "instance"),
            ({"days": 0}, "days"),
            ({"days": 366}, "days"),
            ({"days": "30"}, "days"),
            ({"owner": "nobody"}, "owner"),
            ({"owner": "gone"}, "owner"),
            ({"rotate_own": "no"}, "rotate_own"),
            ({"stage": "ops"}, "stage"),
        ],
    )
    def test_a_wrong_member_is_named_and_nothing_issued(
        self, client: APIClient, make_version: Callable[..., AppVersion], other: dict[str, Any], member: str
    ) -> None:
        make_version()
        User.objects.create(username="gone", is_active=False)
        answer = client.post(CREDENTIALS, {**NEW, **other}, format="json")
        assert answer.status_code == 400
        assert [name.partition(".")[0] for name in answer.json()["invalid"]] == [member.partition(".")[0]]
        assert not AppCredential.objects.exists()

    def test_the_scopes_must_be_said(self, client: APIClient, make_version: Callable[..., AppVersion]) -> None:
        make_version()
        answer = client.post(CREDENTIALS, {"app": "app1", "version": "v1.0.0"}, format="json")
        assert invalid(answer) == (400, ["scopes"])

    def test_nobody_grants_what_they_do_not_hold(
        self, client: APIClient, make_version: Callable[..., AppVersion]
    ) -> None:
        make_version(scopes=[Scope.AUDIT_READ])
        status, code, sentence = no(client.post(CREDENTIALS, {**NEW, "scopes": ["audit:read"]}, format="json"))
        assert (status, code) == (403, "scope_too_broad")
        assert sentence == "You do not hold audit:read, so you cannot grant it; leave it out."

    def test_an_unknown_app_and_an_unknown_version_are_404s(
        self, client: APIClient, make_version: Callable[..., AppVersion]
    ) -> None:
        make_version()
        assert no(client.post(CREDENTIALS, {**NEW, "app": "ghost"}, format="json"))[:2] == (404, "app_not_found")
        assert no(client.post(CREDENTIALS, {**NEW, "version": "v9"}, format="json"))[:2] == (404, "version_not_found")

    def test_the_right_to_rotate_itself_can_be_left_out(self, issue: Callable[..., Any]) -> None:
        assert issue(rotate_own=False)["scopes"] == ["users:read"]

    def test_who_does_not_hold_that_right_does_not_give_it(
        self, rest: Callable[..., APIClient], make_version: Callable[..., AppVersion]
    ) -> None:
        make_version()
        answer = rest(Scope.CREDENTIALS_MANAGE, Scope.USERS_READ).post(CREDENTIALS, NEW, format="json")
        assert (answer.status_code, answer.json()["scopes"]) == (201, ["users:read"])

    def test_an_app_that_issues_names_an_owner(
        self, make_version: Callable[..., AppVersion], make_credential: Callable[..., Rotated], administrator: User
    ) -> None:
        issued = make_credential(make_version(scopes=[Scope.CREDENTIALS_MANAGE]))
        buyer = shown_secrets.of_client(issued.holder.client_id, issued.text, address=HERE)
        app = APIClient(headers={"Authorization": f"Bearer {access_tokens.technical(buyer, 'main')}"})
        wanted = {**NEW, "instance": "b", "scopes": []}
        answer = app.post(CREDENTIALS, wanted, format="json")
        assert invalid(answer) == (400, ["owner"])
        assert answer.json()["error"] == (
            "Name the person who is to hear when the secret expires; there is none behind you."
        )
        answer = app.post(CREDENTIALS, {**wanted, "owner": "ada"}, format="json")
        assert (answer.status_code, answer.json()["owner"]) == (201, "ada")

    def test_sent_again_under_its_key_it_shows_the_same_secret(
        self, client: APIClient, make_version: Callable[..., AppVersion]
    ) -> None:
        make_version()
        first, again = (
            client.post(CREDENTIALS, NEW, format="json", headers={"Idempotency-Key": "once"}) for _ in range(2)
        )
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert AppCredential.objects.count() == 1


class TestList:
    def test_the_soonest_expiry_comes_first_and_pages_follow(
        self, client: APIClient, issue: Callable[..., Any]
    ) -> None:
        for instance, days in (("a", 300), ("b", 10), ("c", 100)):
            issue(instance=instance, days=days)
        first = client.get(CREDENTIALS, {"limit": 2})
        assert [one["instance"] for one in first.json()["results"]] == ["b", "c"]
        second = client.get(first.json()["next"])
        assert [one["instance"] for one in second.json()["results"]] == ["a"]
        assert [one["instance"] for one in client.get(second.json()["previous"]).json()["results"]] == ["b", "c"]

    def test_filters_narrow_it(
        self,
        client: APIClient,
        issue: Callable[..., Any],
        make_version: Callable[..., AppVersion],
        operator: User,
    ) -> None:
        make_version("v1.0.0")
        make_version("2", app="other")
        issue(instance="soon", days=10)
        off = issue(instance="off", days=20, owner="otto")
        gone = issue(instance="gone", days=20)
        issue(app="other", version="2", days=300)
        client.post(f"{CREDENTIALS}/{off['id']}/disable", {"reason": "x"}, format="json")
        client.post(f"{CREDENTIALS}/{gone['id']}/revoke", {"reason": "x"}, format="json")
        app1 = "main-app1-v1.0.0"
        assert listed(client, expires_within="30d") == [f"{app1}-soon", f"{app1}-off"]
        assert listed(client, expires_within="240h") == [f"{app1}-soon"]
        assert listed(client, expires_within="15d", state="disabled") == []
        assert listed(client, state="disabled") == [f"{app1}-off"]
        assert listed(client, state="revoked") == [f"{app1}-gone"]
        assert listed(client, state="live") == [f"{app1}-soon", "main-other-2"]
        assert listed(client, state="expired") == []
        assert listed(client, app="other") == ["main-other-2"]
        assert listed(client, owner="otto") == [f"{app1}-off"]
        assert listed(client, q="OTHER-2") == ["main-other-2"]
        assert listed(client, q=off["id"]) == [f"{app1}-off"]
        assert listed(client, q=off["id"][:6]) == []

    @pytest.mark.parametrize(
        "query",
        [
            {"state": "ended"},
            {"expires_within": "soon"},
            {"expires_within": "9999999d"},
            {"expires_within": ""},
            {"app": "x" * 21},
            {"version": "v1.0.0"},
        ],
    )
    def test_another_question_is_refused(self, client: APIClient, query: dict[str, str]) -> None:
        assert invalid(client.get(CREDENTIALS, query)) == (400, list(query))

    @pytest.mark.parametrize("span", ["30", "30d", "12h", "90s", "2m", "30w", "d", "", "1.5h", "12345678s", "30d "])
    def test_a_length_of_time_is_read_as_it_is_documented(self, client: APIClient, span: str) -> None:
        documented = re.search(held_rest.EXPIRES_WITHIN.shape()["pattern"], span) is not None
        assert (client.get(CREDENTIALS, {"expires_within": span}).status_code == 200) is documented

    @pytest.mark.parametrize("span", ["3661d", "99999d"])
    def test_a_time_that_is_too_long_is_told_the_longest(self, client: APIClient, span: str) -> None:
        answer = client.get(CREDENTIALS, {"expires_within": span})
        assert no(answer) == (400, "invalid", "'expires_within' is too long; write at most 3660d.")

    @pytest.mark.parametrize("form", ["{}", "secret={}", " {} "])
    def test_a_secret_in_the_question_is_refused_without_being_repeated(
        self, client: APIClient, issue: Callable[..., Any], form: str
    ) -> None:
        shown = issue()["secret"]
        answer = client.get(CREDENTIALS, {"q": form.format(shown)})
        assert invalid(answer) == (400, ["q"])
        assert answer.json()["error"] == ("Send the client id, and rotate this secret: it stands in URLs and logs now.")

    def test_a_longer_list_costs_no_more_queries(
        self, client: APIClient, issue: Callable[..., Any], root: Actor
    ) -> None:
        def cost() -> int:
            with CaptureQueriesContext(connection) as caught:
                listed(client)
            return len(caught)

        issue(instance="a")
        few = cost()
        for instance in "bcdef":
            issue(instance=instance)
        for credential in AppCredential.objects.all():
            for _ in range(3):
                overlap.rotate(credential, by=root, force=True)
        assert cost() == few

    def test_an_unknown_one_is_a_404(self, client: APIClient) -> None:
        status, code, sentence = no(client.get(f"{CREDENTIALS}/{'a' * 12}"))
        assert (status, code) == (404, "credential_not_found")
        assert sentence == "There are no such credentials; the list shows what there is."


class TestOwner:
    def test_it_is_handed_over(self, client: APIClient, issue: Callable[..., Any], operator: User) -> None:
        path = f"{CREDENTIALS}/{issue()['id']}"
        seen = client.get(path)["ETag"]
        answer = client.patch(path, {"owner": "otto"}, format="json", headers={"If-Match": seen})
        assert (answer.status_code, answer.json()["owner"]) == (200, "otto")
        assert answer["ETag"] != seen
        stale = client.patch(path, {"owner": "ada"}, format="json", headers={"If-Match": seen})
        assert no(stale) == (
            412, "precondition_failed", "It has changed since you read it; read it again, then decide anew.",
        )  # fmt: skip

    @pytest.mark.parametrize("owner", ["nobody", "gone", "", None])
    def test_another_owner_is_an_active_person(self, client: APIClient, issue: Callable[..., Any], owner: Any) -> None:
        User.objects.create(username="gone", is_active=False)
        answer = client.patch(f"{CREDENTIALS}/{issue()['id']}", {"owner": owner}, format="json")
        assert invalid(answer) == (400, ["owner"])

    def test_one_whose_owner_was_deactivated_is_shown_without(
        self, client: APIClient, issue: Callable[..., Any], operator: User
    ) -> None:
        path = f"{CREDENTIALS}/{issue(owner='otto')['id']}"
        User.objects.filter(pk=operator.pk).update(is_active=False)
        assert client.get(path).json()["owner"] is None


class TestRotation:
    def test_both_secrets_live_until_the_grace_ends(self, client: APIClient, issue: Callable[..., Any]) -> None:
        with time_machine.travel(NOON, tick=False) as clock:
            old = issue(days=30)
            answer = client.post(f"{CREDENTIALS}/{old['id']}/rotate", {"grace_hours": 2, "days": 90}, format="json")
            new = answer.json()
            assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
            assert new["rotation"] == {"open": True, "ends_at": "2026-11-30T14:00:00Z"}
            assert [one["ends_at"] for one in new["secrets"]] == [None, "2026-11-30T14:00:00Z"]
            assert new["expires_at"].startswith("2027-02-28T12:00:00")
            assert set(new) == set(old)
            assert (opens(old), opens(new)) == (True, True)
            clock.shift(timedelta(hours=2, seconds=1))
            body = client.get(f"{CREDENTIALS}/{old['id']}").json()
            assert body["rotation"] == {"open": False, "ends_at": None}
            assert [one["state"] for one in body["secrets"]] == ["live", "ended"]
            assert (opens(old), opens(new)) == (False, True)

    def test_a_third_secret_needs_force(self, client: APIClient, issue: Callable[..., Any]) -> None:
        first = issue()
        path = f"{CREDENTIALS}/{first['id']}/rotate"
        second = client.post(path).json()
        status, code, sentence = no(client.post(path))
        assert (status, code) == (409, "two_secrets_live")
        assert sentence == (
            "main-app1-v1.0.0 has two live secrets; end the overlap first, or cancel that rotation, or force this one, "
            "which ends the older at once."
        )
        assert AuditEvent.objects.latest("number").after == {"code": "two_secrets_live"}
        third = client.post(path, {"force": True}, format="json").json()
        assert [opens(first), opens(second), opens(third)] == [False, True, True]

    def test_of_many_that_ended_the_newest_are_shown(self, client: APIClient, issue: Callable[..., Any]) -> None:
        path = f"{CREDENTIALS}/{issue()['id']}"
        hints = [client.post(f"{path}/rotate", {"force": True}, format="json").json()["secret"][-4:] for _ in range(6)]
        for body in (client.get(path).json(), client.get(CREDENTIALS).json()["results"][0]):
            assert [one["hint"] for one in body["secrets"]] == hints[:-5:-1]
            assert [one["state"] for one in body["secrets"]] == ["live", "live", "ended", "ended"]

    @pytest.mark.parametrize(
        ("body", "member"),
        [
            ({"grace_hours": -1}, "grace_hours"),
            ({"grace_hours": 721}, "grace_hours"),
            ({"grace_hours": 1.5}, "grace_hours"),
            ({"days": 366}, "days"),
            ({"force": 1}, "force"),
            ({"end_tokens": "yes"}, "end_tokens"),
            ({"reason": "x" * 501}, "reason"),
            ({"overlap_hours": 1}, "overlap_hours"),
        ],
    )
    def test_a_wrong_member_is_named_and_nothing_rotated(
        self, client: APIClient, issue: Callable[..., Any], body: dict[str, Any], member: str
    ) -> None:
        answer = client.post(f"{CREDENTIALS}/{issue()['id']}/rotate", body, format="json")
        assert invalid(answer) == (400, [member])
        assert CredentialSecret.objects.count() == 1

    def test_who_may_less_is_not_shown_a_secret_that_may_more(
        self, rest: Callable[..., APIClient], issue: Callable[..., Any]
    ) -> None:
        narrow = rest(Scope.CREDENTIALS_MANAGE)
        status, code, sentence = no(narrow.post(f"{CREDENTIALS}/{issue()['id']}/rotate"))
        assert (status, code) == (403, "scope_too_broad")
        assert sentence == (
            "You do not hold credentials:rotate-own, users:read, so you cannot be given a secret that opens it."
        )

    def test_sent_again_under_its_key_it_is_done_once_and_kept_sealed(
        self, client: APIClient, issue: Callable[..., Any]
    ) -> None:
        path = f"{CREDENTIALS}/{issue()['id']}/rotate"
        first, again = (client.post(path, headers={"Idempotency-Key": "once"}) for _ in range(2))
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert (again["Idempotency-Replayed"], again["Cache-Control"]) == ("true", "no-store")
        assert CredentialSecret.objects.count() == 2
        shown = first.json()["secret"]
        kept = [str(list(table.objects.values())) for table in (KeptAnswer, CredentialSecret, AuditEvent, Outbox)]
        assert not [rows for rows in kept if shown in rows or b64encode(shown.encode()).decode()[4:-4] in rows]
        other = client.post(path, {"force": True}, format="json", headers={"Idempotency-Key": "once"})
        assert no(other)[:2] == (422, "idempotency_key_reused")

    def test_one_that_was_changed_meanwhile_is_not_rotated(self, client: APIClient, issue: Callable[..., Any]) -> None:
        path = f"{CREDENTIALS}/{issue()['id']}"
        seen = client.get(path)["ETag"]
        client.post(f"{path}/rotate")
        answer = client.post(f"{path}/rotate", {"force": True}, format="json", headers={"If-Match": seen})
        assert no(answer)[:2] == (412, "precondition_failed")
        assert CredentialSecret.objects.count() == 2

    @pytest.mark.django_db(transaction=True)
    def test_of_two_at_once_one_is_told_of_the_other(
        self, client: APIClient, issue: Callable[..., Any], at_once: Callable[..., list[Any]]
    ) -> None:
        path = f"{CREDENTIALS}/{issue()['id']}"
        overlap.rotate(AppCredential.objects.get(), by=Actor.command("test"), grace_hours=0)
        seen = client.get(path)["ETag"]
        answers = at_once(*(lambda: client.post(f"{path}/rotate", headers={"If-Match": seen}) for _ in range(2)))
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [201, 412]
        assert CredentialSecret.objects.exclude(slot=None).count() == 2
        ended = client.post(f"{path}/end-overlap", {"confirm": True}, format="json")
        assert ended.status_code == 200
        answers = at_once(*(lambda: client.post(f"{path}/rotate") for _ in range(2)))
        assert sorted(answer.status_code for answer in answers) == [201, 409]
        assert [answer.json()["code"] for answer in answers if answer.status_code == 409] == ["two_secrets_live"]
        assert CredentialSecret.objects.exclude(slot=None).count() == 2

    def test_an_old_secret_in_use_ends_with_a_word(self, client: APIClient, issue: Callable[..., Any]) -> None:
        with time_machine.travel(NOON, tick=False):
            old = issue()
            path = f"{CREDENTIALS}/{old['id']}"
            client.post(f"{path}/rotate")
            assert opens(old)
            answer = client.post(f"{path}/end-overlap")
        status, code, sentence = no(answer)
        assert (status, code) == (409, "old_secret_in_use")
        assert sentence == (
            "The old secret was used at 2026-11-30 12:00:00 UTC from 192.0.2.7. "
            "Move that program to the new one first, or confirm that it may stop."
        )
        assert (answer.json()["last_used_at"], answer.json()["last_used_from"]) == ("2026-11-30T12:00:00Z", HERE)
        with time_machine.travel(NOON, tick=False):
            ended = client.post(f"{path}/end-overlap", {"confirm": True}, format="json")
            assert (ended.status_code, ended.json()["rotation"]["open"], opens(old)) == (200, False, False)
            status, code, sentence = no(client.post(f"{path}/end-overlap"))
        assert (status, code) == (409, "no_overlap")
        assert sentence == "main-app1-v1.0.0 has 1 live secret, so there is no overlap to end."

    def test_the_old_secret_is_the_one_that_was_rotated_though_the_clock_was_set_back(
        self, client: APIClient, issue: Callable[..., Any]
    ) -> None:
        with time_machine.travel(NOON, tick=False):
            old = issue()
        with time_machine.travel(NOON - timedelta(hours=1), tick=False):
            new = client.post(f"{CREDENTIALS}/{old['id']}/rotate").json()
            assert client.post(f"{CREDENTIALS}/{old['id']}/end-overlap").status_code == 200
            assert (opens(old), opens(new)) == (False, True)

    def test_a_rotation_is_cancelled_before_the_new_secret_is_used_or_with_a_word(
        self, client: APIClient, issue: Callable[..., Any]
    ) -> None:
        old = issue(days=30)
        path = f"{CREDENTIALS}/{old['id']}"
        new = client.post(f"{path}/rotate").json()
        assert opens(new)
        status, code, sentence = no(client.post(f"{path}/cancel-rotation"))
        assert (status, code) == (409, "new_secret_in_use")
        assert "Move that program back to the old one first, or confirm that it may stop." in sentence
        answer = client.post(f"{path}/cancel-rotation", {"confirm": True}, format="json")
        assert (answer.status_code, answer.json()["expires_at"]) == (200, old["expires_at"])
        assert [(one["state"], one["ends_at"]) for one in answer.json()["secrets"]] == [("ended", None), ("live", None)]
        assert (opens(old), opens(new)) == (True, False)
        assert no(client.post(f"{path}/cancel-rotation"))[:2] == (409, "no_overlap")


class TestSwitching:
    def test_disabling_takes_what_enabling_gives_back(self, client: APIClient, issue: Callable[..., Any]) -> None:
        shown = issue()
        path = f"{CREDENTIALS}/{shown['id']}"
        answer = client.post(f"{path}/disable", {"reason": "odd"}, format="json")
        assert (answer.status_code, answer.json()["state"], opens(shown)) == (200, "disabled", False)
        status, code, sentence = no(client.post(f"{path}/rotate"))
        assert (status, code) == (409, "credential_disabled")
        assert sentence.endswith("; enable it first, then rotate.")
        answer = client.post(f"{path}/enable")
        assert (answer.status_code, answer.json()["state"], opens(shown)) == (200, "live", True)

    @pytest.mark.parametrize("verb", ["disable", "revoke"])
    @pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "a\u202e"}])
    def test_a_reason_is_needed(
        self, client: APIClient, issue: Callable[..., Any], verb: str, body: dict[str, str]
    ) -> None:
        answer = client.post(f"{CREDENTIALS}/{issue()['id']}/{verb}", body, format="json")
        assert invalid(answer) == (400, ["reason"])

    def test_what_is_revoked_stays_so(self, client: APIClient, issue: Callable[..., Any]) -> None:
        shown = issue()
        path = f"{CREDENTIALS}/{shown['id']}"
        for _ in range(2):
            answer = client.post(f"{path}/revoke", {"reason": "leaked"}, format="json")
            assert (answer.status_code, answer.json()["state"], opens(shown)) == (200, "revoked", False)
        for verb in ("rotate", "enable"):
            status, code, sentence = no(client.post(f"{path}/{verb}"))
            assert (status, code) == (409, "credential_ended")
            assert sentence.startswith("main-app1-v1.0.0 was revoked by token test at ")
        assert issue()["client_id"] == shown["client_id"]

    def test_what_has_expired_is_brought_back_by_rotating(
        self, rest: Callable[..., APIClient], issue: Callable[..., Any]
    ) -> None:
        with time_machine.travel(NOON, tick=False) as clock:
            path = f"{CREDENTIALS}/{issue(days=1)['id']}"
            clock.shift(timedelta(days=1, seconds=1))
            client = rest(*Scope)
            assert listed(client, state="expired") == ["main-app1-v1.0.0"]
            assert listed(client, expires_within="30d") == []
            status, code, sentence = no(client.post(f"{path}/disable", {"reason": "old"}, format="json"))
            assert (status, code) == (409, "credential_ended")
            assert sentence == ("main-app1-v1.0.0 expired at 2026-12-01 12:00:00 UTC; rotate it to bring it back.")
            answer = client.post(f"{path}/rotate")
            assert (answer.status_code, answer.json()["state"]) == (201, "live")
            assert [one["state"] for one in answer.json()["secrets"]] == ["live", "expired"]

    def test_only_what_opens_nothing_is_deleted(self, client: APIClient, issue: Callable[..., Any]) -> None:
        shown = issue()
        path = f"{CREDENTIALS}/{shown['id']}"
        status, code, sentence = no(client.delete(path))
        assert (status, code) == (409, "disable_first")
        assert sentence == "main-app1-v1.0.0 is live; disable or revoke it first, then delete it."
        seen = client.get(path)["ETag"]
        client.post(f"{path}/disable", {"reason": "old"}, format="json")
        assert client.delete(path, headers={"If-Match": seen}).status_code == 412
        answer = client.delete(path)
        assert (answer.status_code, answer.content) == (204, b"")
        assert client.get(path).status_code == 404
        assert AuditEvent.objects.latest("number").verb == "credential.deleted"
        assert issue()["client_id"] == shown["client_id"]


def test_whatever_is_told_can_be_chosen_by_a_webhook(
    client: APIClient, issue: Callable[..., Any], operator: User
) -> None:
    old = issue()
    path = f"{CREDENTIALS}/{old['id']}"
    client.patch(path, {"owner": "otto"}, format="json")
    assert opens(old)
    for step in ("rotate", "cancel-rotation", "rotate", "end-overlap"):
        client.post(f"{path}/{step}", {} if step == "rotate" else {"confirm": True}, format="json")
    assert not opens(old)
    for step in ("disable", "enable", "revoke"):
        assert client.post(f"{path}/{step}", {"reason": "x"}, format="json").status_code == 200
    client.delete(path)
    told = {topic for topic in Outbox.objects.values_list("topic", flat=True) if topic.startswith("credential.")}
    assert told == {
        "credential.issued", "credential.handed_over", "credential.secret_first_used", "credential.rotated",
        "credential.rotation_cancelled", "credential.overlap_ended", "credential.retired_secret_used",
        "credential.disabled", "credential.enabled", "credential.revoked", "credential.deleted",
    }  # fmt: skip
    assert told <= set(Topic.values)
    assert old["secret"] not in json.dumps([*Outbox.objects.values_list("body", flat=True)])
