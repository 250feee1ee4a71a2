"""Gateway users at the addresses of EdgeX's secret store (seed 004): every answer as documented, and every no."""

import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from django.db import OperationalError, connection
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from portal.actor import Actor
from portal.models import User
from portal.scopes import Scope
from tests.amount import many
from tokens import gateway_users, issuing, secret, signing
from tokens.models import UserPassLogin

LOGIN = "/vault/v1/auth/userpass/login/"
TOKEN = "/vault/v1/identity/oidc/token/"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
BY = Actor.command("adduser")
ENVELOPE = ["request_id", "lease_id", "renewable", "lease_duration", "data", "wrap_info", "warnings", "auth"]
PARSE, MISSING = "failed to parse JSON input", "missing password"
WRONG, DENIED = "invalid username or password", "permission denied"
UNSUPPORTED, NOWHERE = "unsupported operation", "no handler for route"

pytestmark = pytest.mark.django_db


@pytest.fixture
def password() -> str:
    """Of ann."""
    return gateway_users.add("ann", by=BY).password


@pytest.fixture
def ask(client: Client) -> Callable[..., Any]:
    """A login; a body that is no bytes is sent as JSON."""

    def call(body: Any, user: str = "ann", *, content_type: str = FORM, method: str = "POST") -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.generic(method, LOGIN + user, raw, content_type=content_type)

    return call


@pytest.fixture
def log_in(ask: Callable[..., Any], password: str) -> Callable[[], str]:
    """The client token of ann."""

    def call() -> str:
        answer = ask({"password": password})
        assert answer.status_code == 200
        return str(answer.json()["auth"]["client_token"])

    return call


@pytest.fixture
def buy(client: Client) -> Callable[..., Any]:
    def call(user: str = "ann", **headers: str) -> Any:
        return client.get(TOKEN + user, headers={name.replace("_", "-"): text for name, text in headers.items()})

    return call


def refused(answer: Any) -> tuple[int, str]:
    """Status and words of a refusal, which has nothing else."""
    body = answer.json()
    assert list(body) == ["errors"]
    [words] = body["errors"]
    assert answer["X-Request-Id"]
    return answer.status_code, words


