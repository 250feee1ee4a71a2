"""Buying an access token as a client of Insights Hub does (seed 003), and what is said to one that cannot."""

import base64
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import time_machine
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.actor import Actor
from portal.models import AuditEvent, Tenant
from portal.scopes import Scope
from tests.amount import many
from tokens import overlap, registration, switching, tenant_grants
from tokens.models import AppVersion
from tokens.overlap import Rotated

PATH = "/api/technicaltokenmanager/v3/oauth/token"
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
OWN = {"appName": "app1", "appVersion": "v1.0.0", "hostTenant": "main", "userTenant": "main"}
JSON = "application/json"

pytestmark = pytest.mark.django_db


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def key_of(issued: Rotated, secret: str | None = None) -> str:
    return encoded(f"{issued.holder.client_id}:{secret or issued.text}")


def ask(
    key: str | None, body: Any = OWN, *, query: str = "", media: str = JSON, method: str = "POST", **headers: str
) -> Any:
    """The answer to a token request with this value of X-SPACE-AUTH-KEY."""
    sent = {"X-SPACE-AUTH-KEY": key} if key is not None else {}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Client(headers={**sent, **headers}).generic(method, PATH + query, raw, media)


def refused(answer: Any, status: int, word: str) -> str:
    """The sentence of a no, after a look at its whole shape."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == JSON
    assert answer["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"errors"}
    [error] = body["errors"]
    assert set(error) == {"code", "logref", "message"}
    assert (error["code"], error["logref"]) == (f"mdsp.core.generic.{word}", answer["X-Request-Id"])
    assert answer.get("WWW-Authenticate") == ('Basic realm="gatehouse"' if status == 401 else None)
    sentence: str = error["message"]
    assert sentence[0].isupper() or sentence[0].islower()
    assert sentence.endswith(".")
    return sentence


@pytest.fixture
def issued(make_credential: Callable[..., Rotated]) -> Rotated:
    return make_credential()


@pytest.fixture
def in_operation(
    make_version: Callable[..., AppVersion], make_credential: Callable[..., Rotated], root: Actor
) -> Rotated:
    """Credentials of a version that the tenant `ops1` operates; the tenant `plant7` has granted it its data."""
    version = make_version()
    for name in ("ops1", "plant7", "plant8"):
        Tenant.objects.create(name=name)
    registration.transfer(version, "ops1", by=root)
    version.refresh_from_db()
    tenant_grants.give(version, "plant7", by=root)
    return make_credential(version)


class TestTheAnswer:
    def test_is_a_token_of_thirty_minutes(self, issued: Rotated) -> None:
        with time_machine.travel(NOON, tick=False):
            answer = ask(f"Bearer {key_of(issued)}", {"grant_type": "client_credentials", **OWN})
            assert answer.status_code == 200, answer.content
            body = answer.json()
            token = body.pop("access_token")
            claims = jwt.decode(token, options={"verify_signature": False})
            assert answer["Cache-Control"] == "no-store"
            assert body == {
                "token_type": "Bearer",
                "expires_in": 1800,
                "scope": "credentials:rotate-own users:read",
                "jti": claims["jti"],
                "timestamp": int(NOON.timestamp()) * 1000,
            }
            assert claims["sub"] == claims["client_id"] == claims["cid"] == claims["azp"] == "main-app1-v1.0.0"
            assert claims["scope"] == ["credentials:rotate-own", "users:read"]
            assert claims["exp"] == claims["iat"] + 1800
            assert "nbf" not in claims
            users = Client().get("/api/im/v3/Users", headers={"Authorization": f"Bearer {token}"})
        assert users.status_code == 200, users.content

    def test_can_be_had_by_the_query_alone(self, issued: Rotated) -> None:
        query = "?" + "&".join(f"{name}={value}" for name, value in OWN.items())
        assert ask(f"Basic {key_of(issued)}", b"", query=query).status_code == 200
        assert (
            ask(f"Basic {key_of(issued)}", b"", query=f"{query}&grant_type=client_credentials&x=1").status_code == 200
        )

    @pytest.mark.parametrize("media", [JSON, "", "text/plain", "application/x-www-form-urlencoded", "application/xml"])
    def test_does_not_depend_on_the_content_type(self, issued: Rotated, media: str) -> None:
        assert ask(f"Basic {key_of(issued)}", media=media).status_code == 200

    def test_ignores_what_existing_clients_send_besides(
        self, issued: Rotated, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            besides = {"json": True, "keyStoreClientId": [1], "keyStoreClientSecret": "hush-7f3a"}
            assert ask(f"Basic {key_of(issued)}", {**OWN, **besides}).status_code == 200
            assert ask(f"Basic {key_of(issued)}", {"keyStoreClientSecret": "hush-7f3a"}).status_code == 400
        assert "hush-7f3a" not in caplog.text

    def test_takes_the_grant_type_in_either_place(self, issued: Rotated) -> None:
        key = f"Basic {key_of(issued)}"
        query = "?" + "&".join(f"{name}={value}" for name, value in OWN.items())
        assert ask(key, query="?grant_type=client_credentials").status_code == 200
        assert ask(key, {"grant_type": "client_credentials"}, query=query).status_code == 200

    def test_costs_one_look_into_the_database(self, issued: Rotated) -> None:
        ask(f"Basic {key_of(issued)}")
        with CaptureQueriesContext(connection) as queries:
            assert ask(f"Basic {key_of(issued)}").status_code == 200
        assert len(queries) == 1, queries.captured_queries


class TestTheHeader:
    @pytest.mark.parametrize("scheme", ["Basic", "Bearer", "basic", "BEARER", "bEaReR"])
    @pytest.mark.parametrize("name", ["X-SPACE-AUTH-KEY", "Authorization"])
    def test_is_either_with_either_scheme_in_any_case(self, issued: Rotated, name: str, scheme: str) -> None:
        assert ask(None, **{name: f"{scheme} {key_of(issued)}"}).status_code == 200

    def test_of_the_original_goes_before_the_standard_one(self, issued: Rotated) -> None:
        good, bad = f"Basic {key_of(issued)}", f"Basic {encoded('no:body')}"
        assert ask(good, Authorization=bad).status_code == 200
        assert ask(bad, Authorization=good).status_code == 401

    @pytest.mark.parametrize("name", ["X-SPACE-AUTH-KEY", "Authorization"])
    def test_sent_twice_is_refused_before_anything_is_read_of_it(self, issued: Rotated, name: str) -> None:
        """The app server joins what was sent twice with a comma; tests/served sends it so."""
        good = f"Basic {key_of(issued)}"
        for value in (f"{good},{good}", f"{good}, Basic x"):
            assert name in refused(ask(None, **{name: value}), 400, "invalidParameter")

    def test_may_be_broken_by_white_space(self, issued: Rotated) -> None:
        key = key_of(issued)
        for value in (f"  Basic   {key} ", f"Basic {key[:76]} {key[76:]}", f"Bearer\t{key[:4]} \t {key[4:]}"):
            assert ask(value).status_code == 200

    def test_is_taken_in_both_alphabets_and_without_padding(self, issued: Rotated) -> None:
        key = key_of(issued)
        urlsafe = key.translate(str.maketrans("+/", "-_"))
        for value in (key, key.rstrip("="), urlsafe, urlsafe.rstrip("=")):
            assert ask(f"Basic {value}").status_code == 200
        for alphabet in ("-_", "+/"):  # A text whose base64 has both of the two characters that differ.
            value = base64.b64encode("a:~~~???ÿ>".encode(), alphabet.encode()).decode()
            assert "Unknown client id" in refused(ask(f"Basic {value}"), 401, "unauthorized")

    def test_that_is_absent_is_told_with_the_form_it_has(self) -> None:
        assert refused(ask(None), 401, "unauthorized") == (
            "Send your app credentials in a header: X-SPACE-AUTH-KEY: Basic <base64 of client-id:secret>."
        )

    @pytest.mark.parametrize("value", ["Basic $(echo -n a:b | base64)", "Bearer $(printf '%s' a:b | base64 -w0)"])
    def test_that_the_shell_did_not_run_is_told_so(self, value: str) -> None:
        assert refused(ask(value), 401, "unauthorized").endswith(
            "was sent as written: put the header into double quotes so that the shell runs the command."
        )

    @pytest.mark.parametrize(
        "value", ["", "Basic", "Basic ", "Digest YTpi", "YTpi", "Basic *", "Basic YTpi=YTpi", "Basic Y", "Basic a:b",
                  f"Basic {encoded(bytes([0xff, 0x3a]))}", "Basic ====", "Basic Ä"],
    )  # fmt: skip
    def test_that_cannot_be_decoded_is_told_so(self, value: str) -> None:
        sentence = refused(ask(value), 401, "unauthorized")
        assert "cannot be decoded" in sentence or "neither Basic nor Bearer" in sentence

    def test_without_a_colon_is_told_so(self) -> None:
        assert "has no ':'" in refused(ask(f"Basic {encoded('abc')}"), 401, "unauthorized")


class TestWhoHasNoLiveSecret:
    WRONG = "Unknown client id or wrong client secret."

    def test_is_told_the_same_whatever_is_wrong_and_costs_the_same(
        self, make_credential: Callable[..., Rotated], issued: Rotated
    ) -> None:
        other = make_credential(issued.holder.version, instance="two")
        ask(f"Basic {key_of(issued)}")
        costs = set()
        for text in (f"{issued.holder.client_id}:{other.text}", f"main-nobody-v1:{other.text}"):
            with CaptureQueriesContext(connection) as queries:
                assert refused(ask(f"Basic {encoded(text)}", b"no json"), 401, "unauthorized") == self.WRONG
            costs.add(len(queries))
        assert len(costs) == 1

    def test_costs_nothing_if_it_is_none_by_its_checksum(self, issued: Rotated) -> None:
        with CaptureQueriesContext(connection) as queries:
            for text in (":", f":{issued.text}", f"{issued.holder.client_id}:", "a:b:c", f"é:{issued.text}",
                         f"a\x00:{issued.text}", f"{issued.holder.client_id}:{issued.text[:-1]}!",
                         f"{issued.holder.client_id}:{issued.text}:x"):  # fmt: skip
                assert refused(ask(f"Basic {encoded(text)}"), 401, "unauthorized") == self.WRONG
        assert len(queries) == 0

    def test_learns_why_if_the_secret_was_the_right_one(self, issued: Rotated, root: Actor) -> None:
        key = f"Basic {key_of(issued)}"
        with time_machine.travel(NOON + timedelta(days=800)):
            assert "expired at" in refused(ask(key), 401, "unauthorized")
        switching.disable(issued.holder, by=root, reason="x")
        assert "disabled since" in refused(ask(key), 401, "unauthorized")
        switching.enable(issued.holder, by=root)
        newer = overlap.rotate(issued.holder, by=root, grace_hours=0)
        assert "ended by a rotation at" in refused(ask(key), 401, "unauthorized")
        assert ask(f"Basic {key_of(issued, newer.text)}").status_code == 200
        switching.revoke(issued.holder, by=root, reason="x")
        assert "revoked at" in refused(ask(f"Basic {key_of(issued, newer.text)}"), 401, "unauthorized")

    @pytest.mark.parametrize("later", ["revoked", "deleted"])
    def test_learns_what_ended_the_secret_though_its_credentials_went_later(
        self, make_credential: Callable[..., Rotated], root: Actor, later: str
    ) -> None:
        with time_machine.travel(NOON, tick=False):
            expired = make_credential(days=10)
            lapsed = make_credential(expired.holder.version, instance="two", days=30)
            overlap.rotate(lapsed.holder, by=root, grace_hours=24)
            live = make_credential(expired.holder.version, instance="three", days=30)
        with time_machine.travel(NOON + timedelta(days=11), tick=False):
            for each in (expired, lapsed, live):
                switching.revoke(each.holder, by=root, reason="x")
        with time_machine.travel(NOON + timedelta(days=12), tick=False):
            if later == "deleted":
                for each in (expired, lapsed, live):
                    switching.delete(each.holder, by=root)
            told = [refused(ask(f"Basic {key_of(each)}"), 401, "unauthorized") for each in (expired, lapsed, live)]
        went = f"and its credential was {later} later; ask for another."
        assert told == [
            f"This client secret expired at 2026-12-10 12:00:00 UTC, {went}",
            f"This client secret was ended by a rotation at 2026-12-01 12:00:00 UTC, {went}",
            "This client secret was revoked at 2026-12-11 12:00:00 UTC; ask for another.",
        ]

    def test_learns_that_it_was_deleted(self, issued: Rotated, root: Actor) -> None:
        switching.disable(issued.holder, by=root, reason="x")
        switching.delete(issued.holder, by=root)
        told = refused(ask(f"Basic {key_of(issued)}"), 401, "unauthorized")
        assert told.startswith("This client secret was deleted at ")

    def test_is_slowed_down_and_slows_nobody_who_has(
        self, make_credential: Callable[..., Rotated], issued: Rotated
    ) -> None:
        other = make_credential(issued.holder.version, instance="two")
        with time_machine.travel(NOON, tick=False):
            bad, good = f"Basic {key_of(issued, other.text)}", f"Basic {key_of(issued)}"
            for _ in range(10):
                refused(ask(bad), 401, "unauthorized")
            slowed = ask(bad)
            refused(slowed, 429, "tooManyRequests")
            assert int(slowed["Retry-After"]) == 60
            assert ask(good).status_code == 200
            refused(ask(bad), 429, "tooManyRequests")


class TestTheParameters:
    def test_that_are_missing_are_named_all_at_once(self, issued: Rotated) -> None:
        key = f"Basic {key_of(issued)}"
        assert refused(ask(key, {"appVersion": "v1.0.0"}), 400, "missingRequestBodyProperty") == (
            "appName, hostTenant, userTenant are missing; all four are required."
        )
        assert refused(ask(key, b"", query="?appName=a&hostTenant=b&userTenant="), 400, "missingParameter") == (
            "appVersion, userTenant are missing; all four are required."
        )
        refused(ask(key, {**OWN, "userTenant": ""}), 400, "missingRequestBodyProperty")
        refused(ask(key, b""), 400, "missingParameter")
        refused(ask(key, {}), 400, "missingRequestBodyProperty")

    @pytest.mark.parametrize(
        "body",
        [b"{", b"[]", b'"x"', b"null", b"\xff", b"{}x", b'{"appName":"a","appName":"b"}', b"\xef\xbb\xbf{}",
         b'{"appName":"\\ud800"}', b'{"appName":"\\u0000"}', b"[" * 2000, b'{"a":NaN}', b"a=b",
         json.dumps({**OWN, "grant_type": "password"}).encode(), json.dumps({**OWN, "grant_type": None}).encode(),
         json.dumps({**OWN, "appName": 1}).encode(), json.dumps({**OWN, "userTenant": None}).encode(),
         json.dumps({**OWN, "hostTenant": ["main"]}).encode(), json.dumps({**OWN, "appVersion": True}).encode(),
         json.dumps({**OWN, "caller_context": "x"}).encode(),
         json.dumps({**OWN, "caller_context_type": None}).encode()],
    )  # fmt: skip
    def test_must_be_texts_in_an_object(self, issued: Rotated, body: bytes) -> None:
        refused(ask(f"Basic {key_of(issued)}", body), 400, "invalidRequestBodyProperty")

    @pytest.mark.parametrize(
        "query",
        ["?grant_type=password", "?caller_context=x", "?caller_context_type=", "?appName=app1", "?userTenant=other",
         "?grant_type=client_credentials&grant_type=client_credentials"],
    )  # fmt: skip
    def test_are_not_mixed_nor_given_twice(self, issued: Rotated, query: str) -> None:
        refused(ask(f"Basic {key_of(issued)}", query=query), 400, "invalidParameter")

    def test_are_judged_only_once_the_credentials_are(self, issued: Rotated) -> None:
        for body in (b"{", b"", json.dumps({**OWN, "appName": "other"}).encode()):
            refused(ask(f"Basic {encoded('a:b')}", body), 401, "unauthorized")

    def test_are_not_served_as_multipart(self, issued: Rotated) -> None:
        media = "multipart/form-data; boundary=x"
        body = b'--x\r\nContent-Disposition: form-data; name="appName"\r\n\r\napp1\r\n--x--\r\n'
        refused(ask(f"Basic {key_of(issued)}", body, media=media), 415, "unsupportedMediaType")
        refused(ask(None, body, media=media), 401, "unauthorized")

    def test_are_at_most_16_kib(self, issued: Rotated) -> None:
        padded = json.dumps(OWN).encode().ljust(16 * 1024)
        assert ask(f"Basic {key_of(issued)}", padded).status_code == 200
        refused(ask(f"Basic {key_of(issued)}", padded + b" "), 413, "payloadTooLarge")
        refused(ask(None, padded + b" "), 413, "payloadTooLarge")

    @pytest.mark.parametrize(
        "method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO", "post", "delete"]
    )
    def test_are_posted(self, method: str) -> None:
        answer = ask(None, b"", method=method)
        assert (answer.status_code, answer["Allow"]) == (405, "POST")
        if method != "HEAD":
            told = refused(answer, 405, "methodNotAllowed")
            assert told.startswith(f"{method} is not served here; use POST.")
            assert ("Methods are written in capitals." in told) == method.islower()

    @pytest.mark.parametrize("path", [f"{PATH}/", "/api/technicaltokenmanager/v3/oauth/Token", f"/gateway{PATH}"])
    def test_have_one_path(self, issued: Rotated, path: str) -> None:
        answer = Client(headers={"X-SPACE-AUTH-KEY": f"Basic {key_of(issued)}"}).post(path, OWN, JSON)
        assert answer.status_code == 404
        if path.startswith("/api/"):
            refused(answer, 404, "noMatch")


class TestWhatCredentialsAreFor:
    @pytest.mark.parametrize(
        ("sent", "sentence"),
        [
            ({"appName": "App1"}, "These credentials belong to appName app1, not App1."),
            ({"appVersion": "v1.1.0"}, "These credentials belong to appVersion v1.0.0, not v1.1.0."),
            ({"hostTenant": "other"}, "These credentials belong to hostTenant main, not other."),
            ({"appName": "x", "appVersion": "y", "hostTenant": "z"},
             "These credentials belong to appName app1, not x."),
            ({"hostTenant": "z", "userTenant": "z"}, "These credentials belong to hostTenant main, not z."),
            ({"appName": "a" * 100}, "These credentials belong to appName app1, not what was sent."),
            ({"appName": "a\u202eb"}, "These credentials belong to appName app1, not what was sent."),
            ({"userTenant": "plant7"},
             "These credentials are for development, so userTenant can only be their host tenant, main."),
        ],
    )  # fmt: skip
    def test_is_said_to_their_holder(self, issued: Rotated, sent: dict[str, str], sentence: str) -> None:
        assert refused(ask(f"Basic {key_of(issued)}", {**OWN, **sent}), 403, "forbidden") == sentence

    def test_in_operation_is_the_data_of_tenants_that_granted_it(self, in_operation: Rotated, root: Actor) -> None:
        key, own = f"Basic {key_of(in_operation)}", {**OWN, "hostTenant": "ops1"}
        assert ask(key, {**own, "userTenant": "ops1"}).status_code == 200
        bought = ask(key, {**own, "userTenant": "plant7"})
        claims = jwt.decode(bought.json()["access_token"], options={"verify_signature": False})
        assert (claims["tenant"], claims["ten"]) == ("plant7", "plant7")
        sentences = {
            refused(ask(key, {**own, "userTenant": name}), 403, "forbidden").replace(name, "X")
            for name in ("plant8", "nowhere", "main")
        }
        assert len(sentences) == 1
        for odd in ("Ä", "a\tb", "x" * 10_000, "PLANT7", "plant7 "):
            refused(ask(key, {**own, "userTenant": odd}), 403, "forbidden")
        refused(ask(key, b"", query="?appName=app1&appVersion=v1.0.0&hostTenant=ops1&userTenant=%00"), 403, "forbidden")

    def test_asks_for_the_grant_only_where_it_needs_one(self, in_operation: Rotated) -> None:
        key, own = f"Basic {key_of(in_operation)}", {**OWN, "hostTenant": "ops1"}
        ask(key, {**own, "userTenant": "ops1"})
        for tenant, looks in (("ops1", 1), ("plant7", 2)):
            with CaptureQueriesContext(connection) as queries:
                assert ask(key, {**own, "userTenant": tenant}).status_code == 200
            assert len(queries) == looks


class TestTheForm:
    """RFC 6749 4.4."""

    FORM = "application/x-www-form-urlencoded"

    def asked(self, issued: Rotated | None, form: bytes, query: str = "", **headers: str) -> Any:
        sent = {"Authorization": f"Basic {key_of(issued)}"} if issued else {}
        return ask(None, form, query=query, media=self.FORM, **{**sent, **headers})

    def refused(self, answer: Any, status: int, word: str) -> str:
        assert answer.status_code == status, answer.content
        assert set(answer.json()) == {"error", "error_description"}
        assert answer.json()["error"] == word
        assert answer.get("WWW-Authenticate") == ('Basic realm="gatehouse"' if status == 401 else None)
        assert answer["Cache-Control"] == "no-store"
        return str(answer.json()["error_description"])

    def test_needs_only_the_grant_type(self, issued: Rotated) -> None:
        answer = self.asked(issued, b"grant_type=client_credentials")
        assert answer.status_code == 200, answer.content
        assert answer.json()["scope"] == "credentials:rotate-own users:read"
        assert (answer["Cache-Control"], answer.json()["token_type"]) == ("no-store", "Bearer")

    def test_narrows_the_scope(self, issued: Rotated) -> None:
        answer = self.asked(issued, b"grant_type=client_credentials&scope=users%3Aread")
        claims = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
        assert (answer.json()["scope"], claims["scope"]) == ("users:read", ["users:read"])
        assert self.asked(issued, b"grant_type=client_credentials&scope=").json()["scope"].count(":") == 2

    @pytest.mark.parametrize(
        ("form", "word"),
        [
            (b"scope=users:read", "invalid_request"),
            (b"grant_type=password", "unsupported_grant_type"),
            (b"grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
            (b"grant_type=client_credentials&scope=devices:read", "invalid_scope"),
            (b"grant_type=client_credentials&scope=users:read+nonsense", "invalid_scope"),
            (b"grant_type=client_credentials&scope=%20", "invalid_scope"),
            (b"grant_type=client_credentials&scope=+%09", "invalid_scope"),
            (b"grant_type=client_credentials&scope=" + b"users:read+" * 101, "invalid_scope"),
            (b"grant_type=client_credentials&caller_context=x", "invalid_request"),
            (b"grant_type=client_credentials&client_secret=x", "invalid_request"),
            (b"grant_type=client_credentials&appName=other", "unauthorized_client"),
            (b"grant_type=client_credentials&userTenant=other", "unauthorized_client"),
            (b"grant_type=client_credentials&appName=%ff", "invalid_request"),
            (b"\xff", "invalid_request"),
            (b"[]", "invalid_request"),
        ],
    )
    def test_that_is_wrong_is_told_in_the_words_of_the_standard(self, issued: Rotated, form: bytes, word: str) -> None:
        assert self.refused(self.asked(issued, form), 400, word).endswith(".")

    def test_of_too_many_fields_is_told_how_many_are_taken(self, issued: Rotated) -> None:
        form = b"grant_type=client_credentials" + b"&a" * 99
        assert self.asked(issued, form).status_code == 200
        assert "at most 100 are taken" in self.refused(self.asked(issued, form + b"&a"), 400, "invalid_request")
        beside = self.asked(issued, form, "?" + "&".join(["a"] * 1001))
        assert "at most 1000 are taken" in self.refused(beside, 400, "invalid_request")
        in_query = ask(f"Basic {key_of(issued)}", b"", query="?" + "&".join(["a"] * 1001))
        assert "at most 1000 are taken" in refused(in_query, 400, "invalidParameter")

    def test_that_is_too_large_is_told_so_in_the_words_of_the_standard(self, issued: Rotated) -> None:
        form = b"grant_type=client_credentials&x=".ljust(16 * 1024, b"x")
        assert self.asked(issued, form).status_code == 200
        self.refused(self.asked(issued, form + b"x"), 413, "invalid_request")
        self.refused(self.asked(None, form + b"x"), 413, "invalid_request")
        as_form = json.dumps(OWN).encode().ljust(16 * 1024 + 1)
        refused(ask(f"Basic {key_of(issued)}", as_form, media=self.FORM), 413, "payloadTooLarge")

    @pytest.mark.parametrize("query", ["?userTenant=other", "?scope=users:read", "?caller_context=x", "?grant_type=x"])
    def test_leaves_nothing_to_the_query(self, issued: Rotated, query: str) -> None:
        self.refused(self.asked(issued, b"grant_type=client_credentials", query), 400, "invalid_request")

    def test_without_live_credentials_is_a_401(self, issued: Rotated, root: Actor) -> None:
        form = b"grant_type=client_credentials"
        told = self.refused(self.asked(None, form), 401, "invalid_client")
        assert told == "Send your app credentials in a header: Authorization: Basic <base64 of client-id:secret>."
        self.refused(self.asked(None, form, Authorization=f"Basic {encoded('a:b')}"), 401, "invalid_client")
        switching.disable(issued.holder, by=root, reason="x")
        assert "disabled since" in self.refused(self.asked(issued, form), 401, "invalid_client")

    def test_opens_other_tenants_by_name(self, in_operation: Rotated) -> None:
        default = self.asked(in_operation, b"grant_type=client_credentials").json()["access_token"]
        other = self.asked(in_operation, b"grant_type=client_credentials&userTenant=plant7").json()["access_token"]
        tenants = [jwt.decode(each, options={"verify_signature": False})["tenant"] for each in (default, other)]
        assert tenants == ["ops1", "plant7"]


class TestFaults:
    def test_a_database_that_is_gone_is_a_503(self, issued: Rotated) -> None:
        def gone(*_: Any, **__: Any) -> Any:
            raise OperationalError("gone")

        with connection.execute_wrapper(gone):
            answer = ask(f"Basic {key_of(issued)}")
            refused(answer, 503, "serviceUnavailable")
            assert int(answer["Retry-After"]) > 0
            form = ask(f"Basic {key_of(issued)}", b"grant_type=client_credentials", media=TestTheForm.FORM)
        assert (form.status_code, form.json()["error"]) == (503, "temporarily_unavailable")

    def test_no_token_request_is_in_the_history_but_the_first(self, issued: Rotated) -> None:
        for _ in range(3):
            ask(f"Basic {key_of(issued)}")
        events = AuditEvent.objects.filter(verb__startswith="credential.").order_by("number")
        verbs = list(events.values_list("verb", flat=True))
        assert verbs == ["credential.issued", "credential.secret_first_used"]

    @settings(max_examples=many(60), suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def test_nothing_that_is_sent_is_a_fault(self, issued: Rotated, data: st.DataObject) -> None:
        anything = st.binary(max_size=60).map(lambda raw: raw.decode("latin-1"))
        keys = st.one_of(
            anything,
            st.binary(max_size=120).map(lambda raw: f"Basic {encoded(raw)}"),
            st.text(max_size=40).map(lambda text: f"Bearer {encoded(text.encode('utf-8', 'replace'))}"),
            st.just(f"Basic {key_of(issued)}"),
        )
        values = st.one_of(st.text(max_size=20), st.none(), st.integers(), st.just("main"), st.just("app1"))
        members = st.dictionaries(st.sampled_from([*OWN, "grant_type", "caller_context", "x"]), values)
        bodies = st.one_of(st.binary(max_size=100), members.map(lambda body: json.dumps(body).encode()), st.just(b""))
        media = data.draw(st.sampled_from([JSON, "", TestTheForm.FORM, "multipart/form-data; boundary=x"]))
        key = data.draw(st.none() | keys)
        query = data.draw(st.sampled_from(["", "?", "?appName=%ff&userTenant=%00", "?appName=app1", "?a=b&a=c"]))
        answer = ask(key, data.draw(bodies), query=query, media=media)
        assert answer.status_code in (200, 400, 401, 403, 415, 429)
        if answer.status_code != 200:
            assert ("errors" in answer.json()) != ("error" in answer.json())
            assert (answer.status_code == 401) == ("WWW-Authenticate" in answer)


def test_scopes_of_the_token_are_those_of_the_credentials(make_version: Any, make_credential: Any) -> None:
    version = make_version(scopes=(Scope.USERS_READ, Scope.DEVICES_READ))
    issued = make_credential(version, scopes=[Scope.DEVICES_READ], rotate_own=False)
    assert ask(f"Basic {key_of(issued)}").json()["scope"] == "devices:read"


class TestFlood:
    """Whoever is over the limit is answered early; every other request is judged as always."""

    @pytest.fixture(autouse=True)
    def _over(self, issued: Rotated, make_credential: Callable[..., Rotated]) -> None:
        self.wrong = make_credential(issued.holder.version, instance="other").text
        for _ in range(40):
            answer = self.guess(issued)
        assert answer.status_code == 429
        self.answer = answer

    def guess(self, issued: Rotated, address: str = "192.0.2.9") -> Any:
        key = f"Bearer {key_of(issued, self.wrong)}"
        return Client(REMOTE_ADDR=address).generic(
            "POST", PATH, json.dumps(OWN), JSON, headers={"X-SPACE-AUTH-KEY": key}
        )

    def test_the_early_answer_is_the_usual_one(self, issued: Rotated) -> None:
        message = refused(self.answer, 429, "tooManyRequests")
        assert message.startswith("Too many failed attempts from this address")
        assert 1 <= int(self.answer["Retry-After"]) <= 60
        assert self.answer["Cache-Control"] == "no-store"
        assert self.answer["X-Request-Id"]

    def test_a_right_secret_goes_on(self, issued: Rotated) -> None:
        headers = {"X-SPACE-AUTH-KEY": f"Bearer {key_of(issued)}"}
        client = Client(REMOTE_ADDR="192.0.2.9")
        assert client.generic("POST", PATH, json.dumps(OWN), JSON, headers=headers).status_code == 200
        assert client.generic("POST", PATH, "{", JSON, headers=headers).status_code == 400

    @pytest.mark.parametrize("length", ["²", "-1", "1e3", "9" * 5000])
    def test_a_length_that_is_none_is_no_server_error(self, issued: Rotated, length: str) -> None:
        client = Client(REMOTE_ADDR="192.0.2.9", headers={"X-SPACE-AUTH-KEY": f"Bearer {key_of(issued, self.wrong)}"})
        answer = client.generic("POST", PATH, json.dumps(OWN), JSON, CONTENT_LENGTH=length)
        refused(answer, 413, "payloadTooLarge")

    def test_another_address_is_told_as_always(self, issued: Rotated) -> None:
        assert self.guess(issued, "198.51.100.7").status_code == 401
