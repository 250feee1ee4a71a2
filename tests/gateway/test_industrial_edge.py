"""What an app on a device asks for as seed 000 says: an access token for its app token; and what it is told else."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import time_machine
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm
from rest_framework.request import Request
from rest_framework.test import APIClient

from devices import admission, denial
from devices.models import Device, Status
from gateway.dialects import industrial_edge
from portal import outbox
from portal.actor import Actor
from portal.refusal import Refusal
from portal.scopes import Scope
from tests.amount import many
from tokens import access_tokens, installing, issuing, overlap, registration, secret, shown_secrets, signing, switching
from tokens.models import AppTokenSecret, AppVersion
from tokens.overlap import Rotated

CANONICAL = "/device/edge/a.service/api/v3/token/permit"
AT_SERVICE = "/a.service/api/v3/token/permit"
AT_ROOT = "/api/v3/token/permit"
PATHS = (CANONICAL, AT_SERVICE, AT_ROOT)
SPELLINGS = ("appPrimaryToken", "appToken", "apptoken")
THREE = {"access_token", "expires_in", "token_type"}
JSON = "application/json"
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
INVALID = 'Bearer realm="gatehouse", error="invalid_token"'

pytestmark = pytest.mark.django_db
every_path = pytest.mark.parametrize("path", PATHS)


@pytest.fixture
def installed(make_version: Callable[..., AppVersion], make_device: Callable[..., Device], root: Actor) -> Rotated:
    """An app on an accepted device; its token stands in `text`. There is a key that signs what it buys."""
    signing.ensure_active(by=root)
    make_device(status="accepted")
    version = make_version(scopes=[Scope.USERS_READ], features=["API.Shutdown"])
    return installing.install(version, "press-1", by=root)


@pytest.fixture
def ask(client: Client) -> Callable[..., HttpResponse]:
    """A call of an app; a body that is no bytes is sent as JSON."""

    def call(body: Any, path: str = CANONICAL, *, content_type: str = JSON, method: str = "POST") -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.generic(method, path, raw, content_type=content_type)

    return call


def refused(answer: Any) -> tuple[int, str]:
    """Status and code of a refusal, whose envelope is the dialect's."""
    body = answer.json()
    assert set(body) == {"errors"}
    [error] = body["errors"]
    assert set(error) == {"code", "message", "logref"}
    assert error["logref"] == answer["X-Request-Id"]
    assert error["message"].endswith(".")
    assert error["code"].startswith("edge.")
    return answer.status_code, error["code"].removeprefix("edge.")


def message(answer: Any) -> str:
    return str(answer.json()["errors"][0]["message"])


def device() -> Device:
    found: Device = Device.objects.get(pk="press-1")
    return found