class TestLogin:
    @pytest.mark.parametrize("method", ["POST", "PUT"])
    @pytest.mark.parametrize("content_type", [FORM, JSON, "", "text/plain", "multipart/form-data; boundary=x"])
    def test_is_answered_in_the_envelope_whatever_the_content_type(
        self, ask: Callable[..., Any], password: str, method: str, content_type: str
    ) -> None:
        answer = ask({"password": password}, "ANN", method=method, content_type=content_type)
        assert answer.status_code == 200
        assert answer["Cache-Control"] == "no-store"
        assert answer["Content-Type"] == JSON
        body = answer.json()
        login = UserPassLogin.objects.get()
        auth = body.pop("auth")
        client_token = auth.pop("client_token")
        assert secret.parse("gate_usr", client_token) == login.pk
        assert body == {
            "request_id": answer["X-Request-Id"],
            "lease_id": "",
            "renewable": False,
            "lease_duration": 0,
            "data": None,
            "wrap_info": None,
            "warnings": None,
        }
        assert auth == {
            "accessor": login.pk,
            "policies": ["default"],
            "token_policies": ["default"],
            "metadata": {"username": "ann"},
            "lease_duration": 3600,
            "renewable": False,
            "entity_id": str(login.account.subject),
            "token_type": "service",
            "orphan": True,
            "num_uses": 0,
        }

    def test_other_members_and_a_query_are_ignored(self, ask: Callable[..., Any], password: str) -> None:
        assert ask({"password": password, "token_ttl": 1, "x": [None]}, "ann?x=1&x=2").status_code == 200

    def test_4_kib_are_read_and_more_are_413(self, ask: Callable[..., Any], password: str) -> None:
        body = json.dumps({"password": password}).encode()
        assert ask(body.ljust(4096)).status_code == 200
        assert refused(ask(body.ljust(4097))) == (413, "The body is over 4096 bytes; send less.")

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"", PARSE),
            (b"password=x", PARSE),
            (b"{", PARSE),
            (b"[]", PARSE),
            (b'"x"', PARSE),
            (b"null", PARSE),
            (b"\xff", PARSE),
            (b'{"password": NaN}', PARSE),
            (b'{"password": "x", "password": "y"}', PARSE),
            (b'{"password": "\\ud800"}', PARSE),
            (b'{"password": "\\u0000"}', PARSE),
            (b"[" * 4000, PARSE),
            (b"{}", MISSING),
            (b'{"Password": "x"}', MISSING),
            (b'{"password": null}', MISSING),
            (b'{"password": ""}', MISSING),
            (b'{"password": 30}', MISSING),
            (b'{"password": ["x"]}', MISSING),
            (b'{"password": "x"}', WRONG),
        ],
    )
    def test_what_is_wrong_is_told_in_the_words_of_the_original(
        self, ask: Callable[..., Any], password: str, body: bytes, words: str
    ) -> None:
        assert refused(ask(body)) == (400, words)

    @pytest.mark.parametrize("user", ["bob", "a%20b", "%00", "%C3%A9", "x" * 300, "ann%0A"])
    def test_an_unknown_user_is_told_the_same(self, ask: Callable[..., Any], password: str, user: str) -> None:
        assert refused(ask({"password": password}, user)) == (400, WRONG)

    def test_who_fails_too_often_waits(self, ask: Callable[..., Any], password: str) -> None:
        assert [refused(ask({"password": "x"})) for _ in range(5)] == [(400, WRONG)] * 5
        waits = ask({"password": "x"})
        assert refused(waits) == (429, "too many failed logins from this address, try again in 1 s")
        assert waits["Retry-After"] == "1"
        assert ask({"password": password}).status_code == 429
        assert ask({"password": password}, "bob").status_code == 400

    def test_a_body_that_is_no_try_does_not_count(self, ask: Callable[..., Any], password: str) -> None:
        assert {ask(b"{}").status_code for _ in range(30)} == {400}
        assert ask({"password": password}).status_code == 200

    @settings(max_examples=many(60), suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=300) | st.builds(lambda text: json.dumps({"password": text}).encode(), st.text()))
    def test_no_body_is_a_fault(self, body: bytes) -> None:
        answer = Client().generic("POST", LOGIN + "nobody", body, content_type=FORM)
        assert answer.status_code in (400, 429)
        assert list(answer.json()) == ["errors"]


class TestToken:
    def test_is_answered_in_the_envelope(self, buy: Callable[..., Any], log_in: Callable[[], str]) -> None:
        client_token = log_in()
        answer = buy("Ann", X_Vault_Token=client_token)
        assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
        body = answer.json()
        assert list(body) == ENVELOPE
        data = body.pop("data")
        assert body == {
            "request_id": answer["X-Request-Id"],
            "lease_id": "",
            "renewable": False,
            "lease_duration": 0,
            "wrap_info": None,
            "warnings": None,
            "auth": None,
        }
        assert (set(data), data["client_id"], data["ttl"]) == ({"client_id", "token", "ttl"}, "edgex", 3600)
        claims = signing.verified(data["token"], audience="edgex", issuer="https://localhost:8443")
        assert set(claims) == {"iss", "sub", "aud", "iat", "exp", "jti", "grant", "name", "scope"}
        assert claims["exp"] - claims["iat"] == 3600
        assert abs(claims["iat"] - time.time()) < 60

    def test_the_client_token_comes_in_one_header_or_the_other_or_both(
        self, buy: Callable[..., Any], log_in: Callable[[], str]
    ) -> None:
        shown = log_in()
        for headers in (
            {"X_Vault_Token": shown},
            {"Authorization": f"Bearer {shown}"},
            {"Authorization": f"bearer {shown}"},
            {"X_Vault_Token": shown, "Authorization": f"Bearer {shown}"},
        ):
            assert buy(**headers).status_code == 200
        other = log_in()
        assert refused(buy(X_Vault_Token=shown, Authorization=f"Bearer {other}")) == (400, "two different tokens")

    @pytest.mark.parametrize("shown", ["", "x", "gate_usr_abcdefghijkl_x", "a,b", "\u00e9"])
    def test_without_one_that_is_good_it_is_denied(self, buy: Callable[..., Any], password: str, shown: str) -> None:
        assert refused(buy()) == (403, DENIED)
        assert refused(buy(X_Vault_Token=shown)) == (403, DENIED)
        assert refused(buy(Authorization=f"Bearer {shown}")) == (403, DENIED)
        assert refused(buy(Authorization=f"Basic {shown}")) == (403, DENIED)

    def test_one_of_another_user_or_of_an_old_password_is_denied_too(
        self, buy: Callable[..., Any], log_in: Callable[[], str], ask: Callable[..., Any]
    ) -> None:
        shown = log_in()
        gateway_users.add("bob", by=BY)
        assert refused(buy("bob", X_Vault_Token=shown)) == (403, DENIED)
        gateway_users.add("ann", by=BY)
        assert refused(buy(X_Vault_Token=shown)) == (403, DENIED)
        assert refused(buy("ann", X_Vault_Token=secret.generate("gate_usr").text)) == (403, DENIED)

    def test_an_api_token_is_none(self, buy: Callable[..., Any], password: str, administrator: User) -> None:
        _, shown = issuing.issue("x", [Scope.GATEWAY_ALL], owner=administrator, days=1, by=BY)
        assert refused(buy(X_Vault_Token=shown)) == (403, DENIED)

    def test_the_audience_is_the_one_that_was_chosen(self, ask: Callable[..., Any], buy: Callable[..., Any]) -> None:
        password = gateway_users.add("ann", audience="gateway", by=BY).password
        shown = ask({"password": password}).json()["auth"]["client_token"]
        data = buy(X_Vault_Token=shown).json()["data"]
        claims = jwt.decode(data["token"], options={"verify_signature": False})
        assert (data["client_id"], claims["aud"]) == ("gateway", "gateway")


