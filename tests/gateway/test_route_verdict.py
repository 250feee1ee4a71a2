"""What the gateway would say to a request: the steps of the verdict, in order, and what the service would get."""

import base64
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from gateway import discovery, route_verdict, routes
from gateway.envoy import matching, tree
from gateway.envoy import routes as tables
from gateway.envoy.plan import Route as Planned
from gateway.models import Route
from portal.actor import Actor
from portal.models import AuditEvent, Outbox
from portal.refusal import Invalid
from portal.scopes import Scope
from tokens import revocation, signing
from tokens.models import Named

pytestmark = pytest.mark.django_db
TRY = "/api/v1/routes/try"
NOW = 1_800_000_000


@pytest.fixture(autouse=True)
def line(db: None) -> Route:
    def row(prefix: str, target: str, **facts: Any) -> Route:
        usual = {"scope": "gateway:line", "methods": ["GET", "POST"]}
        return Route.objects.create(prefix=prefix, target=target, **(usual | facts))

    row("line/deep", "http://10.0.0.6")
    row("still", "http://10.0.0.7", is_enabled=False)
    return row("line", "http://10.0.0.5:59880/base")


@pytest.fixture
def token() -> Callable[..., str]:
    """A token of ours with these claims; None leaves one out."""

    def make(**claims: Any) -> str:
        usual: dict[str, Any] = {
            "iss": settings.PUBLIC_URL, "aud": "gateway", "sub": "press-7", "jti": "j1", "grant": "g.1",
            "iat": NOW, "exp": NOW + 900, "scope": "devices:read gateway:line", "tenant": "main",
        }  # fmt: skip
        return signing.sign({name: value for name, value in (usual | claims).items() if value is not None})

    return make


def said(method: str, path: str, token: str = "") -> tuple[str, str | None, list[str]]:
    verdict = route_verdict.judge(method, path, token, now=NOW)
    return verdict.outcome, verdict.code, [step.name for step in verdict.steps]


