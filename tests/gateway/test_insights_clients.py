"""An app's own client (Insights Hub): it looks at itself and rotates its secret, and does so to no other."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from portal.actor import Actor
from portal.models import AuditEvent
from portal.scopes import Scope
from tests.amount import many
from tests.gateway.test_insights_token import ask, key_of
from tokens import overlap, switching
from tokens.models import AppCredential, CredentialSecret
from tokens.overlap import Rotated

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
ID = "main-app1-v1.0.0"
CLIENTS = "/api/identitymanagement/v3/provider/oauth/clients/"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Any:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def issued(make_credential: Callable[..., Rotated]) -> Rotated:
    return make_credential()


@pytest.fixture
def token(issued: Rotated) -> str:
    return str(ask(f"Basic {key_of(issued)}").json()["access_token"])


def call(
    method: str, token: str, secret: str | None = None, body: Any = b"{}", *, of: str = ID, to: str = "/secrets"
) -> Any:
    """The answer to a call of a client's secrets, of the app's own unless told otherwise."""
    shown = {"Current-Secret": secret} if secret is not None else {}
    headers = {"Authorization": f"Bearer {token}", **shown}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Client(headers=headers).generic(method, f"{CLIENTS}{of}{to}", raw, "application/json")


def refused(answer: Any, status: int, word: str) -> str:
    assert answer.status_code == status, answer.content
    [error] = answer.json()["errors"]
    assert (error["code"], error["logref"]) == (f"mdsp.core.generic.{word}", answer["X-Request-Id"])
    assert ("WWW-Authenticate" in answer) == (status in (401, 403) and answer["WWW-Authenticate"].startswith("Bearer"))
    return str(error["message"])


def buys(issued: Rotated, text: str) -> bool:
    status: int = ask(f"Basic {key_of(issued, text)}").status_code
    return status == 200


def test_a_client_sees_itself_under_both_addresses(issued: Rotated, token: str, clock: Any) -> None:
    expected = {
        "clientId": ID,
        "name": "app1",
        "authorizedGrantTypes": ["client_credentials"],
        "redirectUri": [],
        "authorities": ["credentials:rotate-own", "users:read"],
        "scopes": [],
        "lastModified": int(NOON.timestamp()) * 1000,
        "secretCreationTimes": [int(NOON.timestamp()) * 1000],
    }
    for address in (CLIENTS, "/api/im/v3/provider/oauth/clients/"):
        answer = Client(headers={"Authorization": f"Bearer {token}"}).get(address + ID)
        assert (answer.status_code, answer.json()) == (200, expected)
        assert answer["Cache-Control"] == "no-store"
    clock.shift(timedelta(minutes=5))
    assert call("POST", token, issued.text).status_code == 200
    later = int(NOON.timestamp()) * 1000 + 300_000
    seen = call("GET", token, to="").json()
    assert seen == {**expected, "secretCreationTimes": [expected["lastModified"], later]}


def test_a_second_secret_leaves_the_first_until_its_expiry_at_most_30_days(issued: Rotated, token: str) -> None:
    answer = call("POST", token, issued.text)
    assert (answer.status_code, set(answer.json())) == (200, {"secret"})
    assert answer["Cache-Control"] == "no-store"
    assert buys(issued, issued.text)
    assert buys(issued, answer.json()["secret"])
    old = CredentialSecret.objects.get(pk=issued.secret.pk)
    assert old.ends_at == NOON + timedelta(days=30)
    assert "two live secrets" in refused(call("POST", token, issued.text), 400, "invalidParameter")


def test_one_that_expires_before_is_not_prolonged(make_credential: Callable[..., Rotated]) -> None:
    issued = make_credential(days=3)
    token = ask(f"Basic {key_of(issued)}").json()["access_token"]
    assert call("POST", token, issued.text).status_code == 200
    assert CredentialSecret.objects.get(pk=issued.secret.pk).end == NOON + timedelta(days=3)


def test_a_replacement_ends_every_older_one_at_once(issued: Rotated, token: str) -> None:
    second = call("POST", token, issued.text).json()["secret"]
    third = call("PUT", token, issued.text).json()["secret"]
    assert [buys(issued, text) for text in (issued.text, second, third)] == [False, False, True]
    fourth = call("PUT", token, third).json()["secret"]
    assert [buys(issued, text) for text in (third, fourth)] == [False, True]
    assert call("GET", token, to="").status_code == 200  # What had been bought lives on.


def test_the_older_one_ends_and_the_last_never_does(issued: Rotated, token: str) -> None:
    second = call("POST", token, issued.text).json()["secret"]
    assert buys(issued, issued.text)
    answer = call("DELETE", token, issued.text)
    assert (answer.status_code, answer.content) == (204, b"")
    assert [buys(issued, text) for text in (issued.text, second)] == [False, True]
    assert "one secret only" in refused(call("DELETE", token, second), 400, "invalidParameter")
    refused(call("DELETE", token, issued.text), 401, "unauthorized")


def test_who_has_the_token_alone_ends_no_secret(issued: Rotated, token: str) -> None:
    second = call("POST", token, issued.text).json()["secret"]
    for shown in (None, "", "x"):
        refused(call("DELETE", token, shown), 401, "unauthorized")
    assert [buys(issued, text) for text in (issued.text, second)] == [True, True]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_who_shows_no_live_secret_gets_none(
    issued: Rotated, token: str, root: Actor, method: str, make_credential: Callable[..., Rotated]
) -> None:
    other = make_credential(issued.holder.version, instance="two")
    retired, live = issued.text, overlap.rotate(issued.holder, by=root, grace_hours=0).text
    for secret in (None, "", "x", other.text, retired, f"{live},{live}", f"{ID}:{live}"):
        refused(call(method, token, secret), 401, "unauthorized")
    assert CredentialSecret.objects.filter(holder=issued.holder).count() == 2


def test_wrong_secrets_are_slowed_down(issued: Rotated, token: str, make_credential: Callable[..., Rotated]) -> None:
    other = make_credential(issued.holder.version, instance="two")
    for _ in range(10):
        refused(call("POST", token, other.text), 401, "unauthorized")
    slowed = call("POST", token, other.text)
    refused(slowed, 429, "tooManyRequests")
    assert slowed["Retry-After"] == "60"
    assert call("POST", token, issued.text).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("body", [{"newSecret": "mine"}, {"newSecret": None}, b"{", b"[]", b"\xff"])
def test_a_secret_is_made_here_and_nowhere_else(issued: Rotated, token: str, method: str, body: Any) -> None:
    refused(call(method, token, issued.text, body), 400, "invalidRequestBodyProperty")
    assert CredentialSecret.objects.count() == 1


@pytest.mark.parametrize("body", [b"", b"{}", {"other": 1}])
def test_a_body_needs_nothing(issued: Rotated, token: str, body: Any) -> None:
    assert call("POST", token, issued.text, body).status_code == 200


def test_it_works_on_the_tokens_own_client_only(
    issued: Rotated, token: str, rest: Callable[..., APIClient], make_credential: Callable[..., Rotated]
) -> None:
    other = make_credential(issued.holder.version, instance="two")
    for of in (other.holder.client_id, "nobody", ID.upper(), issued.holder.pk, "%00", "x" * 3000):
        for method, to in (("GET", ""), ("POST", "/secrets"), ("PUT", "/secrets"), ("DELETE", "/secrets")):
            refused(call(method, token, other.text, of=of, to=to), 400, "invalidParameter")
    persons = rest(Scope.CREDENTIALS_ROTATE_OWN, Scope.CREDENTIALS_MANAGE)
    refused(persons.get(f"{CLIENTS}{ID}"), 400, "invalidParameter")
    refused(persons.post(f"{CLIENTS}{ID}/secrets", {}, format="json"), 400, "invalidParameter")


def test_it_needs_the_scope(make_credential: Callable[..., Rotated]) -> None:
    issued = make_credential(rotate_own=False)
    token = ask(f"Basic {key_of(issued)}").json()["access_token"]
    for method, to in (("GET", ""), ("POST", "/secrets"), ("PUT", "/secrets"), ("DELETE", "/secrets")):
        assert "credentials:rotate-own" in refused(call(method, token, issued.text, to=to), 403, "forbidden")
    nobody = Client().get(f"{CLIENTS}{ID}")
    refused(nobody, 401, "unauthorized")


def test_a_token_that_is_refused_does_nothing(issued: Rotated, token: str, root: Actor) -> None:
    switching.disable(issued.holder, by=root, reason="x")
    refused(call("POST", token, issued.text), 401, "unauthorized")


def test_the_history_names_the_client(issued: Rotated, token: str) -> None:
    new = call("POST", token, issued.text).json()["secret"]
    call("POST", token, issued.text)
    call("DELETE", token, new)
    call("DELETE", token, new)
    rows = AuditEvent.objects.filter(actor_kind="app", actor=ID).order_by("number")
    assert list(rows.values_list("verb", flat=True)) == [
        "credential.secret_first_used",
        "credential.rotated",
        "credential.rotate_refused",
        "credential.secret_first_used",
        "credential.overlap_ended",
        "credential.end_overlap_refused",
    ]
    assert new not in str(list(AuditEvent.objects.values()))


@pytest.mark.parametrize("to", ["/", "/secrets/", "/secrets/x", "/other"])
def test_other_addresses_are_nobodys(token: str, to: str) -> None:
    refused(call("GET", token, to=to), 404, "noMatch")


def test_methods_that_are_not_served_are_named(token: str) -> None:
    for to, allowed in (("", "GET"), ("/secrets", "DELETE, POST, PUT")):
        answer = call("PATCH", token, to=to)
        refused(answer, 405, "methodNotAllowed")
        assert ", ".join(sorted(set(answer["Allow"].split(", ")) - {"HEAD"})) == allowed


@pytest.mark.django_db(transaction=True)
def test_of_two_rotations_at_once_one_is_told(make_credential: Any, at_once: Callable[..., list[Any]]) -> None:
    issued = make_credential()
    token = ask(f"Basic {key_of(issued)}").json()["access_token"]
    answers = at_once(*[lambda: call("POST", token, issued.text).status_code] * 2)
    assert sorted(answers) == [200, 400]
    assert AppCredential.objects.get().secrets.filter(slot__isnull=False).count() == 2


@settings(max_examples=many(60), suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["POST", "PUT", "DELETE"]),
    secret=st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=80),
    body=st.binary(max_size=60),
)
def test_nothing_that_is_sent_is_a_fault(issued: Rotated, token: str, method: str, secret: str, body: bytes) -> None:
    answer = call(method, token, secret, body)
    assert answer.status_code in (400, 401, 429)
    assert answer.json()["errors"]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_replace_one_secret_at_once_the_second_is_told(
    issued: Rotated, token: str, at_once: Callable[..., list[Any]]
) -> None:
    answers = at_once(*(lambda: call("PUT", token, issued.text) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 401]
    (given,) = [answer.json()["secret"] for answer in answers if answer.status_code == 200]
    assert buys(issued, given)


def test_what_a_client_gives_itself_lives_no_longer_than_what_it_was_given(
    make_credential: Callable[..., Rotated], issued: Rotated
) -> None:
    short = make_credential(issued.holder.version, instance="short", days=5)
    rotated = overlap.rotate(short.holder, by=Actor.command("test"), shown=short.secret.pk)
    assert rotated.secret.expires_at - rotated.secret.created_at == timedelta(days=5)
