"""Whom a gateway route lets through: tokens, scopes, methods, bodies and rates, each with its own no."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.receiver import Receiver
from tests.served.gateway import Gateway
from tests.served.http2 import Http2
from tests.served.installation import settled, wait_for

BEARER = 'Bearer realm="gatehouse"'
# Claims of a token that is signed with the right key.
CLAIMS: dict[str, dict[str, Any]] = {
    "good": {},
    "list of scopes": {"scope": ["a", "gateway:line"], "gateway_scope": "gateway:line"},
    "list of scopes alone": {"scope": ["a", "gateway:line"]},
    "one scope of several": {"scope": "a gateway:line b"},
    "every scope": {"scope": "gateway:*"},
    "edgex": {"aud": "edgex"},
    "one audience of several": {"aud": ["x", "gateway"]},
    "of nobody": {"sub": None},
    "expired": {"exp": "-60"},
    "to come": {"nbf": "600"},
    "without end": {"exp": None},
    "of another issuer": {"iss": "https://gate.example"},
    "of no issuer": {"iss": None},
    "for another audience": {"aud": "portal"},
    "for no audience": {"aud": None},
    "another scope": {"scope": "gateway:other"},
    "longer scope": {"scope": "gateway:line2 xgateway:line"},
    "no scope": {"scope": None},
    "taken back": {"jti": "j-gone"},
    "bought with what was taken back": {"grant": "g-gone"},
    "for whom was taken back": {"sub": "s-gone"},
    "ann": {"sub": "ann"},
    "bob": {"sub": "bob"},
}
TAKE_BACK = """
from tokens import revocation
from tokens.models import Named
for kind, value in ((Named.TOKEN, "j-gone"), (Named.GRANT, "g-gone"), (Named.SUBJECT, "s-gone")):
    revocation.refuse(kind, [value])
"""
LEAVE_THE_RING = """
from datetime import timedelta
from django.utils import timezone
from portal.actor import Actor
from tokens import key_rotation
by = Actor.command("test")
key_rotation.begin(by=by)
for days in (30, 60):
    key_rotation.go_on(by=by, now=timezone.now() + timedelta(days=days))