class TestSteps:
    @pytest.mark.parametrize(
        ("path", "outcome", "code", "last"),
        [
            ("/line/../x", "refused", "path_refused", "path"),
            ("/line%2Fx", "refused", "path_refused", "path"),
            ("/line/x#y", "refused", "path_refused", "path"),
            ("/line/ü", "refused", "path_refused", "path"),
            ("/line?access_token=x", "refused", "token_in_query", "credentials"),
            ("/portal/?access_token=x", "refused", "token_in_query", "credentials"),
            ("/lineX", "refused", "route_not_found", "route"),
            ("/portal/gateway/", "portal", None, "route"),
            ("/", "portal", None, "route"),
            ("/line/x", "refused", "token_missing", "token"),
        ],
    )
    def test_without_a_token_end_at_the_first_no(self, path: str, outcome: str, code: str | None, last: str) -> None:
        told, named, steps = said("GET", path)
        assert (told, named, steps[-1]) == (outcome, code, last)
        assert steps == [name for name in route_verdict.STEPS if name in steps]

    @pytest.mark.parametrize(
        ("claims", "code"),
        [
            ({}, None), ({"exp": NOW - 5}, None), ({"exp": NOW - 6}, "token_expired"), ({"exp": None}, "token_invalid"),
            ({"nbf": NOW + 5}, None), ({"nbf": NOW + 6}, "token_not_yet_valid"), ({"iss": "x"}, "token_invalid"),
            ({"aud": "edgex"}, None), ({"aud": ["x", "gateway"]}, None), ({"aud": "x"}, "token_audience"),
            ({"scope": "gateway:*"}, None), ({"scope": ["gateway:line"], "gateway_scope": "gateway:line"}, None),
            ({"scope": "x", "gateway_scope": "gateway:x gateway:*"}, None),
            ({"scope": ["gateway:line"]}, "scope_missing"),
            ({"scope": "gateway:linex"}, "scope_missing"), ({"scope": None}, "scope_missing"),
        ],
    )  # fmt: skip
    def test_of_a_token_say_which_of_its_claims_is_wrong(
        self, token: Callable[..., str], claims: dict[str, Any], code: str | None
    ) -> None:
        outcome, named, steps = said("GET", "/line/x", token(**claims))
        assert named == code
        assert outcome == ("refused" if code else "allowed")
        if not code:
            assert steps == list(route_verdict.STEPS)

    @pytest.mark.parametrize(("kind", "value"), [(Named.TOKEN, "j1"), (Named.GRANT, "g.1"), (Named.SUBJECT, "press-7")])
    def test_find_what_was_revoked(self, token: Callable[..., str], kind: Named, value: str) -> None:
        revocation.refuse(kind, [value])
        assert said("GET", "/line/x", token())[1:] == (
            "token_revoked", ["path", "credentials", "route", "token", "revocation"],
        )  # fmt: skip

    def test_judge_token_and_scope_before_the_method(self, token: Callable[..., str]) -> None:
        assert said("DELETE", "/line/x")[1] == "token_missing"
        assert said("DELETE", "/line/x", token(scope="x"))[1] == "scope_missing"
        verdict = route_verdict.judge("DELETE", "/line/x", token(), now=NOW)
        assert (verdict.status, verdict.code) == (405, "method_not_allowed")
        assert verdict.error == "This route serves GET, POST only."

    @pytest.mark.parametrize(
        ("shown", "code"),
        [("x y", "authorization_malformed"), ("x,y", "authorization_malformed"), ("abc", "token_malformed"),
         ("a.b.c", "token_invalid"), ("gate_pat_x", "api_token_not_accepted")],
    )  # fmt: skip
    def test_say_what_is_no_access_token(self, shown: str, code: str) -> None:
        assert said("GET", "/line/x", shown)[1] == code

    @pytest.mark.parametrize(
        "header", [{"alg": ["RS256"]}, {"alg": {}}, {"alg": None}, {"alg": "RS256", "kid": []}, {}]
    )
    def test_take_odd_members_of_a_header_for_no_token_of_ours(self, header: dict[str, Any]) -> None:
        part = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
        assert said("GET", "/line/x", f"{part}.e30.c2ln")[1] == "token_invalid"

    def test_say_the_scope_that_is_missing(self, token: Callable[..., str]) -> None:
        verdict = route_verdict.judge("GET", "/line/x", token(scope="x"), now=NOW)
        assert (verdict.status, verdict.error) == (
            403,
            "This route needs the scope gateway:line; use a token that holds it.",
        )

    @pytest.mark.parametrize(
        ("path", "hint"),
        [("/LINE/x", "The route line is spelled otherwise; capital and small letters differ."),
         ("/still", "The route still is disabled; enable it first."),
         ("/nowhere", "No route has this prefix, in any case.")],
    )  # fmt: skip
    def test_of_a_path_that_is_nobodys_say_which_was_meant(self, path: str, hint: str) -> None:
        assert route_verdict.judge("GET", path).hint == hint


class TestUpstream:
    @pytest.mark.parametrize(
        ("path", "url"),
        [("/line/x?y=1", "http://10.0.0.5:59880/base/x?y=1"), ("/line", "http://10.0.0.5:59880/base/"),
         ("//line//line/", "http://10.0.0.5:59880/base/line/"), ("/line?x", "http://10.0.0.5:59880/base/?x"),
         ("/line/deeper", "http://10.0.0.5:59880/base/deeper"), ("/line/deep/x", "http://10.0.0.6/x")],
    )  # fmt: skip
    def test_is_asked_past_the_longest_prefix(self, token: Callable[..., str], path: str, url: str) -> None:
        verdict = route_verdict.judge("GET", path, token(scope="gateway:*"), now=NOW)
        assert verdict.upstream is not None
        assert verdict.upstream.url == url

    def test_is_told_who_asks_and_not_with_which_token(
        self, token: Callable[..., str], line: Route, root: Actor
    ) -> None:
        shown = token()
        upstream = route_verdict.judge("GET", "/line/x", shown, now=NOW).upstream
        assert upstream is not None
        assert upstream.headers == {
            "X-Forwarded-Host": settings.PUBLIC_URL.partition("//")[2], "X-Forwarded-Prefix": "/line",
            "X-Gatehouse-Subject": "press-7", "X-Gatehouse-Tenant": "main",
        }  # fmt: skip
        assert (upstream.host, upstream.shows_token) == ("10.0.0.5:59880", False)
        routes.change(line, by=root, forward_token=True, host_header="client")
        upstream = route_verdict.judge("GET", "/line/x", shown, now=NOW).upstream
        assert upstream is not None
        assert (upstream.host, upstream.shows_token) == (settings.PUBLIC_URL.partition("//")[2], True)


