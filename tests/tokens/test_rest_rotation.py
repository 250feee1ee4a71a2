"""Rotating, disabling and binding tokens over the native REST, and who the caller is."""

from collections.abc import Callable

from rest_framework.test import APIClient

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