class TestPermit:
    @every_path
    @pytest.mark.parametrize("name", SPELLINGS)
    def test_every_spelling_works_on_every_path(
        self, ask: Callable[..., Any], installed: Rotated, path: str, name: str
    ) -> None:
        answer = ask({name: installed.text}, path)
        assert answer.status_code == 200
        assert answer["Cache-Control"] == "no-store"
        body = answer.json()
        assert set(body) == (THREE | {"token"} if path == AT_SERVICE else THREE)
        assert (body["expires_in"], body["token_type"]) == (3600, "Bearer")
        assert body.get("token", body["access_token"]) == body["access_token"]

    def test_the_access_token_says_what_the_contract_says(
        self, ask: Callable[..., Any], installed: Rotated, client: Client
    ) -> None:
        text = ask({"appPrimaryToken": installed.text}).json()["access_token"]
        header = jwt.get_unverified_header(text)
        assert set(header) == {"alg", "kid", "typ"}
        assert (header["alg"], header["typ"]) == ("RS256", "JWT")
        [key] = client.get("/.well-known/jwks.json").json()["keys"]
        public: Any = RSAAlgorithm.from_jwk(key)
        for audience in ("edge", "gateway"):
            claims = jwt.decode(text, public, ["RS256"], audience=audience, issuer="https://localhost:8443")
        now = time.time()
        assert claims.pop("exp") == claims["iat"] + 3600
        assert now - 10 < claims.pop("iat") <= now + 1
        assert re.fullmatch("[0-9a-f-]{36}", claims.pop("jti"))
        bought_by = AppTokenSecret.objects.get()
        assert claims == {
            "iss": "https://localhost:8443",
            "sub": f"app:{installed.holder.pk}",
            "aud": ["edge", "gateway"],
            "grant": f"{bought_by.pk}.2",  # Generation and epoch, both at their first.
            "scope": ["users:read"],
            "tenant": "main",
            "device": "press-1",
            "app": "app1",
            "app_version": "v1.0.0",
        }

    @pytest.mark.parametrize(
        "around", ["{}", " {}\n", "\t{}\r\n", '{{"appPrimaryToken":"{}"}}\n', '{{"appPrimaryToken": " {} "}}']
    )
    def test_what_stands_around_the_token_does_not_matter(
        self, ask: Callable[..., Any], installed: Rotated, around: str
    ) -> None:
        assert ask({"appToken": around.format(installed.text)}).status_code == 200

    def test_the_file_as_it_is_is_a_body(self, ask: Callable[..., Any], installed: Rotated) -> None:
        assert ask(installing.token_file(installed.text).encode()).status_code == 200

    def test_other_members_are_ignored_and_so_is_a_query(self, ask: Callable[..., Any], installed: Rotated) -> None:
        body = {"appPrimaryToken": installed.text, "appName": "app1", "x": [{"y": None}]}
        assert ask(body, f"{CANONICAL}?verbose=1&verbose=2").status_code == 200

    def test_two_names_are_fine_if_they_agree(self, ask: Callable[..., Any], installed: Rotated) -> None:
        assert ask({"appToken": installed.text, "apptoken": f" {installed.text}"}).status_code == 200

    @pytest.mark.parametrize("content_type", ["", JSON, "Application/JSON; charset=UTF-8"])
    def test_no_content_type_is_json(self, ask: Callable[..., Any], installed: Rotated, content_type: str) -> None:
        assert ask({"appToken": installed.text}, content_type=content_type).status_code == 200

    def test_a_header_with_another_token_is_not_even_looked_at(self, client: Client, installed: Rotated) -> None:
        headers = {"Authorization": "Bearer gate_pat_x"}
        answer = client.post(CANONICAL, {"appToken": installed.text}, content_type=JSON, headers=headers)
        assert answer.status_code == 200

    @pytest.mark.parametrize("host", ["edge-iot-core.proxy-redirect", "edge-iot-core.proxy-redirect:443", "10.0.0.7"])
    def test_it_is_called_by_the_name_of_the_original(self, client: Client, installed: Rotated, host: str) -> None:
        answer = client.post(CANONICAL, {"appToken": installed.text}, content_type=JSON, headers={"Host": host})
        assert answer.status_code == 200

    def test_after_a_rotation_both_tokens_work(self, ask: Callable[..., Any], installed: Rotated, root: Actor) -> None:
        new = overlap.rotate(installed.holder, by=root)
        assert [ask({"appToken": text}).status_code for text in (installed.text, new.text)] == [200, 200]

    def test_the_scopes_are_those_of_the_present_version(
        self, ask: Callable[..., Any], installed: Rotated, make_version: Callable[..., AppVersion], root: Actor
    ) -> None:
        installing.change_version(installed.holder, make_version("v2", scopes=[Scope.AUDIT_READ]), by=root)
        text = ask({"appToken": installed.text}).json()["access_token"]
        claims = jwt.decode(text, options={"verify_signature": False})
        assert (claims["scope"], claims["app_version"]) == (["audit:read"], "v2")
        assert "gateway_scope" not in claims

    def test_those_for_gateway_routes_stand_beside_the_list_as_envoy_compares_them(
        self, ask: Callable[..., Any], installed: Rotated, make_version: Callable[..., AppVersion], root: Actor
    ) -> None:
        version = make_version("v2", scopes=["gateway:line", Scope.GATEWAY_READ, "gateway:mill"])
        installing.change_version(installed.holder, version, by=root)
        text = ask({"appToken": installed.text}).json()["access_token"]
        claims = jwt.decode(text, options={"verify_signature": False})
        assert set(claims["scope"]) == {"gateway:line", "gateway:mill", "gateway:read"}
        assert set(claims["gateway_scope"].split()) == {"gateway:line", "gateway:mill"}


