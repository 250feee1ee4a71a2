"""Rotating, disabling and binding tokens over the native REST, and who the caller is."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from portal.models import AuditEvent
from portal.scopes import Scope
from tokens.models import ApiToken

Rest = Callable[..., APIClient]
MANAGE = (Scope.TOKENS_READ, Scope.TOKENS_MANAGE)


def with_token(secret: str, **facts: str) -> APIClient:
    return APIClient(headers={"Authorization": f"Bearer {secret}"}, **facts)


def test_after_a_rotation_both_secrets_work_and_the_old_one_ends_with_the_overlap(rest: Rest) -> None:
    client = rest(*MANAGE)
    made = client.post("/api/v1/tokens", {"name": "t", "scopes": ["tokens:read"], "days": 30}, format="json").json()
    rotated = client.post(f"/api/v1/tokens/{made['id']}/rotate", {"overlap_hours": 1}, format="json")
    assert rotated.status_code == 201
    assert rotated["Cache-Control"] == "no-store"
    for secret in (made["token"], rotated.json()["token"]):
        assert with_token(secret).get("/api/v1/me").json()["scopes"] == ["tokens:read"]
    old = client.get(f"/api/v1/tokens/{made['id']}").json()
    assert old["replaced_by"] == rotated.json()["id"]
    assert old["expires_at"] < made["expires_at"]
    again = client.post(f"/api/v1/tokens/{made['id']}/rotate")
    assert (again.status_code, again.json()["code"]) == (409, "token_not_rotatable")
    assert ApiToken.objects.filter(name="t").count() == 2


def test_a_disabled_token_is_refused_until_it_is_enabled(rest: Rest) -> None:
    client = rest(*MANAGE)
    made = client.post("/api/v1/tokens", {"name": "t", "scopes": ["tokens:read"], "days": 1}, format="json").json()
    assert client.post(f"/api/v1/tokens/{made['id']}/disable").json()["state"] == "disabled"
    assert with_token(made["token"]).get("/api/v1/me").status_code == 401
    assert client.post(f"/api/v1/tokens/{made['id']}/enable").json()["state"] == "live"
    assert with_token(made["token"]).get("/api/v1/me").status_code == 200


def test_a_token_bound_to_a_network_is_refused_from_elsewhere(rest: Rest) -> None:
    body = {"name": "t", "scopes": ["tokens:read"], "days": 1, "addresses": ["10.0.0.0/8"]}
    made = rest(*MANAGE).post("/api/v1/tokens", body, format="json").json()
    assert with_token(made["token"], REMOTE_ADDR="10.1.2.3").get("/api/v1/me").status_code == 200
    assert with_token(made["token"], REMOTE_ADDR="192.168.0.1").get("/api/v1/me").status_code == 401


def test_a_creation_sent_again_shows_the_same_secret_and_stores_it_nowhere_readable(rest: Rest) -> None:
    client = rest(*MANAGE)
    body = {"name": "t", "scopes": ["tokens:read"], "days": 1}
    first, again = (
        client.post("/api/v1/tokens", body, format="json", headers={"Idempotency-Key": "once"}) for _ in range(2)
    )
    assert first.json() == again.json()
    assert ApiToken.objects.filter(name="t").count() == 1


def test_nobody_is_told_who_they_are_without_a_token(db: None) -> None:
    answer = APIClient().get("/api/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


class TestSelf:
    """A program that renews its own token, and may touch no other."""

    OWN = (Scope.CREDENTIALS_ROTATE_OWN, Scope.DEVICES_READ)

    def test_a_token_rotates_itself_without_a_right_over_any_other(self, rest: Rest) -> None:
        client = rest(*self.OWN)
        own = ApiToken.objects.get()
        answer = client.post("/api/v1/tokens/self/rotate", {"overlap_hours": 1}, format="json")
        body = answer.json()
        assert (answer.status_code, body["replaces"], body["scopes"]) == (201, own.pk, sorted(self.OWN))
        assert answer["Cache-Control"] == "no-store"
        assert answer["Location"] == f"/api/v1/tokens/{body['id']}"
        new = with_token(body["token"])
        assert new.get("/api/v1/tokens/self").json()["id"] == body["id"]
        assert client.get("/api/v1/tokens/self").json()["replaced_by"] == body["id"]
        row = AuditEvent.objects.get(verb="token.rotated")
        assert (row.subject_id, row.credential) == (own.pk, f"token {own.pk}")
        for path in (f"{body['id']}/rotate", f"{body['id']}/revoke"):
            assert new.post(f"/api/v1/tokens/{path}").status_code == 403
        again = client.post("/api/v1/tokens/self/rotate")
        assert (again.status_code, again.json()["code"]) == (409, "token_not_rotatable")

    def test_the_scope_is_asked_for(self, rest: Rest) -> None:
        answer = rest(Scope.DEVICES_READ, Scope.TOKENS_READ).post("/api/v1/tokens/self/rotate")
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
        assert "credentials:rotate-own" in answer.json()["error"]

    def test_it_goes_on_rotating_after_its_owner_has_lost_a_scope_of_it(self, rest: Rest) -> None:
        client = rest(*self.OWN)
        ApiToken.objects.update(scopes=[*self.OWN, "devices:fly"])
        made = client.post("/api/v1/tokens/self/rotate")
        assert made.status_code == 201
        assert "devices:fly" in made.json()["scopes"]
        assert "devices:fly" not in with_token(made.json()["token"]).get("/api/v1/me").json()["scopes"]

    def test_sent_again_under_its_key_it_shows_the_same_successor(self, rest: Rest) -> None:
        client = rest(*self.OWN)
        first, again = (
            client.post("/api/v1/tokens/self/rotate", headers={"Idempotency-Key": "once"}) for _ in range(2)
        )
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert again["Idempotency-Replayed"] == "true"
        assert ApiToken.objects.count() == 2

    def test_another_token_of_the_same_owner_is_never_shown_that_successor(self, rest: Rest) -> None:
        broad, narrow = rest(*self.OWN, Scope.DEVICES_DELETE), rest(*self.OWN)
        first, other = (
            client.post("/api/v1/tokens/self/rotate", headers={"Idempotency-Key": "once"}) for client in (broad, narrow)
        )
        assert (first.status_code, other.status_code) == (201, 201)
        assert other.json()["scopes"] == sorted(self.OWN)

    def test_nobody_without_a_token_is_shown_one(self, db: None) -> None:
        assert APIClient().get("/api/v1/tokens/self").status_code == 401

    @pytest.mark.parametrize("hours", [-1, 721, "1", True])
    def test_another_overlap_is_refused(self, rest: Rest, hours: object) -> None:
        answer = rest(*self.OWN).post("/api/v1/tokens/self/rotate", {"overlap_hours": hours}, format="json")
        assert (answer.status_code, list(answer.json()["invalid"])) == (400, ["overlap_hours"])

    @pytest.mark.django_db(transaction=True)
    def test_of_two_at_once_one_is_told_of_the_other(self, rest: Rest, at_once: Callable[..., list[Any]]) -> None:
        client = rest(*self.OWN)
        answers = at_once(*(lambda: client.post("/api/v1/tokens/self/rotate") for _ in range(2)))
        assert sorted(answer.status_code for answer in answers) == [201, 409]
        assert ApiToken.objects.count() == 2
