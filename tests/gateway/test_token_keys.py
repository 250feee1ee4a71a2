"""The published keys: what existing clients of Insights Hub read at /token_keys, and the JWKS."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.db import OperationalError, connection
from django.test import Client

from portal.actor import Actor
from tokens import key_rotation, signing

TOKEN_KEYS, JWKS = "/token_keys", "/.well-known/jwks.json"
BOTH = pytest.mark.parametrize("path", [TOKEN_KEYS, JWKS])
BY = Actor.command("test")
MEMBERS = {"kid", "kty", "alg", "use", "n", "e"}


@pytest.fixture
def client(db: None) -> Client:
    signing.ensure_active(by=BY)
    return Client()


def token() -> str:
    now = int(time.time())
    return signing.sign({"iss": "us", "aud": "here", "jti": "1", "iat": now, "exp": now + 60})


def test_token_keys_has_the_members_that_clients_read(client: Client) -> None:
    answer = client.get(TOKEN_KEYS)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "no-store"
    [key] = answer.json()["keys"]
    assert set(key) == MEMBERS | {"value"}
    assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")
    assert key["value"].startswith("-----BEGIN PUBLIC KEY-----\n")


def test_the_jwks_has_the_same_keys_without_pem_and_may_be_kept_five_minutes(client: Client) -> None:
    answer = client.get(JWKS)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "max-age=300"
    [key] = answer.json()["keys"]
    assert set(key) == MEMBERS
    assert key["kid"] == client.get(TOKEN_KEYS).json()["keys"][0]["kid"]


def test_a_client_verifies_a_token_as_clients_do(client: Client) -> None:
    """With the PEM of the first entry, whose kid must be the token's; or with the JWKS."""
    bought = token()
    first = client.get(TOKEN_KEYS).json()["keys"][0]
    assert jwt.get_unverified_header(bought)["kid"] == first["kid"]
    pem: Any = load_pem_public_key(first["value"].encode())
    by_jwks = jwt.PyJWKSet.from_dict(client.get(JWKS).json())[first["kid"]]
    for key in (pem, by_jwks):
        assert jwt.decode(bought, key, ["RS256"], audience="here", issuer="us")["jti"] == "1"


@BOTH
def test_the_key_that_signs_is_first_at_every_moment_of_a_rotation(client: Client, path: str) -> None:
    def states() -> list[str]:
        kids = [key["kid"] for key in client.get(path).json()["keys"]]
        assert kids[0] == jwt.get_unverified_header(token())["kid"]
        of = {each.kid: each.state for each in key_rotation.ring()}
        return [of[kid] for kid in kids]

    assert states() == ["active"]
    key_rotation.begin(by=BY)
    assert states() == ["active", "next"]
    now = datetime.now(UTC) + timedelta(minutes=10)
    key_rotation.go_on(by=BY, now=now)
    assert states() == ["active", "retiring"]
    key_rotation.begin(by=BY)
    assert states() == ["active", "next", "retiring"]
    key_rotation.go_on(by=BY, now=now + timedelta(minutes=10))
    assert states() == ["active", "retiring", "retiring"]
    key_rotation.go_on(by=BY, now=now + timedelta(hours=25))
    assert states() == ["active"]


@BOTH
@pytest.mark.parametrize("authorization", ["", "Bearer nonsense", "Basic eDp5", "Bearer gate_pat_x"])
def test_it_is_open_whatever_is_shown(client: Client, path: str, authorization: str) -> None:
    assert client.get(path, headers={"Authorization": authorization}).status_code == 200


@BOTH
@pytest.mark.parametrize("query", ["?", "?x=1", "?x=1&x=2"])
def test_a_query_is_ignored(client: Client, path: str, query: str) -> None:
    assert client.get(path + query).status_code == 200


@BOTH
@pytest.mark.parametrize("host", ["localhost", "ten1.piam.example", "10.0.0.7:8443"])
def test_it_answers_on_every_host(client: Client, path: str, host: str) -> None:
    assert client.get(path, headers={"Host": host}).status_code == 200


@BOTH
def test_head_is_served_and_everything_else_is_405_in_the_dialects_shape(client: Client, path: str) -> None:
    assert client.head(path).status_code == 200
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        answer = client.generic(method, path, b"{", content_type="application/json")
        assert answer.status_code == 405
        assert answer["Allow"] == "GET, HEAD"
        [error] = answer.json()["errors"]
        assert error["code"] == "mdsp.core.generic.methodNotAllowed"
        assert error["message"].endswith(".")
        assert error["logref"] == answer["X-Request-Id"]


@pytest.mark.parametrize(
    "path", ["/token_keys/", "/Token_keys", "/token_keysx", "/.well-known/jwks.json/", "/.well-known/jwksxjson"]
)
def test_another_spelling_is_another_address(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


@BOTH
def test_without_a_database_it_is_503_and_says_when_to_come_again(client: Client, path: str) -> None:
    def gone(*_: Any) -> None:
        raise OperationalError("the server closed the connection unexpectedly")

    signing.forget_ring()
    refuse: Callable[..., Any] = gone
    with connection.execute_wrapper(refuse):
        answer = client.get(path)
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert answer.json()["errors"][0]["code"] == "mdsp.core.generic.serviceUnavailable"
