"""The resources that Envoy is told, judged by a real Envoy and by what must stand in them."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from gateway import trial
from gateway.envoy import bootstrap, clusters, extension_configs, listeners, matching, rates, routes, tree, validate
from gateway.envoy.extension_configs import SCOPES
from gateway.envoy.plan import PORTAL_FILES, Doors, Keys, Plan, Revoked, Route, Trusted
from portal.models import User

PUBLIC = rsa.generate_private_key(65537, 2048).public_key()
JWK = {**RSAAlgorithm.to_jwk(PUBLIC, as_dict=True), "kid": "k1", "use": "sig", "alg": "RS256"}
KEYS = Keys(json.dumps({"keys": [JWK]}), "https://gate.example:8443")
TRUSTED = Trusted(listeners.DEVICE_CAS, trial.throw_away().chain)
DOORS = Doors(("127.0.0.1", "::1"), 18000, "0.0.0.0", 18443, 18444)
PORTAL, DEVICE = ("api", "denied-devices", "portal", ".well-known"), ("api", "config", "device")
PLAN = Plan(DOORS, Path("/run/portal.sock"), PORTAL, DEVICE)

EVERY = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ROUTE = Route(
    "7",
    "core-data",
    "gateway:core-data",
    EVERY,
    "http",
    "10.0.0.5",
    59880,
    "",
    True,
    "10.0.0.5:59880",
    30,
    2,
    1,
    1048576,
)
CAS = "/etc/ssl/certs/ca-certificates.crt"


def verdict(plan: Plan = PLAN, keys: Keys = KEYS, revoked: Revoked | None = None) -> str | None:
    return validate.reason_against(
        trial.binary(),
        trial.throw_away(),
        TRUSTED,
        listeners=listeners.listeners(plan),
        clusters=clusters.clusters(plan),
        tables=routes.routes(plan),
        extension_configs=[
            extension_configs.access_token(keys),
            extension_configs.revocations(revoked or Revoked()),
        ],
    )


class TestARealEnvoyTakes:
    @pytest.mark.parametrize(
        "revoked",
        [
            Revoked(),
            Revoked(tokens=frozenset({"t1", "t2"})),
            Revoked(subjects=frozenset({"device one"})),
            Revoked(frozenset({"t"}), frozenset({"g"}), frozenset({'s"ubject\\'})),
        ],
    )
    def test_any_revocations(self, revoked: Revoked) -> None:
        assert verdict(revoked=revoked) is None

    @pytest.mark.parametrize(
        "doors",
        [
            Doors(("127.0.0.1",), 18000, "127.0.0.1", 18443, 18444),
            Doors(("127.0.0.1", "::1"), 18000, "::", 18443, 18444),
            Doors(("127.0.0.1", "::1"), 18000, "2001:db8::1", 18443, 18444),
        ],
    )
    def test_any_doors(self, doors: Doors) -> None:
        assert verdict(replace(PLAN, doors=doors)) is None

    @pytest.mark.parametrize(
        "facts",
        [
            {},
            {"prefix": "a.b~c_d-e/F/g/h", "base": "/b.c/d~e", "retries": 0, "timeout_s": 0},
            {"host": "fd00::5", "authority": "[fd00::5]:59880"},
            {"host": "edgex_core.lan", "is_address": False, "authority": "edgex_core.lan", "keeps_host": True},
            {"scheme": "https", "forwards_token": True},
            {"scheme": "https", "host": "core.lan", "is_address": False, "authority": "core.lan"},
            {"methods": ("DELETE",), "body_limit": 64 * 1024 * 1024, "timeout_s": 600},
            {"rate_per_minute": 60_000, "burst": 1000},
            {"health_path": "/ping?x='y'", "is_address": False, "host": "core.lan", "authority": "core.lan"},
            {"websocket": True, "websocket_max_s": 86_400},
            {"cors_origins": ("https://app.example", "http://[fd00::1]:8080"), "cors_credentials": True},
            {
                "scheme": "https",
                "target_ca": trial.throw_away().chain * 2,
                "websocket": True,
                "rate_per_minute": 1,
                "burst": 1,
                "cors_origins": ("https://a.example",) * 20,
                "health_path": "/",
            },
        ],
    )
    def test_any_route(self, facts: dict[str, Any], tmp_path: Path) -> None:
        cas = tmp_path / "cas.pem"
        cas.write_text(trial.throw_away().chain)
        assert verdict(replace(PLAN, routes=(replace(ROUTE, **facts, id="8"), ROUTE), system_cas=str(cas))) is None

    @pytest.mark.parametrize("json_logs", [True, False])
    def test_the_bootstrap(self, tmp_path: Path, json_logs: bool) -> None:
        token_file = tmp_path / "node-token.json"
        token_file.write_text(json.dumps(bootstrap.node_token("gate_node_x")))
        config = bootstrap.bootstrap(
            "local",
            portal_socket=tmp_path / "p.sock",
            admin_socket=tmp_path / "a.sock",
            token_file=token_file,
            json_logs=json_logs,
        )
        assert validate.judge(trial.binary(), config) is None


class TestARealEnvoyRefuses:
    def test_a_door_that_is_no_address_and_says_why_in_one_line(self) -> None:
        reason = verdict(replace(PLAN, doors=Doors(("nowhere",), 1, "127.0.0.1", 2, 3)))
        assert reason
        assert "nowhere" in reason
        assert "\n" not in reason
        assert len(reason) <= 300

    def test_keys_that_are_none(self) -> None:
        assert verdict(keys=Keys("{}", "https://gate.example"))

    def test_and_its_reason_never_quotes_a_private_key(self) -> None:
        said = '[x][critical][main] error: bad {"private_key": {"inline_string": "-----BEGIN PRIVATE KEY-----\\nMIG"}}'
        assert validate.plainly(said) == "error: bad"

    def test_what_runs_but_is_no_envoy(self) -> None:
        assert validate.judge(Path("/bin/false"), {}) == "Envoy gave no reason."


def of(**facts: Any) -> list[dict[str, Any]]:
    """The entries of one route in the table."""
    table, _ = routes.routes(replace(PLAN, routes=(replace(ROUTE, **facts),)))
    return [entry for entry in tree.read(table["virtual_hosts"][0]).every() if entry["name"] == "route-7"]


def demands(entry: dict[str, Any]) -> None:
    """The entry asks for an access token, and for its own scope or that of every route."""
    filters = entry["typed_per_filter_config"]
    assert filters["access_token"]["requirement_name"] == "access_token"
    assert "config" in filters["revocations"]
    [policy] = filters["scope"]["rbac"]["rules"]["policies"].values()
    scope = entry["metadata"]["filter_metadata"]["gatehouse"]["scope"]
    assert [each["header"]["name"] for each in policy["principals"]] == list(SCOPES)
    for each in policy["principals"]:
        held = re.compile(each["header"]["string_match"]["safe_regex"]["regex"])
        assert all(held.fullmatch(text) for text in (scope, f"a {scope}", f"{scope} a", f"a {scope} b", "gateway:*"))
        assert not any(held.fullmatch(text) for text in ("", f"{scope}x", f"x{scope}", f"a{scope} b", "gateway:x"))


class TestRoutes:
    """What must stand in the table for a route, whatever else does."""

    @pytest.fixture
    def below(self) -> Mapping[str, tree.Entries]:
        deep = replace(ROUTE, id="8", prefix="core-data/deep", base="/b")
        table, devices = routes.routes(replace(PLAN, routes=(ROUTE, deep)))
        assert "route-" not in json.dumps(devices)
        return tree.read(table["virtual_hosts"][0]).below

    def test_stand_below_their_prefix_and_behind_them_those_in_which_they_nest(
        self, below: Mapping[str, tree.Entries]
    ) -> None:
        names = {beginning: [entry["name"] for entry in entries] for beginning, entries in below.items()}
        first, last = ["authorization_malformed"], ["portal", "route_not_found"]
        assert names["/core-data"] == [*first, *["route-7"] * 3, *last]
        assert names["/core-data/deep"] == [*first, *["route-8"] * 3, *["route-7"] * 3, *last]

    def test_none_stands_below_what_is_the_portals_own_whatever_is_stored(self) -> None:
        stored = (replace(ROUTE, prefix="portal"), replace(ROUTE, id="8", prefix="portal/login"))
        assert "portal" in PLAN.portal_segments
        table, _ = routes.routes(replace(PLAN, routes=stored))
        assert not [each for each in tree.read(table["virtual_hosts"][0]).every() if each["name"].startswith("route-")]

    def test_none_is_open_without_a_token_and_a_scope(self, below: Mapping[str, tree.Entries]) -> None:
        of_routes = [entry for each in below.values() for entry in each if entry["name"].startswith("route-")]
        assert len(of_routes) == 9
        answers = [entry for entry in of_routes if entry.get("direct_response") == {"status": 401}]
        assert len(answers) == 3
        for entry in of_routes:
            if entry not in answers:
                demands(entry)

    def test_nor_is_any_that_reaches_the_service_whatever_else_the_route_may_do(self) -> None:
        entries = of(websocket=True, cors_origins=("https://app.example",), rate_per_minute=5)
        assert ["route" in entry for entry in entries] == [False] * 5 + [True] * 3
        assert [entry["direct_response"]["status"] for entry in entries[:5]] == [200, 200, 401, 401, 405]
        assert ["answers" in entry["typed_per_filter_config"] for entry in entries[2:]] == [
            True, False, False, False, True, False,
        ]  # fmt: skip
        for entry in entries[4:]:
            demands(entry)
        for entry in entries[:2]:
            assert entry["direct_response"] == {"status": 200}
            assert entry["match"]["headers"][0] == {"name": ":method", "string_match": {"exact": "OPTIONS"}}
        limited = [entry for entry in entries if "rate_limits" in entry.get("route", {})]
        assert limited == entries[5:]

    def test_count_each_caller_by_itself(self) -> None:
        limits = rates.limits([ROUTE, replace(ROUTE, rate_per_minute=90, burst=7)])["rate"]
        assert rates.limits([ROUTE]) == {}
        served = of(rate_per_minute=90, burst=7)[-1]
        bucket = {"max_tokens": 7, "tokens_per_fill": 90, "fill_interval": "60s"}
        assert [[entry["key"] for entry in each["entries"]] for each in limits["descriptors"]] == [
            ["route", "caller"], ["nobody"],
        ]  # fmt: skip
        assert [each["token_bucket"] for each in limits["descriptors"]] == [bucket, bucket]
        assert limits["always_consume_default_token_bucket"] is False
        assert served["metadata"]["filter_metadata"]["gatehouse"]["again_after"] == "1"

    @pytest.mark.parametrize(("rate", "seconds"), [(1, "60"), (7, "9"), (60, "1"), (60_000, "1")])
    def test_tell_a_caller_when_the_next_is_free(self, rate: int, seconds: str) -> None:
        served = of(rate_per_minute=rate)[-1]
        assert served["metadata"]["filter_metadata"]["gatehouse"]["again_after"] == seconds

    def test_let_a_socket_live_as_long_as_the_route_says_and_be_silent_meanwhile(self) -> None:
        *_, socket, served = of(websocket=True, websocket_max_s=3600, timeout_s=5)
        assert socket["route"]["max_stream_duration"] == {"max_stream_duration": "3600s"}
        assert (socket["route"]["timeout"], socket["route"]["idle_timeout"]) == ("0s", "3600s")
        assert (served["route"]["timeout"], served["route"]["idle_timeout"]) == ("5s", "65s")
        assert "upgrade_configs" not in served["route"]

    def test_ask_a_service_every_ten_seconds_and_give_up_after_three_noes(self) -> None:
        [_, cluster] = clusters.clusters(replace(PLAN, routes=(replace(ROUTE, health_path="/ping"),)))
        [check] = cluster["health_checks"]
        assert {check[name] for name in ("interval", "no_traffic_interval")} == {"10s"}
        assert (check["timeout"], check["unhealthy_threshold"], check["healthy_threshold"]) == ("2s", 3, 2)
        asked = check["http_health_check"]
        assert (asked["path"], asked["host"]) == ("/ping", "10.0.0.5:59880")
        assert asked["expected_statuses"] == [{"start": 200, "end": 300}]
        assert cluster["common_lb_config"] == {"healthy_panic_threshold": {"value": 0}}

    def test_ask_no_service_that_names_no_path(self) -> None:
        [_, cluster] = clusters.clusters(replace(PLAN, routes=(ROUTE,)))
        assert "health_checks" not in cluster

    def test_trust_the_cas_of_the_route_in_place_of_the_systems(self) -> None:
        own = replace(ROUTE, scheme="https", target_ca="PEM")
        [_, cluster] = clusters.clusters(replace(PLAN, routes=(own,), system_cas=CAS))
        judged = cluster["transport_socket"]["typed_config"]["common_tls_context"]["validation_context"]
        assert judged["trusted_ca"] == {"inline_string": "PEM"}

    @pytest.mark.parametrize(
        ("path", "forwarded"),
        [
            ("/core-data", "/b/"),
            ("/core-data/", "/b/"),
            ("/core-data/x", "/b/x"),
            ("/core-data/core-data/x", "/b/core-data/x"),
        ],
    )
    def test_strip_the_prefix_once(self, path: str, forwarded: str) -> None:
        [rewrite] = [entry["route"]["regex_rewrite"] for entry in of(base="/b") if "route" in entry]
        assert re.sub(rewrite["pattern"]["regex"], rewrite["substitution"], path) == forwarded

    def test_verify_a_service_that_speaks_tls_by_its_name(self) -> None:
        safe = replace(ROUTE, scheme="https", host="core.lan", is_address=False)
        [_, cluster] = clusters.clusters(replace(PLAN, routes=(safe,), system_cas=CAS))
        context = cluster["transport_socket"]["typed_config"]
        assert context["sni"] == "core.lan"
        assert context["common_tls_context"]["validation_context"] == {
            "trusted_ca": {"filename": CAS},
            "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "core.lan"}}],
        }


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        ["/.", "/..", "/a/./b", "/a/../b", "/%2e/a", "/.%2E", "/a/%2e%2e", "/a%2Fb", "/a%2fb", "/a%5cb", "/a\\b",
         "/a%00", "/a%1f", "/a%0A", "/a%7F", "/a;b", "/a%3Bb", "/a..;/b", "/a#b", "/a%", "/a%4", "/a%zz", "/a%4/b"],
    )  # fmt: skip
    def test_that_two_readers_could_read_differently_are_caught(self, path: str) -> None:
        assert any(re.fullmatch(rule, path) for rule in (routes.DOT_SEGMENT, routes.BYTES, routes.BAD_PERCENT))

    @pytest.mark.parametrize(
        "path", ["/", "/a", "/a..b", "/...", "/.hidden", "/a/.hidden/b", "/%E4%B8%AD", "/%20", "/%25", "/%3F", "/%252e",
                 "/%61", "/a:b@c", "/a%252Fb", "/a,b"],
    )  # fmt: skip
    def test_others_are_not(self, path: str) -> None:
        assert not any(re.fullmatch(rule, path) for rule in (routes.DOT_SEGMENT, routes.BYTES, routes.BAD_PERCENT))

    @pytest.mark.parametrize(
        ("query", "is_caught"),
        [("access_token", True), ("access_token=x", True), ("a=b&access_token&c", True), ("%61ccess_token=x", True),
         ("acc%65ss%5ftoken=x", True), ("access%5Ftoken=x", True), ("a&%61%63%63%65%73%73%5F%74%6f%6B%65%6E=x", True),
         ("?access_token=x", False), ("%2561ccess_token=x", False), ("my_access_token=x", False),
         ("access_tokens=x", False), ("a=access_token", False), ("a=%26access_token", False),
         ("access_token%3Dx", False)],
    )  # fmt: skip
    def test_a_token_in_the_query_is_found_by_its_decoded_name(self, query: str, is_caught: bool) -> None:
        assert (re.fullmatch(routes.CREDENTIAL_IN_QUERY, f"/line/x?{query}") is not None) is is_caught
        assert any(name == "access_token" for name, _ in parse_qsl(query, keep_blank_values=True)) is is_caught
        assert not re.fullmatch(routes.CREDENTIAL_IN_QUERY, f"/{query.replace('?', '')}")


@given(st.from_regex(routes.PLAIN, fullmatch=True))
def test_no_plain_path_is_one_that_is_refused(path: str) -> None:
    asked = matching.Asked("GET", path, {":authority": "edge"})
    assert not any(matching.fits(entry["match"], asked) for entry in routes.refusals())


def test_what_judges_is_no_part_of_a_request_unless_its_route_turns_it_on() -> None:
    for listener in listeners.listeners(PLAN):
        manager = listener["filter_chains"][0]["filters"][-1]["typed_config"]
        off = [each["name"] for each in manager["http_filters"] if each.get("disabled")]
        assert off == ["answers", "access_token", "revocations", "scope", "rate"]


def test_refusals_come_before_everything_and_no_list_ends_without_an_answer() -> None:
    table, _ = routes.routes(PLAN)
    known = tree.read(table["virtual_hosts"][0])
    assert [entry["name"] for entry in known.refused] == [
        "method_refused", "correlation_id_refused", "host_malformed", "path_refused", "path_refused", "path_refused",
        "path_refused", "token_in_query",
    ]  # fmt: skip
    assert set(known.below) == {f"/{segment}" for segment in PLAN.portal_segments}
    asked_for_a_token = "portal"
    for entries in (*known.below.values(), known.otherwise):
        names = [entry["name"] for entry in entries]
        assert names[0] == "portal"
        assert names[-3:] == ["authorization_malformed", asked_for_a_token, "route_not_found"]
        assert entries[-1]["match"] == {"prefix": ""}


@pytest.mark.parametrize("path", PORTAL_FILES)
def test_a_file_that_grows_with_the_fleet_is_cut_off_by_silence_first(
    log_in: Callable[..., Client], administrator: User, path: str
) -> None:
    answer = log_in(administrator).get(path)
    assert answer.streaming
    answer.close()
    table, _ = routes.routes(PLAN)
    entries = tree.read(table["virtual_hosts"][0]).every()
    action = next(route["route"] for route in entries if route["match"] == {"path": path})
    assert (action["timeout"], action["idle_timeout"]) == ("900s", "60s")


@pytest.mark.parametrize(
    "claimed",
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-client-cert", "x-gatehouse-subject",
     "x-gatehouse-caller-request-id", "x-envoy-original-path", "forwarded", "via", "x-real-ip", "x-request-id"],
)  # fmt: skip
def test_what_a_client_claims_is_removed_before_anything_is_added(claimed: str) -> None:
    for listener in listeners.listeners(PLAN):
        manager = listener["filter_chains"][0]["filters"][-1]["typed_config"]
        mutations = manager["early_header_mutation_extensions"][0]["typed_config"]["mutations"]
        removes = [
            at
            for at, mutation in enumerate(mutations)
            if mutation.get("remove") == claimed
            or claimed.startswith(mutation.get("remove_on_match", {}).get("key_matcher", {}).get("prefix", "-"))
        ]
        (added,) = [at for at, mutation in enumerate(mutations) if "append" in mutation]
        assert removes
        # The request id alone is read first: it is laid aside.
        assert (removes[0] > added) is (claimed == "x-request-id")


def test_every_sentence_of_envoy_is_one() -> None:
    text = json.dumps(listeners.listeners(PLAN)) + json.dumps(routes.routes(replace(PLAN, routes=(ROUTE,))))
    sentences = re.findall(r'"(?:error|sentence)": "([^%][^"]*)"', text)
    assert len(sentences) > 10
    # What Mender's clients may compare is as Mender writes it.
    menders = {"request body is too large", "service unavailable"}
    assert {sentence for sentence in sentences if not sentence.endswith(".")} == menders


def test_the_token_file_holds_the_whole_header() -> None:
    (secret,) = bootstrap.node_token("gate_node_abc")["resources"]
    assert secret["generic_secret"]["secret"]["inline_string"] == "Bearer gate_node_abc"