class TestABodyThatIsWrong:
    @every_path
    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", "malformedBody"),
            (b" \n", "malformedBody"),
            (b"{", "malformedBody"),
            (b"appToken=x", "malformedBody"),
            (b"[]", "malformedBody"),
            (b'"gate_app_x"', "malformedBody"),
            (b"\xff", "malformedBody"),
            (b'{"appToken": NaN}', "malformedBody"),
            (b"[" * 8000, "malformedBody"),
            (b'{"appToken": "x", "appToken": "y"}', "malformedBody"),
            (b'{"appToken": "x", "appToken": "x"}', "malformedBody"),
            (b'{"x": {"y": 1, "y": 1}, "appToken": "x"}', "malformedBody"),
            (b"{}", "missingField"),
            (b'{"AppToken": "x", "app_token": "x"}', "missingField"),
            (b'{"appToken": null}', "invalidField"),
            (b'{"appToken": 30}', "invalidField"),
            (b'{"appToken": true}', "invalidField"),
            (b'{"appToken": ["x"]}', "invalidField"),
            (b'{"appToken": {"appPrimaryToken": "x"}}', "invalidField"),
            (b'{"appToken": ""}', "invalidField"),
            (b'{"appToken": "  "}', "invalidField"),
            (b'{"appToken": "%s"}' % (b"x" * 4097), "invalidField"),
            (b'{"appToken": "x", "apptoken": 1}', "invalidField"),
            (b'{"appToken": "x", "apptoken": "y"}', "ambiguousField"),
            (b'{"appPrimaryToken": "x", "appToken": "x", "apptoken": "y"}', "ambiguousField"),
        ],
    )
    def test_is_told_what_is_wrong(self, ask: Callable[..., Any], path: str, body: bytes, code: str) -> None:
        assert refused(ask(body, path)) == (400, f"auth.{code}")

    def test_of_members_that_are_none_of_the_three_the_names_are_told(self, ask: Callable[..., Any]) -> None:
        told = message(ask({"token": "s3cret", "user": "ada"}))
        assert told == "Send the app token as appPrimaryToken; received: token, user."
        assert message(ask({})) == "Send the app token as appPrimaryToken; received: no member."

    def test_a_token_in_the_place_of_a_name_is_not_repeated(self, ask: Callable[..., Any], installed: Rotated) -> None:
        answer = ask({installed.text: ""})
        assert refused(answer) == (400, "auth.missingField")
        assert installed.text.encode() not in answer.content

    def test_names_without_end_are_not_repeated(self, ask: Callable[..., Any]) -> None:
        told = message(ask({f"m{n}": n for n in range(500)}))
        assert told.endswith("m8, m9 and 490 more.")

    @pytest.mark.parametrize(
        "content_type",
        ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "text/json",
         "application/json; charset=latin-1"],
    )  # fmt: skip
    def test_what_curl_sends_unasked_is_415_and_says_what_to_send(
        self, ask: Callable[..., Any], installed: Rotated, content_type: str
    ) -> None:
        answer = ask({"appToken": installed.text}, content_type=content_type)
        assert refused(answer) == (415, "unsupportedMediaType")
        assert message(answer) == "Send Content-Type: application/json."

    def test_more_than_8_kib_is_413(self, ask: Callable[..., Any], installed: Rotated) -> None:
        body = json.dumps({"appToken": installed.text}).encode()
        assert ask(body.ljust(8192)).status_code == 200
        assert refused(ask(body.ljust(8193))) == (413, "tooLarge")

    @every_path
    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
    def test_every_other_method_is_405(self, ask: Callable[..., Any], path: str, method: str) -> None:
        answer = ask(b"", path, method=method)
        assert answer["Allow"] == "POST"
        assert answer.status_code == 405
        if method != "HEAD":
            assert refused(answer) == (405, "methodNotAllowed")


