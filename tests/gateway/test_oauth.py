"""The standard OAuth doors: metadata (RFC 8414), introspection (RFC 7662) and revocation (RFC 7009)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import time_machine
from django.conf import settings as configured
from django.db import OperationalError, connection
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from devices import denial
from devices.models import Device
from gateway import routes
from portal.actor import Actor
from portal.models import AuditEvent, Tenant, User
from portal.scopes import Scope
from tests.amount import many
from tests.gateway.test_insights_token import ask, encoded, key_of
from tokens import (
    access_tokens,
    ending,
    gateway_liveness,
    gateway_logins,
    gateway_users,
    installing,
    issuing,
    overlap,
    registration,
    shown_secrets,
    signing,
    switching,
)
from tokens.models import ApiToken, AppVersion, InstalledApp, Revocation
from tokens.overlap import Rotated

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
FORM = "application/x-www-form-urlencoded"
DEAD = {"active": False}

pytestmark = pytest.mark.django_db


@pytest.fixture
def issued(make_credential: Callable[..., Rotated]) -> Rotated:
    return make_credential()


@pytest.fixture
def in_another_tenant(make_version: Callable[..., AppVersion], make_credential: Callable[..., Rotated]) -> Rotated:
    return make_credential(make_version(app="app9", tenant="ten9"))


@pytest.fixture
def on_device(make_version: Callable[..., AppVersion], make_device: Callable[..., Device], root: Actor) -> Rotated:
    make_device("press-1", status="accepted")
    return installing.install(make_version(app="vision"), "press-1", by=root)


def token_of(issued: Rotated) -> str:
    answer = ask(None, b"grant_type=client_credentials", media=FORM, Authorization=f"Basic {key_of(issued)}")
    return str(answer.json()["access_token"])


def edge_token_of(installed: Rotated) -> str:
    return str(access_tokens.for_device(shown_secrets.of_installation(installed.text, address="192.0.2.7")))


def post(path: str, token: str | bytes | None, by: Rotated | str | None = None, media: str = FORM) -> Any:
    """The answer to a form with this token, asked with app credentials, with a bearer token, or by nobody."""
    headers = {}
    if by is not None:
        headers["Authorization"] = f"Bearer {by}" if isinstance(by, str) else f"Basic {key_of(by)}"
    raw = b"" if token is None else b"token=" + (token.encode() if isinstance(token, str) else token)
    return Client(headers=headers).generic("POST", path, raw, media)


def introspect(token: str | bytes | None, by: Rotated | str | None = None, **how: Any) -> Any:
    return post("/oauth/introspect", token, by, **how)


def revoke(token: str | bytes | None, by: Rotated | str | None = None, **how: Any) -> Any:
    return post("/oauth/revoke", token, by, **how)


def is_live(token: str, by: Rotated | str) -> bool:
    answer = introspect(token, by)
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert body["active"] or body == DEAD
    return bool(body["active"])


def refused(answer: Any, status: int, word: str) -> str:
    assert answer.status_code == status, answer.content
    assert set(answer.json()) == {"error", "error_description"}
    assert answer.json()["error"] == word
    assert ("WWW-Authenticate" in answer) == (status in (401, 403))
    assert answer["Cache-Control"] == "no-store"
    sentence = str(answer.json()["error_description"])
    assert sentence.endswith((".", "'"))
    return sentence


class TestMetadata:
    def test_says_where_the_doors_are(self) -> None:
        answer = Client().get("/.well-known/oauth-authorization-server")
        url = configured.PUBLIC_URL
        assert answer.json() == {
            "issuer": url,
            "token_endpoint": f"{url}/api/technicaltokenmanager/v3/oauth/token",
            "jwks_uri": f"{url}/.well-known/jwks.json",
            "introspection_endpoint": f"{url}/oauth/introspect",
            "revocation_endpoint": f"{url}/oauth/revoke",
            "scopes_supported": list(Scope),
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
            "revocation_endpoint_auth_methods_supported": ["client_secret_basic"],
        }

    def test_tells_a_stranger_nothing_of_the_services_behind_the_gateway(self, root: Actor) -> None:
        routes.make(prefix="hidden", target="http://10.0.0.5", by=root, tried=True)
        assert "hidden" not in Client().get("/.well-known/oauth-authorization-server").content.decode()

    def test_is_open_even_to_who_shows_nonsense(self) -> None:
        headers = {"Authorization": "Bearer nonsense"}
        assert Client(headers=headers).get("/.well-known/oauth-authorization-server").status_code == 200

    def test_names_paths_that_are_served(self) -> None:
        document = Client().get("/.well-known/oauth-authorization-server").json()
        for name in ("token_endpoint", "introspection_endpoint", "revocation_endpoint"):
            assert Client().post(document[name].removeprefix(configured.PUBLIC_URL)).status_code != 404
        assert Client().get(document["jwks_uri"].removeprefix(configured.PUBLIC_URL)).status_code == 200


class TestIntrospection:
    def test_takes_scopes_as_a_list_and_as_words_in_one_text(self, issued: Rotated) -> None:
        good = jwt.decode(token_of(issued), options={"verify_signature": False})
        for scope, told in (("users:read devices:read", "users:read"), ("", ""), (["users:read"], "users:read")):
            answer = introspect(signing.sign({**good, "scope": scope}), issued)
            assert (answer.status_code, answer.json()["scope"]) == (200, told)

    def test_shows_a_live_token_to_its_client(self, issued: Rotated) -> None:
        with time_machine.travel(NOON, tick=False):
            token = token_of(issued)
            claims = jwt.decode(token, options={"verify_signature": False})
            answer = introspect(token, issued)
        assert answer.status_code == 200
        assert answer["Cache-Control"] == "no-store"
        assert answer.json() == {
            "active": True,
            "scope": "credentials:rotate-own users:read",
            "client_id": "main-app1-v1.0.0",
            "sub": "main-app1-v1.0.0",
            "aud": ["gateway", "portal"],
            "iss": configured.PUBLIC_URL,
            "iat": int(NOON.timestamp()),
            "exp": int(NOON.timestamp()) + 1800,
            "jti": claims["jti"],
            "token_type": "Bearer",
            "tenant": "main",
        }

    def test_shows_clients_of_the_own_host_tenant_alone(
        self, issued: Rotated, in_another_tenant: Rotated, rest: Callable[..., APIClient]
    ) -> None:
        ours, theirs = token_of(issued), token_of(in_another_tenant)
        seen = [is_live(token, by) for token in (ours, theirs) for by in (issued, in_another_tenant)]
        assert seen == [True, False, False, True]
        person = rest(Scope.TOKENS_INTROSPECT)
        for token in (ours, theirs):
            assert person.post("/oauth/introspect", f"token={token}", content_type=FORM).json()["active"] is True

    def test_goes_by_the_host_and_not_by_whose_data_it_opens(
        self, make_version: Callable[..., AppVersion], make_credential: Callable[..., Rotated], root: Actor
    ) -> None:
        version = make_version(app="guest")
        Tenant.objects.create(name="ops1")
        registration.transfer(version, "ops1", by=root)
        version.refresh_from_db()
        hosted, neighbour = make_credential(version), make_credential(version, instance="two")
        assert is_live(token_of(hosted), neighbour)
        assert not is_live(token_of(hosted), make_credential())

    def test_shows_the_token_of_an_app_on_a_device(self, on_device: Rotated, issued: Rotated, root: Actor) -> None:
        token = edge_token_of(on_device)
        seen = introspect(token, issued).json()
        assert seen["active"] is True
        assert seen["client_id"] == seen["sub"] == f"app:{on_device.holder.pk}"
        assert seen["aud"] == ["edge", "gateway"]
        denial.deny(Device.objects.get(), by=root)
        assert not is_live(token, issued)

    def test_shows_what_a_gateway_user_bought_to_who_may_see_all_until_the_password_is_another(
        self, issued: Rotated, rest: Callable[..., APIClient], root: Actor
    ) -> None:
        gateway_users.add("ann", by=root, scopes=["gateway:line"], audience="plant")
        token = gateway_logins.issue("ann", by=root).text
        claims = jwt.decode(token, options={"verify_signature": False})
        person = rest(Scope.TOKENS_INTROSPECT)

        def seen() -> dict[str, Any]:
            answer = person.post("/oauth/introspect", f"token={token}", content_type=FORM)
            assert answer.status_code == 200
            told: dict[str, Any] = answer.json()
            return told

        assert seen() == {
            "active": True,
            "scope": "gateway:line",
            "client_id": claims["sub"],
            "sub": claims["sub"],
            "aud": ["plant"],
            "iss": configured.PUBLIC_URL,
            "iat": claims["iat"],
            "exp": claims["exp"],
            "jti": claims["jti"],
            "token_type": "Bearer",
        }
        assert not is_live(token, issued)
        refused(revoke(token, issued), 400, "unauthorized_client")
        with time_machine.travel(datetime.now(UTC) + timedelta(hours=2)):
            assert gateway_liveness.claims(token) is None
        gateway_users.add("ann", by=root)
        assert seen() == DEAD
        token = gateway_logins.issue("ann", by=root).text
        assert seen()["active"] is True
        gateway_users.delete("ann", by=root)
        assert seen() == DEAD

    def test_shows_what_an_api_token_bought_while_that_is_live(
        self, issued: Rotated, rest: Callable[..., APIClient], administrator: User, root: Actor
    ) -> None:
        bought, shown = issuing.issue("line", ["gateway:line"], owner=administrator, days=1, by=root)
        buyer = APIClient(headers={"Authorization": f"Bearer {shown}"})
        token = buyer.post("/api/v1/access-tokens").json()["access_token"]
        by = rest(Scope.TOKENS_INTROSPECT)

        def seen() -> dict[str, Any]:
            told: dict[str, Any] = by.post("/oauth/introspect", f"token={token}", content_type=FORM).json()
            return told

        assert (seen()["active"], seen()["scope"], seen()["sub"]) == (True, "gateway:line", f"token:{bought.pk}")
        assert not is_live(token, issued)
        with time_machine.travel(datetime.now(UTC) + timedelta(minutes=16)):
            assert gateway_liveness.claims(token) is None
        ending.revoke(bought, by=root)
        assert seen() == DEAD
        for nonsense in ("x", "a.b.c", token[:-4], f"{token}x"):
            assert gateway_liveness.claims(nonsense) is None

    def test_shows_nothing_of_what_is_dead(
        self, make_credential: Callable[..., Rotated], issued: Rotated, root: Actor
    ) -> None:
        asker = make_credential(issued.holder.version, instance="asker")
        token = token_of(issued)
        switching.disable(issued.holder, by=root, reason="x")
        assert not is_live(token, asker)
        switching.enable(issued.holder, by=root)
        assert is_live(token, asker)
        with time_machine.travel(datetime.now(UTC) + timedelta(minutes=31)):
            assert not is_live(token, asker)
        overlap.rotate(issued.holder, by=root, end_tokens=True)
        assert not is_live(token, asker)
        switching.revoke(issued.holder, by=root, reason="x")
        assert not is_live(token, asker)

    def test_shows_nothing_of_what_is_no_access_token(
        self, issued: Rotated, on_device: Rotated, administrator: User, root: Actor
    ) -> None:
        api_token = issuing.issue("x", [Scope.USERS_READ], owner=administrator, days=1, by=root)[1]
        foreign = signing.sign({"sub": "x", "aud": "portal", "iss": "https://elsewhere", "exp": 2**40, "iat": 1})
        for token in (api_token, on_device.text, issued.text, foreign, "x", "a.b.c", "ÿ", "%00", token_of(issued)[:-3]):
            assert introspect(token, issued).json() == DEAD

    def test_narrows_the_scope_to_what_is_held_now(self, issued: Rotated) -> None:
        token = token_of(issued)
        type(issued.holder).objects.update(scopes=[Scope.USERS_READ])
        assert introspect(token, issued).json()["scope"] == "users:read"

    def test_needs_a_caller(self, issued: Rotated, rest: Callable[..., APIClient], root: Actor) -> None:
        token = token_of(issued)
        nobody = introspect(token)
        refused(nobody, 401, "invalid_client")
        assert nobody["WWW-Authenticate"] == 'Basic realm="gatehouse", Bearer realm="gatehouse"'
        refused(introspect(token, "gate_pat_nonsense"), 401, "invalid_token")
        refused(introspect(token, "a.b.c"), 401, "invalid_token")
        for value in ("Basic", "Basic x", f"Basic {encoded('a:b')}", f"Basic {key_of(issued)}x"):
            answer = Client(headers={"Authorization": value}).post("/oauth/introspect", f"token={token}", FORM)
            refused(answer, 401, "invalid_client")
            assert answer["WWW-Authenticate"] == 'Basic realm="gatehouse"'
        other = rest(*(scope for scope in Scope if scope != Scope.TOKENS_INTROSPECT))
        narrow = other.post("/oauth/introspect", f"token={token}", content_type=FORM)
        assert "tokens:introspect" in refused(narrow, 403, "insufficient_scope")
        switching.disable(issued.holder, by=root, reason="x")
        refused(introspect(token, issued), 401, "invalid_client")

    def test_slows_down_who_guesses(self, make_credential: Callable[..., Rotated], issued: Rotated) -> None:
        other = make_credential(issued.holder.version, instance="two")
        guess = {"Authorization": f"Basic {key_of(issued, other.text)}"}
        with time_machine.travel(NOON, tick=False):
            for _ in range(10):
                refused(Client(headers=guess).post("/oauth/introspect", "token=x", FORM), 401, "invalid_client")
            slowed = Client(headers=guess).post("/oauth/introspect", "token=x", FORM)
        assert (slowed.status_code, slowed["Retry-After"]) == (429, "60")


@pytest.mark.parametrize("door", [introspect, revoke])
class TestForms:
    def test_hold_one_token(self, issued: Rotated, door: Callable[..., Any]) -> None:
        for raw in (None, b"", b"a&token=b", b"a&x=%ff", b"a&b" + b"&c=d" * 200):
            refused(door(raw, issued), 400, "invalid_request")
        refused(door("x", issued, media="application/json"), 400, "invalid_request")
        refused(door("x" * 17_000, issued), 413, "invalid_request")
        assert door("x&token_type_hint=nonsense&y=z", issued).status_code == 200

    def test_are_posted_to_one_path(self, issued: Rotated, door: Callable[..., Any]) -> None:
        path = f"/oauth/{door.__name__}"
        answer = Client().get(path)
        refused(answer, 405, "invalid_request")
        assert answer["Allow"] == "POST"
        assert Client().post(f"{path}/").status_code == 404

    def test_are_not_believed_while_the_database_is_gone(self, issued: Rotated, door: Callable[..., Any]) -> None:
        def gone(*_: Any, **__: Any) -> Any:
            raise OperationalError("gone")

        token = token_of(issued)
        with connection.execute_wrapper(gone):
            answer = door(token, issued)
        refused(answer, 503, "temporarily_unavailable")
        assert int(answer["Retry-After"]) > 0

    @settings(max_examples=many(60), suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def test_of_whatever_text_are_no_fault(
        self, issued: Rotated, door: Callable[..., Any], data: st.DataObject
    ) -> None:
        token = token_of(issued)
        pieces = st.sampled_from([*token.split("."), "", "e30", "bnVsbA", "W10", "eyJhbGciOiJub25lIn0", "ÿ"])
        good = jwt.decode(token, options={"verify_signature": False})
        changes = st.dictionaries(
            st.sampled_from(["sub", "iat", "jti", "aud", "grant", "scope", "tenant", "client_id", "device"]),
            st.one_of(st.none(), st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=2)),
        )
        texts = st.one_of(
            st.binary(max_size=80),
            st.lists(pieces, min_size=1, max_size=5).map(lambda each: ".".join(each).encode()),
            st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace")),
            changes.map(lambda changed: signing.sign({**good, **changed}).encode()),
        )
        answer = door(data.draw(texts), issued)
        assert answer.status_code in (200, 400)
        if door is introspect and answer.status_code == 200:
            assert answer.json() == DEAD or answer.json()["active"] is True


class TestRevocation:
    def test_ends_a_token_by_the_client_it_was_issued_to(self, issued: Rotated) -> None:
        token, other = token_of(issued), token_of(issued)
        claims = jwt.decode(token, options={"verify_signature": False})
        answer = revoke(token, issued)
        assert (answer.status_code, answer.content) == (200, b"")
        assert [is_live(each, issued) for each in (token, other)] == [False, True]
        assert Client(headers={"Authorization": f"Bearer {token}"}).get("/api/im/v3/Users").status_code == 401
        assert revoke(token, issued).status_code == 200
        row = AuditEvent.objects.get(verb="access_token.revoked")
        assert (row.actor_kind, row.actor, row.subject_id) == ("app", "main-app1-v1.0.0", claims["jti"])
        named = Revocation.objects.get()
        assert (named.kind, named.value) == ("jti", claims["jti"])
        assert named.until >= datetime.fromtimestamp(claims["exp"], UTC)
        assert token not in str(list(AuditEvent.objects.values()))

    def test_is_for_no_other_client(self, make_credential: Callable[..., Rotated], issued: Rotated) -> None:
        other = make_credential(issued.holder.version, instance="two")
        token = token_of(issued)
        refused(revoke(token, other), 400, "unauthorized_client")
        assert is_live(token, issued)

    def test_is_asked_for_with_app_credentials_alone(self, issued: Rotated, viewer: User, root: Actor) -> None:
        token = token_of(issued)
        _, api_token = issuing.issue("x", [Scope.DEVICES_READ], owner=viewer, days=1, by=root)
        for by in (None, token, api_token):
            answer = revoke(token, by)
            sentence = refused(answer, 401, "invalid_client")
            assert "'Authorization: Basic'" in sentence
            assert "API token" not in sentence
            assert answer["WWW-Authenticate"] == 'Basic realm="gatehouse"'
        assert is_live(token, issued)

    def test_of_an_edge_token_is_for_no_client_of_a_secret(self, issued: Rotated, on_device: Rotated) -> None:
        refused(revoke(edge_token_of(on_device), issued), 400, "unauthorized_client")

    def test_of_what_is_unknown_or_dead_is_a_success(self, issued: Rotated, root: Actor) -> None:
        token = token_of(issued)
        switching.disable(issued.holder, by=root, reason="x")
        switching.enable(issued.holder, by=root)
        assert revoke(token, issued).status_code == 200
        for text in (token, "x", "a.b.c", "gate_pat_x", "gate_nothing_at_all", "%00"):
            assert revoke(text, issued).status_code == 200
        assert AuditEvent.objects.filter(verb="access_token.revoked").count() == 1

    def test_of_a_client_secret_is_not_served(self, issued: Rotated) -> None:
        for by in (None, issued):
            refused(revoke(issued.text, by), 400, "unsupported_token_type")
        assert is_live(token_of(issued), issued)

    def test_of_an_api_token_is_for_whoever_holds_it(self, viewer: User, root: Actor) -> None:
        """It holds no right to manage tokens, and may come from elsewhere only: found on the street it still ends."""
        token, text = issuing.issue(
            "x", [Scope.DEVICES_READ], owner=viewer, days=1, by=root, addresses=["203.0.113.0/24"]
        )
        assert revoke(text).status_code == 200
        token.refresh_from_db()
        assert token.revoked_at is not None
        row = AuditEvent.objects.get(verb="token.revoked")
        assert (row.actor_kind, row.actor, row.reason) == ("token", "x", "presented for revocation by its holder")
        assert revoke(text).status_code == 200
        assert AuditEvent.objects.filter(verb="token.revoked").count() == 1

    def test_ends_an_api_token_that_is_only_disabled(self, viewer: User, root: Actor) -> None:
        token, text = issuing.issue("x", [Scope.DEVICES_READ], owner=viewer, days=1, by=root)
        ending.disable(token, by=root)
        assert revoke(text).status_code == 200
        assert ApiToken.objects.get().revoked_at is not None

    def test_ends_no_api_token_by_its_id_alone(self, viewer: User, root: Actor) -> None:
        _, text = issuing.issue("x", [Scope.DEVICES_READ], owner=viewer, days=1, by=root)
        _, other = issuing.issue("y", [Scope.DEVICES_READ], owner=viewer, days=1, by=root)
        ApiToken.objects.filter(name="y").update(digest="0" * 64)
        with time_machine.travel(NOON, tick=False):
            answers = [revoke(other).status_code for _ in range(11)]
        assert answers == [200] * 10 + [429]
        assert not ApiToken.objects.exclude(revoked_at=None)
        assert revoke(text[:-1] + ("a" if text[-1] != "a" else "b")).status_code == 200
        assert not ApiToken.objects.exclude(revoked_at=None)

    def test_of_an_app_token_is_for_whoever_holds_it(self, on_device: Rotated, issued: Rotated) -> None:
        bought = edge_token_of(on_device)
        assert revoke(on_device.text).status_code == 200
        assert InstalledApp.objects.get().revoked_at is not None
        assert not is_live(bought, issued)
        assert revoke(on_device.text).status_code == 200
        assert AuditEvent.objects.filter(verb="installation.revoked").count() == 1

    @pytest.mark.parametrize("state", ["disabled", "pending"])
    def test_ends_an_app_token_that_would_be_good_again(self, on_device: Rotated, root: Actor, state: str) -> None:
        if state == "disabled":
            switching.disable(on_device.holder, by=root, reason="x")
        else:
            Device.objects.update(status="pending")
        assert revoke(on_device.text).status_code == 200
        assert InstalledApp.objects.get().revoked_at is not None

    def test_with_credentials_that_are_wrong_ends_nothing(self, issued: Rotated, viewer: User, root: Actor) -> None:
        _, text = issuing.issue("x", [Scope.DEVICES_READ], owner=viewer, days=1, by=root)
        headers = {"Authorization": f"Basic {encoded('a:b')}"}
        refused(Client(headers=headers).post("/oauth/revoke", f"token={text}", FORM), 401, "invalid_client")
        assert ApiToken.objects.get().revoked_at is None
