"""The resources that Envoy is told, judged by a real Envoy and by what must stand in them."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client
from jwt.algorithms import RSAAlgorithm

from gateway import trial
from gateway.envoy import bootstrap, clusters, extension_configs, listeners, routes, validate
from gateway.envoy.plan import PORTAL_FILES, Doors, Keys, Plan, Revoked, Trusted
from portal.models import User

PUBLIC = rsa.generate_private_key(65537, 2048).public_key()
JWK = {**RSAAlgorithm.to_jwk(PUBLIC, as_dict=True), "kid": "k1", "use": "sig", "alg": "RS256"}
KEYS = Keys(json.dumps({"keys": [JWK]}), "https://gate.example:8443")
TRUSTED = Trusted(listeners.DEVICE_CAS, trial.throw_away().chain)
DOORS = Doors(("127.0.0.1", "::1"), 18000, "0.0.0.0", 18443, 18444)
PORTAL, DEVICE = ("api", "denied-devices", "portal", ".well-known"), ("api", "config", "device")
PLAN = Plan(DOORS, Path("/run/portal.sock"), PORTAL, DEVICE)


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


def test_refusals_come_before_the_portal_and_nothing_comes_after_the_404() -> None:
    table, _ = routes.routes(PLAN)
    names = [route["name"] for route in table["virtual_hosts"][0]["routes"]]
    assert names == [
        "method_refused", "correlation_id_refused", "path_refused", "path_refused", "path_refused", "path_refused",
        "token_in_query", *["portal"] * (len(PORTAL_FILES) + 1 + len(PLAN.portal_segments)), "route_not_found",
    ]  # fmt: skip


@pytest.mark.parametrize("path", PORTAL_FILES)
def test_a_file_that_grows_with_the_fleet_is_cut_off_by_silence_first(
    log_in: Callable[..., Client], administrator: User, path: str
) -> None:
    answer = log_in(administrator).get(path)
    assert answer.streaming
    answer.close()
    table, _ = routes.routes(PLAN)
    action = next(route["route"] for route in table["virtual_hosts"][0]["routes"] if route["match"] == {"path": path})
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
    text = json.dumps(listeners.listeners(PLAN)) + json.dumps(routes.routes(PLAN))
    sentences = re.findall(r'"(?:error|sentence)": "([^%][^"]*)"', text)
    assert len(sentences) > 10
    assert [sentence for sentence in sentences if not sentence.endswith(".")] == []


def test_the_token_file_holds_the_whole_header() -> None:
    (secret,) = bootstrap.node_token("gate_node_abc")["resources"]
    assert secret["generic_secret"]["secret"]["inline_string"] == "Bearer gate_node_abc"
