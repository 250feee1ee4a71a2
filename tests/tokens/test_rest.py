"""API tokens over REST: one's owner's own, shown once, never broader than the token that asks."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from portal.actor import Actor
from portal.models import User
from portal.scopes import Scope
from tokens import ending, issuing
from tokens.models import ApiToken

TOKENS = "/api/v1/tokens"
WANTED = {"name": "ci", "scopes": ["devices:read"], "days": 30}


@pytest.fixture
def client(rest: Callable[..., APIClient]) -> APIClient:
    return rest(Scope.TOKENS_READ, Scope.TOKENS_MANAGE, Scope.DEVICES_READ)


def test_a_token_is_issued_with_its_address_and_shown_once(client: APIClient) -> None:
    answer = client.post(TOKENS, WANTED, format="json")
    body = answer.json()
    assert answer.status_code == 201
    assert answer["Location"] == f"{TOKENS}/{body['id']}"
    assert answer["Cache-Control"] == "no-store"
    assert APIClient(headers={"Authorization": f"Bearer {body['token']}"}).get("/api/v1/devices").status_code == 200
    again = client.get(answer["Location"])
    assert "token" not in again.json()
    assert body["token"] not in again.content.decode()
    assert (again.json()["owner"], again.json()["state"]) == ("ada", "live")


@pytest.mark.parametrize(
    ("other", "member"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": 5}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": "devices:read"}, "scopes"),
        ({"scopes": {"devices:read": True}}, "scopes"),
        ({"scopes": ["devices:fly"]}, "scopes.0"),
        ({"scopes": [["devices:read"]]}, "scopes.0"),
        ({"scopes": [None]}, "scopes.0"),
        ({"days": "30"}, "days"),
        ({"days": True}, "days"),
        ({"days": 30.0}, "days"),
        ({"days": 0}, "days"),
        ({"days": -1}, "days"),
        ({"days": 1000}, "days"),
        ({"days": 10**400}, "days"),
        ({"owner": "otto"}, "owner"),
    ],
)
def test_a_wrong_member_is_named_and_nothing_issued(client: APIClient, other: dict[str, Any], member: str) -> None:
    before = ApiToken.objects.count()
    answer = client.post(TOKENS, {**WANTED, **other}, format="json")
    assert answer.status_code == 400
    assert [name.partition(".")[0] for name in answer.json()["invalid"]] == [member.partition(".")[0]]
    assert ApiToken.objects.count() == before


def test_a_scope_that_the_asking_token_does_not_hold_is_refused_by_name(client: APIClient) -> None:
    answer = client.post(TOKENS, {**WANTED, "scopes": ["devices:read", "devices:delete"]}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_too_broad")
    assert "devices:delete" in answer.json()["error"]
    assert ApiToken.objects.count() == 1


def test_the_tokens_of_others_are_not_there(client: APIClient, viewer: User, root: Actor) -> None:
    token, _ = issuing.issue("hers", [Scope.DEVICES_READ], owner=viewer, days=1, by=root)
    assert client.get(f"{TOKENS}/{token.pk}").status_code == 404
    assert client.post(f"{TOKENS}/{token.pk}/revoke").status_code == 404
    assert [entry["name"] for entry in client.get(TOKENS).json()["results"]] == ["test"]
    token.refresh_from_db()
    assert token.revoked_at is None


def test_a_token_that_was_revoked_stays_so(client: APIClient) -> None:
    made = client.post(TOKENS, WANTED, format="json").json()
    first = client.post(f"{TOKENS}/{made['id']}/revoke", {"reason": "lost"}, format="json")
    assert (first.status_code, first.json()["state"], first.json()["revoked_by"]) == (200, "revoked", "token test")
    second = client.post(f"{TOKENS}/{made['id']}/revoke")
    assert (second.status_code, second.json()["code"]) == (409, "token_revoked")
    assert "was revoked by token test at" in second.json()["error"]


def test_a_token_may_end_itself(client: APIClient) -> None:
    own = ApiToken.objects.get()
    assert client.post(f"{TOKENS}/{own.pk}/revoke").status_code == 200
    assert client.get(TOKENS).status_code == 401


def test_a_disabled_token_is_shown_as_disabled(client: APIClient, root: Actor) -> None:
    made = client.post(TOKENS, WANTED, format="json").json()
    ending.disable(ApiToken.objects.get(pk=made["id"]), by=root)
    assert client.get(f"{TOKENS}/{made['id']}").json()["state"] == "disabled"