"""


@pytest.fixture(scope="module")
def signed(gateway: Gateway) -> dict[str, str]:
    return gateway.signed(CLAIMS)


@pytest.fixture(scope="module")
def limited(gateway: Gateway, service: Receiver, line: int) -> None:
    """A route to which one caller may come ten times a minute, twice at once."""
    facts = {"rate_per_minute": 10, "burst": 2, "methods": ["GET", "POST"], "body_limit": 1024}
    gateway.open("limited", f"http://127.0.0.1:{service.port}", **facts)


class TestAToken:
    @pytest.mark.parametrize("scheme", ["xBearer", "Basic-Bearer", "notbearer", "Basic;bearer", "beareR", "BEARERx"])
    def test_is_no_bearer_token_behind_a_scheme_that_only_looks_like_it(
        self, gateway: Gateway, service: Receiver, line: int, signed: dict[str, str], scheme: str
    ) -> None:
        before = len(service.heard)
        headers = {"Authorization": f"{scheme} {signed['good']}"}
        for path in ("/line/x", "/line"):
            assert gateway.said(path, **headers) == (401, "token_not_bearer")
            assert gateway.said_over_http2(path, **headers) == (401, "token_not_bearer")
        _, answered, _ = gateway.call("/line/x", **headers)
        assert answered["WWW-Authenticate"] == BEARER
        assert len(service.heard) == before

    @pytest.mark.parametrize("claimed", ["X-Gatehouse-Scope", "x-gatehouse-gateway-scope"])
    @pytest.mark.parametrize("which", ["no scope", "another scope", "list of scopes alone"])
    def test_holds_no_scope_that_the_client_claims(
        self, gateway: Gateway, line: int, signed: dict[str, str], which: str, claimed: str
    ) -> None:
        refused = (403, "scope_missing")
        assert gateway.said("/line", signed[which], **{claimed: "gateway:line"}) == refused
        assert gateway.said_over_http2("/line", signed[which], **{claimed: "gateway:*"}) == refused

    @pytest.mark.parametrize(
        "which",
        ["good", "list of scopes", "one scope of several", "every scope", "edgex", "one audience of several",
         "of nobody"],
    )  # fmt: skip
    def test_opens_the_route(self, gateway: Gateway, line: int, signed: dict[str, str], which: str) -> None:
        assert gateway.call("/line", signed[which])[0] == 200

    @pytest.mark.parametrize(
        ("which", "status", "code"),
        [
            ("expired", 401, "token_expired"),
            ("to come", 401, "token_not_yet_valid"),
            ("without end", 401, "token_invalid"),
            ("of another issuer", 401, "token_invalid"),
            ("of no issuer", 401, "token_invalid"),
            ("for another audience", 401, "token_audience"),
            ("for no audience", 401, "token_audience"),
            ("another scope", 403, "scope_missing"),
            ("longer scope", 403, "scope_missing"),
            ("list of scopes alone", 403, "scope_missing"),
            ("no scope", 403, "scope_missing"),
        ],
    )
    def test_opens_nothing(
        self, gateway: Gateway, service: Receiver, line: int, signed: dict[str, str], which: str, status: int, code: str
    ) -> None:
        before = len(service.heard)
        assert gateway.said("/line/x", signed[which]) == (status, code)
        assert gateway.said_over_http2("/line/x", signed[which]) == (status, code)
        _, answered, content = gateway.call("/line/x", signed[which])
        sentence = json.loads(content)["error"]
        assert answered["WWW-Authenticate"] == (
            f'{BEARER}, error="invalid_token", error_description="{sentence}"'
            if status == 401
            else f'{BEARER}, error="insufficient_scope", scope="gateway:line"'
        )
        assert status == 401 or "gateway:line" in sentence
        assert len(service.heard) == before

    @pytest.mark.parametrize(
        ("shown", "status", "code", "challenge"),
        [
            (None, 401, "token_missing", BEARER),
            ("Basic dTpw", 401, "token_not_bearer", BEARER),
            ("Digest x", 401, "token_not_bearer", BEARER),
            ("Bearer abc", 401, "token_malformed", 'error="invalid_token"'),
            ("Bearer a.b", 401, "token_malformed", 'error="invalid_token"'),
            ("Bearer a.b.c", 401, "token_invalid", 'error="invalid_token"'),
            ("Bearer gate_pat_abc", 401, "api_token_not_accepted", 'error="invalid_token"'),
            ("Bearer", 400, "authorization_malformed", None),
            ("Bearer  x", 400, "authorization_malformed", None),
            ("Bearer x y", 400, "authorization_malformed", None),
            ("Bearer x,Bearer y", 400, "authorization_malformed", None),
        ],
    )
    def test_is_asked_for(
        self, gateway: Gateway, service: Receiver, line: int, shown: str | None, status: int, code: str, challenge: str
    ) -> None:
        before = len(service.heard)
        headers = {"Authorization": shown} if shown else {}
        assert gateway.said("/line/x", **headers) == (status, code)
        assert gateway.said_over_http2("/line/x", **headers) == (status, code)
        _, answered, _ = gateway.call("/line/x", **headers)
        assert (challenge or "") in (answered["WWW-Authenticate"] or "")
        assert (answered["WWW-Authenticate"] is None) is (challenge is None)
        assert len(service.heard) == before

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
    def test_may_be_called_in_any_of_the_usual_cases(
        self, gateway: Gateway, line: int, signed: dict[str, str], scheme: str
    ) -> None:
        assert gateway.call("/line", Authorization=f"{scheme} {signed['good']}")[0] == 200

    def test_is_not_two(self, gateway: Gateway, line: int, signed: dict[str, str]) -> None:
        shown = b"Bearer " + signed["good"].encode()
        head = b"GET /line HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        answer = gateway.served.raw(head + b"Authorization: %s\r\nAuthorization: %s\r\n\r\n" % (shown, shown))
        assert b'"authorization_malformed"' in answer
        connection = Http2(gateway.served.tls_port, gateway.served.trusted())
        answered = connection.ask(b"/line", (b"authorization", shown), (b"authorization", shown))
        assert b'"authorization_malformed"' in answered.body
        connection.close()

    @pytest.mark.parametrize("with_header", [True, False])
    def test_is_not_in_the_query(self, gateway: Gateway, line: int, signed: dict[str, str], with_header: bool) -> None:
        shown = signed["good"] if with_header else ""
        path = f"/line?a=1&access_token={signed['good']}"
        assert gateway.said(path, shown) == gateway.said_over_http2(path, shown) == (400, "token_in_query")
        assert b"Revoke this token, it is in logs now." in gateway.call(path, shown)[2]

    def test_is_signed_by_the_gateway(self, gateway: Gateway, line: int, signed: dict[str, str]) -> None:
        header, payload, signature = signed["good"].split(".")
        [jwk] = json.loads(gateway.served.ask("GET", "/.well-known/jwks.json")[2])["keys"]
        claims = jwt.decode(signed["good"], options={"verify_signature": False})
        own = rsa.generate_private_key(65537, 2048)
        numbers = jwt.algorithms.RSAAlgorithm.to_jwk(own.public_key(), as_dict=True)
        swapped = "A" if signature[10] != "A" else "B"
        unsigned = f"{encoded({'alg': 'HS256', 'kid': jwk['kid']})}.{payload}"
        by_public_key = hmac.new(jwt.PyJWK(jwk).key.public_numbers().n.to_bytes(256), unsigned.encode(), hashlib.sha256)
        forged = {
            "wrong signature": f"{header}.{payload}.{signature[:10]}{swapped}{signature[11:]}",
            "other claims": f"{header}.{encoded({**claims, 'scope': 'gateway:*'})}.{signature}",
            "another key": jwt.encode(claims, own, "RS256", headers={"kid": jwk["kid"]}),
            "unknown key": jwt.encode(claims, own, "RS256", headers={"kid": "x" * 43}),
            "no key": jwt.encode(claims, own, "RS256"),
            "a key of its own": jwt.encode(claims, own, "RS256", headers={"kid": jwk["kid"], "jwk": numbers}),
            "a key elsewhere": jwt.encode(claims, own, "RS256", headers={"kid": "k", "jku": "https://x.example"}),
            "bad base64": f"{header}.{payload}.{signature[:-4]}!!!!",
            "none": f"{encoded({'alg': 'none', 'kid': jwk['kid']})}.{payload}.{signature}",
            "secret": f"{unsigned}.{base64.urlsafe_b64encode(by_public_key.digest()).decode().rstrip('=')}",
        }
        said = {name: gateway.said("/line/x", token) for name, token in forged.items()}
        assert said == dict.fromkeys(forged, (401, "token_invalid"))
        nothing = f"{encoded({'alg': 'none'})}.{payload}."
        assert gateway.said("/line/x", nothing)[1] in ("token_invalid", "token_malformed")

    def test_is_good_until_five_seconds_after_its_end_however_often_it_was_shown(
        self, gateway: Gateway, line: int
    ) -> None:
        token = gateway.signed({"soon over": {"exp": "6"}})["soon over"]
        ends = jwt.decode(token, options={"verify_signature": False})["exp"]
        assert gateway.call("/line", token)[0] == 200
        asked_at = time.time()
        while gateway.call("/line", token)[0] == 200:
            assert asked_at < ends + 7
            time.sleep(0.1)
            asked_at = time.time()
        assert time.time() > ends + 4
        assert gateway.said("/line", token) == (401, "token_expired")

    def test_that_was_taken_back_is_refused_whatever_it_names(
        self, gateway: Gateway, line: int, signed: dict[str, str]
    ) -> None:
        gone = ["taken back", "bought with what was taken back", "for whom was taken back"]
        assert [gateway.call("/line", signed[which])[0] for which in gone] == [200] * 3
        gateway.served.manage("shell", "-v", "0", "-c", TAKE_BACK)
        wait_for(settled(lambda: all(gateway.call("/line", signed[which])[0] == 401 for which in gone)))
        assert [gateway.said("/line", signed[which]) for which in gone] == [(401, "token_revoked")] * 3
        assert gateway.said_over_http2("/line", signed["taken back"]) == (401, "token_revoked")
        assert gateway.call("/line", signed["good"])[0] == 200

    def test_that_a_revoked_credential_bought_is_refused(self, gateway: Gateway, line: int) -> None:
        credential = gateway.credential("three", "gateway:line")
        token = gateway.token(credential)
        assert gateway.call("/line", token)[0] == 200
        gateway.rest("POST", f"/credentials/{credential['id']}/revoke", {"reason": "leaked"})
        wait_for(settled(lambda: gateway.call("/line", token)[0] == 401))
        assert gateway.said("/line", token) == (401, "token_revoked")

    def test_that_an_api_token_bought_opens_routes_until_it_is_disabled(self, gateway: Gateway, line: int) -> None:
        issued = gateway.served.manage("issue_token", "line", "--owner=admin", "--days=1", "--scope=gateway:line")
        shown = issued.strip()
        status, answered, content = gateway.call("/api/v1/access-tokens", shown, "POST")
        bought = json.loads(content)
        assert (status, answered["Cache-Control"]) == (200, "no-store")
        assert (bought["token_type"], bought["expires_in"], bought["scope"]) == ("Bearer", 900, "gateway:line")
        assert gateway.call("/line", bought["access_token"])[0] == 200
        assert gateway.call("/api/v1/me", bought["access_token"])[0] == 401
        token_id = shown.removeprefix("gate_pat_")[:12]
        gateway.rest("POST", f"/tokens/{token_id}/disable", {})
        wait_for(settled(lambda: gateway.call("/line", bought["access_token"])[0] == 401))
        assert gateway.said("/line", bought["access_token"]) == (401, "token_revoked")
        gateway.rest("POST", f"/tokens/{token_id}/enable", {})
        wait_for(lambda: gateway.call("/line", bought["access_token"])[0] == 200)

    def test_of_an_app_that_holds_the_scope_of_every_route_opens_it(self, gateway: Gateway, line: int) -> None:
        gateway.rest("POST", "/apps/app1/versions", {"version": "v2", "scopes": ["gateway:*"]}, status=201)
        wanted = {"app": "app1", "version": "v2", "scopes": ["gateway:*"]}
        credential = gateway.rest("POST", "/credentials", wanted, status=201)
        assert gateway.call("/line", gateway.token(credential, "v2"))[0] == 200


class TestAMethod:
    @pytest.mark.parametrize("method", ["DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
    def test_that_is_not_of_the_route_is_told_to_those_who_may_use_it(
        self, gateway: Gateway, service: Receiver, line: int, signed: dict[str, str], method: str
    ) -> None:
        before = len(service.heard)
        assert gateway.said("/line/x", signed["good"], method) == (405, "method_not_allowed")
        assert gateway.call("/line/x", signed["good"], method)[1]["Allow"] == "GET, POST"
        assert gateway.said_over_http2("/line/x", signed["good"], method) == (405, "method_not_allowed")
        assert gateway.said("/line/x", "", method) == (401, "token_missing")
        assert gateway.said("/line/x", signed["another scope"], method) == (403, "scope_missing")
        assert len(service.heard) == before

    def test_that_asks_for_headers_alone_is_refused_without_a_body(
        self, gateway: Gateway, line: int, signed: dict[str, str]
    ) -> None:
        status, answered, content = gateway.call("/line/x", signed["good"], "HEAD")
        assert (status, answered["Allow"], content) == (405, "GET, POST", b"")


class TestABody:
    def test_is_at_most_as_large_as_the_route_says(self, gateway: Gateway, line: int, signed: dict[str, str]) -> None:
        assert gateway.call("/line/x", signed["good"], "POST", b"a" * 2048)[0] == 200
        assert gateway.said("/line/x", signed["good"], "POST", b"a" * 2049) == (413, "body_too_large")
        assert gateway.said("/line/x", signed["good"], "POST", iter([b"a" * 1500] * 2)) == (413, "body_too_large")

    def test_is_not_read_of_those_who_may_not_send_it(self, gateway: Gateway, line: int) -> None:
        """Its length alone is told; the answer comes before any of it."""
        sent = b"POST /line/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
        assert b'"token_missing"' in gateway.served.raw(sent)


class TestARate:
    def test_is_one_for_all_ways_into_a_route(
        self, gateway: Gateway, service: Receiver, signed: dict[str, str]
    ) -> None:
        page, upgrade = {"Origin": "https://app.example"}, {"Connection": "Upgrade", "Upgrade": "websocket"}
        facts = {"rate_per_minute": 1, "burst": 3, "websocket": True, "cors_origins": ["https://app.example"]}
        gateway.open("once", f"http://127.0.0.1:{service.port}", **facts)
        ways: tuple[dict[str, str], ...] = (page, {}, upgrade)
        assert [gateway.call("/once", signed["ann"], **way)[0] for way in ways] == [200, 200, 502]
        assert [gateway.said("/once", signed["ann"], **way) for way in ways] == [(429, "rate_limited")] * 3
        assert gateway.call("/once", signed["bob"])[0] == 200

    def test_that_is_used_up_is_told_with_when_to_come_again_and_others_are_served(
        self, gateway: Gateway, limited: None, signed: dict[str, str]
    ) -> None:
        assert [gateway.call("/limited", signed["ann"])[0] for _ in range(2)] == [200, 200]
        assert gateway.said("/limited", signed["ann"]) == (429, "rate_limited")
        assert gateway.said_over_http2("/limited", signed["ann"]) == (429, "rate_limited")
        status, answered, content = gateway.call("/limited", signed["ann"])
        assert (status, answered["Retry-After"]) == (429, "6")
        assert "in 6 s." in json.loads(content)["error"]
        assert gateway.call("/limited", signed["bob"])[0] == 200
        assert gateway.call("/limited", signed["of nobody"])[0] == 200

    def test_is_judged_after_the_method_and_before_the_body(
        self, gateway: Gateway, limited: None, signed: dict[str, str]
    ) -> None:
        new = next(gateway.strangers())
        wait_for(lambda: gateway.call("/limited", new)[0] == 429)
        assert gateway.said("/limited", new, "DELETE") == (405, "method_not_allowed")
        assert gateway.said("/limited", signed["another scope"]) == (403, "scope_missing")
        assert gateway.said("/limited", new, "POST", b"a" * 1025) == (429, "rate_limited")


@pytest.mark.parametrize("headers", [{"A": "a" * 62_000}, {f"A{n}": "1" for n in range(101)}], ids=["large", "many"])
def test_headers_that_are_too_large_or_too_many(
    gateway: Gateway, line: int, signed: dict[str, str], headers: dict[str, str]
) -> None:
    status, answered, content = gateway.call("/line", signed["good"], **headers)
    assert (status, json.loads(content)["code"]) == (431, "headers_too_large")
    assert answered["Server"] == "gatehouse"


def test_a_token_whose_key_has_left_the_ring_is_refused_however_often_it_was_taken(
    gateway: Gateway, line: int, signed: dict[str, str]
) -> None:
    """The last of these tests: from here on nothing that was signed before opens anything."""
    assert [gateway.call("/line", signed["good"])[0] for _ in range(20)] == [200] * 20
    gateway.served.manage("shell", "-v", "0", "-c", LEAVE_THE_RING)
    wait_for(settled(lambda: gateway.call("/line", signed["good"])[0] == 401))
    assert gateway.said("/line", signed["good"]) == (401, "token_invalid")
    assert gateway.call("/line", gateway.signed({"new": {}})["new"])[0] == 200


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