class TestATokenThatIsWrong:
    def test_is_answered_alike_whatever_is_wrong_with_it(self, ask: Callable[..., Any], installed: Rotated) -> None:
        other = secret.app_token("gate_app", installed.holder.pk).text
        unknown = secret.app_token("gate_app", "A" * 12).text
        changed = installed.text[:-1] + ("0" if installed.text[-1] != "0" else "1")
        answers = [ask({"appToken": text}) for text in (other, unknown, changed, "x", "gate_app_", "{}", "é", "\x7f")]
        assert {refused(answer) for answer in answers} == {(401, "auth.invalidToken")}
        assert len({message(answer) for answer in answers}) == 1
        assert {answer["WWW-Authenticate"] for answer in answers} == {INVALID}

    @pytest.mark.parametrize(
        ("kind", "named"),
        [
            ("gate_pat", "an API token"),
            ("gate_node", "the token of a gateway node"),
            ("client", "a client secret"),
            ("jwt", "an access token"),
        ],
    )
    def test_of_another_kind_is_told_which_it_is(
        self, ask: Callable[..., Any], installed: Rotated, kind: str, named: str
    ) -> None:
        shown = {
            "client": lambda: secret.client_secret("main-app1-v1.0.0").text,
            "jwt": lambda: ask({"appToken": installed.text}).json()["access_token"],
        }.get(kind, lambda: secret.generate(kind).text)()
        answer = ask({"appPrimaryToken": shown})
        assert refused(answer) == (401, "auth.invalidToken")
        assert message(answer).startswith(f"This is {named}")
        assert ".apptoken" in message(answer)
        assert shown not in answer.content.decode()

    def test_expired_is_told_since_when(
        self, ask: Callable[..., Any], root: Actor, make_device: Any, make_version: Any
    ) -> None:
        make_device(status="accepted")
        with time_machine.travel(NOON, tick=False) as clock:
            short = installing.install(make_version(), "press-1", by=root, days=1)
            clock.move_to(NOON + timedelta(days=1, seconds=1))
            answer = ask({"appToken": short.text})
        assert refused(answer) == (401, "auth.expiredToken")
        assert "2026-12-01 12:00:00 UTC" in message(answer)
        assert answer["WWW-Authenticate"] == INVALID

    @pytest.mark.parametrize("how", ["revoked", "deleted", "ended by a rotation"])
    def test_revoked_is_told_since_when(
        self, ask: Callable[..., Any], installed: Rotated, root: Actor, how: str
    ) -> None:
        if how == "ended by a rotation":
            overlap.rotate(installed.holder, by=root, grace_hours=0)
        else:
            switching.revoke(installed.holder, by=root, reason="leaked")
        if how == "deleted":
            switching.delete(installed.holder, by=root)
        answer = ask({"appToken": installed.text})
        assert refused(answer) == (401, "auth.revokedToken")
        assert f"{datetime.now(UTC):%Y-%m-%d}" in message(answer)

    def test_disabled_is_told_since_when_and_enabling_brings_it_back(
        self, ask: Callable[..., Any], installed: Rotated, root: Actor
    ) -> None:
        switching.disable(installed.holder, by=root, reason="looking into it")
        answer = ask({"appToken": installed.text})
        assert refused(answer) == (401, "auth.disabledToken")
        assert f"{datetime.now(UTC):%Y-%m-%d}" in message(answer)
        switching.enable(installed.holder, by=root)
        assert ask({"appToken": installed.text}).status_code == 200

    @pytest.mark.parametrize("status", [Status.PENDING, Status.REJECTED])
    def test_a_device_that_is_not_accepted_is_named_with_its_state(
        self, ask: Callable[..., Any], installed: Rotated, status: Status
    ) -> None:
        Device.objects.update(status=status)
        answer = ask({"appToken": installed.text})
        assert refused(answer) == (403, "auth.deviceRefused")
        assert f"press-1 is {status}" in message(answer)
        Device.objects.update(status=Status.ACCEPTED)
        assert ask({"appToken": installed.text}).status_code == 200

    @pytest.mark.parametrize("then", ["", "restored", "purged"])
    def test_a_denied_device_ends_it_at_once(
        self, ask: Callable[..., Any], installed: Rotated, root: Actor, then: str
    ) -> None:
        denial.deny(device(), by=root)
        if then == "restored":
            denial.restore(device(), by=root)
        if then == "purged":
            denial.purge(device(), by=root)
        answer = ask({"appToken": installed.text})
        assert refused(answer) == (401, "auth.revokedToken")
        assert "install the app anew" in message(answer)
        assert (f"{datetime.now(UTC):%Y-%m-%d}" in message(answer)) == (then == "")

    def test_guessing_is_slowed_and_the_right_token_never_is(self, ask: Callable[..., Any], installed: Rotated) -> None:
        with time_machine.travel(NOON, tick=False):
            wrong = secret.app_token("gate_app", installed.holder.pk).text
            answers = [ask({"appToken": wrong}) for _ in range(11)]
            assert [answer.status_code for answer in answers] == [401] * 10 + [429]
            assert refused(answers[-1]) == (429, "tooManyRequests")
            assert 0 < int(answers[-1]["Retry-After"]) <= 60
            assert ask({"appToken": installed.text}).status_code == 200