class TestElsewhere:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "DELETE", "OPTIONS", "TRACE", "LIST"])
    def test_another_method_of_a_login_is_405(self, client: Client, method: str) -> None:
        answer = client.generic(method, LOGIN + "ann")
        assert (answer.status_code, answer["Allow"]) == (405, "POST, PUT")
        if method != "HEAD":
            assert refused(answer) == (405, UNSUPPORTED)

    @pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "PATCH", "DELETE", "OPTIONS", "TRACE", "LIST"])
    def test_another_method_of_a_token_is_405(self, client: Client, method: str) -> None:
        answer = client.generic(method, TOKEN + "ann")
        assert (answer.status_code, answer["Allow"]) == (405, "GET")
        if method != "HEAD":
            assert refused(answer) == (405, UNSUPPORTED)

    @pytest.mark.parametrize(
        "path",
        [
            "/vault", "/vault/", "/vault/v1/", "/vault/v1/sys/health", "/vault/v1/auth/userpass/login",
            "/vault/v1/auth/userpass/login/", "/vault/v1/auth/userpass/login/ann/", "/vault/v2/auth/userpass/login/ann",
            "/vault/v1/auth/userpass/login/a/b", "/vault/v1/identity/oidc/token/", "/vault/v1/auth/token/lookup-self",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("method", ["GET", "POST", "LIST", "DELETE"])
    def test_another_path_is_404(self, client: Client, path: str, method: str) -> None:
        assert refused(client.generic(method, path, b"{}", content_type=JSON)) == (404, NOWHERE)

    def test_what_only_begins_alike_is_none_of_them(self, client: Client) -> None:
        assert client.get("/vaults/v1").json().keys() == {"error", "code", "request_id"}

    def test_a_database_that_does_not_answer_is_told_in_the_same_shape(
        self, client: Client, ask: Callable[..., Any], password: str
    ) -> None:
        def gone(*_: Any) -> Any:
            raise OperationalError("gone")

        with connection.execute_wrapper(gone):
            answer = ask({"password": password})
        assert refused(answer) == (503, "The database does not answer; nothing was changed, try again.")
        assert answer["Retry-After"] == "5"


def test_what_a_gateway_user_holds_opens_nothing_of_the_portal(
    buy: Callable[..., Any], log_in: Callable[[], str]
) -> None:
    client_token = log_in()
    token = buy(X_Vault_Token=client_token).json()["data"]["token"]
    for shown in (client_token, token):
        for path in ("/api/v1/me", "/api/v1/routes", "/api/v1/devices"):
            assert APIClient().get(path, headers={"Authorization": f"Bearer {shown}"}).status_code == 401