class TestOverRest:
    def test_tells_route_verdict_upstream_and_steps(
        self, rest: Callable[..., APIClient], token: Callable[..., str], line: Route
    ) -> None:
        now = int(timezone.now().timestamp())
        sent = {"method": "POST", "path": "/line/x", "token": token(exp=now + 60)}
        answer: Any = rest(Scope.GATEWAY_READ).post(TRY, sent, format="json")
        assert answer.status_code == 200
        body = answer.json()
        assert (body["route"]["id"], body["verdict"]["outcome"]) == (line.pk, "allowed")
        assert (body["upstream"]["method"], body["upstream"]["url"]) == ("POST", "http://10.0.0.5:59880/base/x")
        assert [step["name"] for step in body["steps"]] == list(route_verdict.STEPS)
        assert all(step["passed"] and step["code"] is None for step in body["steps"])

    def test_keeps_and_repeats_nothing_of_the_token(
        self, rest: Callable[..., APIClient], token: Callable[..., str], caplog: pytest.LogCaptureFixture
    ) -> None:
        client, shown = rest(Scope.GATEWAY_READ), token(scope="x", exp=2**33)
        events, messages = AuditEvent.objects.count(), Outbox.objects.count()
        with caplog.at_level(logging.DEBUG):
            answers = [
                client.post(TRY, {"method": "GET", "path": path, "token": shown}, format="json")
                for path in ("/line/x", "/nowhere", "no path")
            ]
        told = json.dumps([answer.json() for answer in answers]) + caplog.text  # type: ignore[attr-defined]
        assert not [part for part in shown.split(".") if part in told]
        assert (AuditEvent.objects.count(), Outbox.objects.count()) == (events, messages)

    @pytest.mark.parametrize(
        ("sent", "field"),
        [({"method": "GET"}, "path"), ({"path": "/"}, "method"), ({"method": "G T", "path": "/"}, "method"),
         ({"method": "GET", "path": "line"}, "path"), ({"method": "GET", "path": "/" + "a" * 8000}, "path"),
         ({"method": "GET", "path": "/", "x": 1}, "x"), ({"method": "GET", "path": "/", "token": 5}, "token")],
    )  # fmt: skip
    def test_refuses_what_is_no_request_by_its_field(
        self, rest: Callable[..., APIClient], sent: dict[str, Any], field: str
    ) -> None:
        answer: Any = rest(Scope.GATEWAY_READ).post(TRY, sent, format="json")
        assert (answer.status_code, list(answer.json()["invalid"])) == (400, [field])


@given(method=st.text(max_size=40), path=st.text(max_size=300).map(lambda text: f"/{text}"), token=st.text(max_size=99))
def test_whatever_is_tried_is_judged_or_refused(method: str, path: str, token: str) -> None:
    try:
        verdict = route_verdict.judge(method, path, token)
    except Invalid:
        return
    assert verdict.outcome in ("refused", "portal")
    assert (verdict.outcome == "refused") == bool(verdict.code and verdict.error and verdict.status)


def test_every_condition_of_a_route_is_one_that_is_understood_here() -> None:
    """A route with all that a route can have; a condition that nobody judges here would raise."""
    facts: dict[str, Any] = {
        "id": "7", "prefix": "all", "scope": "gateway:all", "methods": ("GET", "OPTIONS"), "scheme": "http",
        "host": "h", "port": 80, "base": "", "is_address": False, "authority": "h", "timeout_s": 30,
        "connect_timeout_s": 2, "retries": 1, "body_limit": 1024, "rate_per_minute": 5, "websocket": True,
        "cors_origins": ("https://a.example",), "cors_credentials": True,
    }  # fmt: skip
    plan = discovery.plan()
    [table, _] = tables.routes(replace(plan, routes=(Planned(**facts),)))
    entries = tree.read(table["virtual_hosts"][0]).every()
    asking = {"origin": "https://a.example", "access-control-request-method": "GET", "upgrade": "websocket"}
    for headers in ({}, asking, {"authorization": "Bearer a.b.c"}):
        assert [matching.fits(each["match"], matching.Asked("GET", "/all/x", headers)) for each in entries]
    with pytest.raises(NotImplementedError, match="is known here"):
        matching.fits({"prefix": "/", "filter_state": []}, matching.Asked("GET", "/"))