class TestAPathThatIsWrong:
    @pytest.mark.parametrize(
        "path",
        [
            "/device/edge/", "/device/edge/api/v3", "/device/edge/a.service/api/v2/token/permit", f"{CANONICAL}/",
            f"{AT_SERVICE}/", f"{AT_ROOT}/", "/a.service/", "/a.service/api/v2/token/permit", "/token/permit",
            "/api/token/permit", "/api/v1/token/permit", "/api/v2/token/permit", "/api/devices/x/token/permit",
            "/api/technicaltokenmanager/v3/token/permit", "/devices/token/permit", "/x/y/token/permit",
            "/device/edgea.service/api/v3/token/permit", "/Device/edge/a.service/api/v3/token/permit",
            "/device/edge/A.service/api/v3/token/permit", "/portal/token/permit",
            "/device/edge/aXservice/api/v3/token/permit",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
    def test_is_404_and_names_the_right_one(self, ask: Callable[..., Any], path: str, method: str) -> None:
        answer = ask({"appToken": "x"}, path, method=method)
        assert refused(answer) == (404, "wrongPath")
        assert CANONICAL in message(answer)
        assert "https://edge-iot-core.proxy-redirect:8443" in message(answer)

    @pytest.mark.parametrize(
        ("public_url", "door"),
        [("https://gate.example:9443", "redirect:9443."), ("https://gate.example", "redirect:443.")],
    )
    def test_the_port_that_is_named_is_that_of_the_public_url(
        self, ask: Callable[..., Any], settings: Any, public_url: str, door: str
    ) -> None:
        settings.PUBLIC_URL = public_url
        assert message(ask({}, "/a.service/x")).endswith(door)

    @pytest.mark.parametrize(
        "path",
        ["/device//edge/a.service/api/v3/token/permit", "/device/edge//a.service/api/v3/token/permit",
         "/device/edge///a.service//api/v3/token//permit", "/a.service//api/v3/token/permit",
         "/api//v3/token/permit", "/api/v3/token//permit"],
    )  # fmt: skip
    def test_a_doubled_slash_is_one(self, ask: Callable[..., Any], installed: Rotated, path: str) -> None:
        answer = ask({"appToken": installed.text}, path)
        assert answer.status_code == 200
        assert ("token" in answer.json()) == path.startswith("/a.service")
        assert refused(ask({}, path)) == (400, "auth.missingField")

    @pytest.mark.parametrize(
        "path", ["/device//edge//x", "/a.service//api/v3", "/api//token/permit", f"{CANONICAL}//x"]
    )
    def test_and_leads_nowhere_if_that_does(self, ask: Callable[..., Any], path: str) -> None:
        assert refused(ask({}, path)) == (404, "wrongPath")

    @pytest.mark.parametrize(
        "path", ["/device/edge/iert/api/v1/secure-storage", "/device/edge/iert/api/v1/secure-storage/keys/1"]
    )
    def test_secure_storage_is_said_not_to_be_served(self, ask: Callable[..., Any], path: str) -> None:
        answer = ask({}, path)
        assert refused(answer) == (404, "wrongPath")
        assert "no secure storage" in message(answer)

    @pytest.mark.parametrize(
        "path",
        ["/device/edge/api/v1/shutdown", "/device/edge/api/v2/shutdown/", "/device/edge/api/v2/shutdown/x/ack/",
         "/device/edge/a.service/api/v3/device/shutdown", "/a.service/api/v2/shutdown",
         "/device/edge/api/v2/Shutdown"],
    )  # fmt: skip
    def test_where_a_shutdown_was_meant_its_path_is_named(self, ask: Callable[..., Any], path: str) -> None:
        answer = ask({}, path)
        assert refused(answer) == (404, "wrongPath")
        assert "POST /device/edge/api/v2/shutdown at https://edge-iot-core.proxy-redirect:8443" in message(answer)

    @pytest.mark.parametrize(
        "path", [*PATHS, "/a.service/x", "/device/edge/api/v2/shutdown", "/a.service/api/v3/device/shutdown"]
    )
    def test_at_the_door_of_devices_the_right_door_is_named(self, client: Client, path: str) -> None:
        answer = client.post(path, {}, content_type=JSON, headers={"X-Gatehouse-Door": "device"})
        assert refused(answer) == (404, "wrongPath")
        assert "https://edge-iot-core.proxy-redirect:8443" in message(answer)

    def test_what_is_not_for_apps_keeps_its_own_shape(self, client: Client) -> None:
        for path in ("/device/x", "/token/permits", "/api/v1/x", "/a.servicex/token"):
            assert set(client.get(path).json()) == {"error", "code", "request_id"}


class TestFaults:
    def test_only_a_database_that_is_gone_is_503(self, ask: Callable[..., Any], installed: Rotated) -> None:
        def gone(*_: Any) -> None:
            raise OperationalError("the server closed the connection unexpectedly")

        refuse: Any = gone
        with connection.execute_wrapper(refuse):
            answer = ask({"appToken": installed.text})
            assert refused(ask({}, "/a.service/x")) == (404, "wrongPath")
            assert refused(ask({})) == (400, "auth.missingField")
        assert refused(answer) == (503, "unavailable")
        assert int(answer["Retry-After"]) > 0

    @pytest.mark.parametrize("path", [*PATHS, "/a.service/x", "/x/token/permit"])
    def test_a_request_that_cannot_be_read_is_answered_in_the_same_shape(self, client: Client, path: str) -> None:
        answer = client.post(path, {}, content_type=JSON, headers={"Host": "a b"})
        # Where nothing looks at the host, nothing is wrong with it.
        assert refused(answer)[0] in (400, 404)

    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | texts,
        lambda each: st.lists(each, max_size=3),
        max_leaves=6,
    )

    @settings(max_examples=many(80), suppress_health_check=list(HealthCheck))
    @given(
        path=st.sampled_from(PATHS),
        body=st.binary(max_size=60)
        | st.dictionaries(st.sampled_from(SPELLINGS) | texts, values, max_size=4).map(
            lambda each: json.dumps(each).encode()
        ),
    )
    def test_no_body_meets_a_fault(self, client: Client, path: str, body: bytes) -> None:
        with time_machine.travel(NOON + timedelta(minutes=time.monotonic_ns() % 100_000)):
            status, code = refused(client.generic("POST", path, body, content_type=JSON))
        assert status in (400, 401, 429)
        assert code.startswith("auth.") or status == 429

    segments = st.sampled_from(
        ["", "api", "v1", "v2", "v3", "token", "permit", "shutdown", "a.service", "é", "a b", "%41"]
    )

    @settings(max_examples=many(80), suppress_health_check=list(HealthCheck))
    @given(
        begin=st.sampled_from(["/device/edge/", "/a.service/", "/device//edge/"]),
        rest=st.lists(segments | st.text("abc.~", max_size=5), max_size=6),
        method=st.sampled_from(["GET", "POST", "DELETE", "PROPFIND"]),
    )
    def test_no_path_meets_a_fault(self, client: Client, begin: str, rest: list[str], method: str) -> None:
        status, _ = refused(client.generic(method, begin + "/".join(rest), b"{}", content_type=JSON))
        assert status in (400, 401, 404, 405)


class TestTheAccessToken:
    @pytest.fixture
    def bought(self, ask: Callable[..., Any], installed: Rotated) -> str:
        return str(ask({"appToken": installed.text}).json()["access_token"])

    def request(self, authorization: str | None = None) -> Request:
        headers = {} if authorization is None else {"Authorization": authorization}
        return Request(RequestFactory().post("/device/edge/api/v2/shutdown", headers=headers))

    @pytest.mark.parametrize(
        "path",
        ["/api/v1/devices", "/api/v1/me", "/api/v1/apps", "/devices", "/api/management/v1/admission/devices",
         "/api/im/v3/Users"],
    )  # fmt: skip
    def test_opens_no_other_face_of_the_portal(self, bought: str, installed: Rotated, path: str) -> None:
        for shown in (bought, installed.text):
            answer: Any = APIClient(headers={"Authorization": f"Bearer {shown}"}).get(path)
            assert answer.status_code == 401
            assert answer["WWW-Authenticate"].startswith("Bearer")

    def test_says_who_asks_at_the_paths_of_apps(self, bought: str, installed: Rotated) -> None:
        app = industrial_edge.edge_app(self.request(f"bearer  {bought}"))
        assert (app.installation, app.device, app.scopes) == (installed.holder.pk, "press-1", {"users:read"})

    @pytest.mark.parametrize(
        ("sent", "challenge", "said"),
        [
            (None, 'Bearer realm="gatehouse"', "Send an access token"),
            ("", INVALID, "no access token"),
            ("Basic eDp5", INVALID, "no access token"),
            ("Bearer x", INVALID, "no access token"),
            ("Bearer a b", INVALID, "no access token"),
            ("Bearer eyJhbGciOiJub25lIn0.e30.", INVALID, "no access token"),
            ("Bearer {app_token}", INVALID, "This is an app token"),
            ("Bearer {api_token}", INVALID, "This is an API token"),
            ("Bearer {technical}", INVALID, "no access token"),
        ],
    )
    def test_nothing_else_is_taken_for_one(
        self,
        client: Client,
        installed: Rotated,
        administrator: Any,
        make_credential: Callable[..., Rotated],
        sent: str | None,
        challenge: str,
        said: str,
    ) -> None:
        credential = make_credential(installed.holder.version)
        buyer = shown_secrets.of_client(credential.holder.client_id, credential.text, address="192.0.2.7")
        tokens = {
            "app_token": installed.text,
            "api_token": issuing.issue("x", [Scope.USERS_READ], owner=administrator, days=1, by=Actor.command("x"))[1],
            "technical": str(access_tokens.technical(buyer, "main")),
        }
        with pytest.raises(Refusal, match=said) as no:
            industrial_edge.edge_app(self.request(sent and sent.format(**tokens)))
        assert industrial_edge.body(no.value)["errors"][0]["code"] == "edge.auth.invalidToken"
        view = industrial_edge.EdgeEndpoint()
        answer = industrial_edge.refuse(no.value, {"view": view})
        assert answer is not None
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, challenge)

    @pytest.mark.parametrize(
        "how", ["revoked", "uninstalled", "disabled", "de-registered", "denied", "restored", "purged"]
    )
    def test_is_dead_at_once_when_its_app_is(self, bought: str, installed: Rotated, root: Actor, how: str) -> None:
        if how in ("revoked", "uninstalled"):
            switching.revoke(installed.holder, by=root, reason="leaked")
        if how == "uninstalled":
            switching.delete(installed.holder, by=root)
        if how == "disabled":
            switching.disable(installed.holder, by=root, reason="leaked")
        if how == "de-registered":
            registration.deregister(installed.holder.app, by=root)
        if how in ("denied", "restored", "purged"):
            denial.deny(device(), by=root)
        if how == "restored":
            denial.restore(device(), by=root)
        if how == "purged":
            denial.purge(device(), by=root)
        with pytest.raises(Refusal) as no:
            industrial_edge.edge_app(self.request(f"Bearer {bought}"))
        assert no.value.status == 401

    def test_goes_on_through_a_rotation(self, bought: str, installed: Rotated, root: Actor) -> None:
        overlap.rotate(installed.holder, by=root, grace_hours=0)
        assert industrial_edge.edge_app(self.request(f"Bearer {bought}")).device == "press-1"

    def test_of_a_rejected_device_is_refused_by_name_and_dead_when_that_is_accepted_again(
        self, bought: str, ask: Callable[..., Any], installed: Rotated, root: Actor
    ) -> None:
        admission.decide(device(), admission.REJECTED, by=root)
        with pytest.raises(industrial_edge.DeviceRefused, match="press-1 is rejected") as refusal:
            industrial_edge.edge_app(self.request(f"Bearer {bought}"))
        assert (refusal.value.status, refusal.value.code) == (403, "auth.deviceRefused")
        outbox.hand_on()  # Now the gateway is told, too; the answer stays.
        with pytest.raises(industrial_edge.DeviceRefused, match="press-1 is rejected"):
            industrial_edge.edge_app(self.request(f"Bearer {bought}"))
        admission.decide(device(), admission.ACCEPTED, by=root)
        with pytest.raises(industrial_edge.NoToken):
            industrial_edge.edge_app(self.request(f"Bearer {bought}"))
        anew = ask({"appToken": installed.text}).json()["access_token"]
        assert industrial_edge.edge_app(self.request(f"Bearer {anew}")).device == "press-1"
