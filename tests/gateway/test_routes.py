"""Routes of the gateway: what may stand in one, who may not be a target, and that a real Envoy is asked first."""

import gc
import socket
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from threading import Event, Thread
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from gateway import discovery, nodes, route_fields, route_watch, routes, trial
from gateway.envoy import tree
from gateway.models import Origin, Route, RouteTraffic
from portal.actor import Actor
from portal.models import AuditEvent, Outbox
from portal.refusal import Invalid, Refusal
from portal.scopes import Scope
from portal.targets import TargetNotAllowed
from tests.pki import Authority

pytestmark = pytest.mark.django_db
TARGET = "http://10.0.0.5:59880"


@pytest.fixture
def make(root: Actor) -> Callable[..., Route]:
    def make(prefix: str = "line", target: str = TARGET, **facts: Any) -> Route:
        return routes.make(prefix, target, by=root, **facts)

    return make


def told() -> list[tuple[str, dict[str, Any]]]:
    return [(message.topic, message.body) for message in Outbox.objects.order_by("pk")]


def made_here() -> QuerySet[Route]:
    """Those that did not come with the schema."""
    return Route.objects.filter(origin=Origin.PERSON)


def verbs() -> list[str]:
    return list(AuditEvent.objects.filter(verb__startswith="route.").order_by("number").values_list("verb", flat=True))


class TestMaking:
    def test_has_the_defaults_of_the_contract(self, make: Callable[..., Route]) -> None:
        route = Route.objects.get(pk=make("/Line-Data/v1/").pk)
        assert route.prefix == "Line-Data/v1"
        assert (route.target, route.scope) == (TARGET, "gateway:line-data.v1")
        assert route.methods == ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        assert (route.timeout_s, route.connect_timeout_s, route.retries, route.body_limit) == (30, 2, 1, 1048576)
        assert (route.is_enabled, route.host_header, route.forward_token) == (True, "target", False)
        assert (route.rate_per_minute, route.burst, route.health_path) == (0, 20, "")
        assert (route.websocket, route.websocket_max_s) == (False, 900)
        assert (route.cors_origins, route.cors_credentials, route.target_ca) == ([], False, "")
        assert (route.origin, route.is_edited) == ("person", False)
        assert verbs() == ["route.made"]
        assert told() == [
            ("route.made", {"route": "Line-Data/v1", "enabled": True, "by": "command test", "reason": ""})
        ]

    @pytest.mark.parametrize(
        ("field", "value"),
        [("prefix", ""), ("prefix", "/"), ("prefix", "a//b"), ("prefix", "-a"), ("prefix", ".a"), ("prefix", "a/../b"),
         ("prefix", "a/b/c/d/e"), ("prefix", "a" * 64), ("prefix", "a b"), ("prefix", "a%20"), ("prefix", "a\n"),
         ("prefix", "ä"), ("scope", "gateway:"), ("scope", "gateway:A"), ("scope", "devices:read"),
         ("scope", "gateway:read"), ("scope", "gateway:manage"), ("scope", "gateway:a\n"), ("methods", []),
         ("methods", ["TRACE"]), ("timeout_s", -1), ("timeout_s", 601), ("connect_timeout_s", 0),
         ("connect_timeout_s", 11), ("retries", 4), ("body_limit", 1023), ("body_limit", 64 * 1024 * 1024 + 1),
         ("rate_per_minute", -1), ("rate_per_minute", 60_001), ("burst", 0), ("burst", 1001), ("websocket_max_s", 59),
         ("websocket_max_s", 86_401), ("health_path", "ping"), ("health_path", "/a b"), ("health_path", "/a#b"),
         ("health_path", "/" + "a" * 500), ("health_path", "/a\r\nb"), ("health_path", "/ä"),
         ("cors_origins", ["*"]), ("cors_origins", ["null"]), ("cors_origins", ["https://*.example"]),
         ("cors_origins", ["app.example"]), ("cors_origins", ["https://app.example/x"]),
         ("cors_origins", ["https://u@app.example"]), ("cors_origins", ["https://app.example:0"]),
         ("cors_origins", ["https://app.example:65536"]), ("cors_origins", ["https://app_.example"]),
         ("cors_origins", ["https://ä.example"]), ("cors_origins", ["ftp://app.example"]),
         ("cors_origins", ["https://app.example", "https://b.example\n"]), ("cors_origins", ["https://"]),
         ("cors_origins", [f"https://{n}.example" for n in range(21)]),
         ("host_header", "mine"), ("target", "http://10.0.0.5?x"), ("target", "http://10.0.0.5/a?x"),
         ("target", "http://10.0.0.5/a/../b"), ("target", "http://10.0.0.5/./"), ("target", "http://10.0.0.5//a"),
         ("target", "http://10.0.0.5/%41")],
    )  # fmt: skip
    def test_refuses_what_makes_no_sense_by_its_field(
        self, make: Callable[..., Route], field: str, value: object
    ) -> None:
        with pytest.raises(Invalid) as no:
            make(**{field: value})
        assert no.value.invalid
        assert list(no.value.invalid) == [field]
        assert str(no.value).endswith(".")
        assert not made_here().exists()

    @pytest.mark.parametrize(
        ("target", "kept"),
        [("http://10.0.0.5", "http://10.0.0.5"), ("HTTP://10.0.0.5:80/", "http://10.0.0.5"),
         ("https://10.0.0.5:443/a.b/c~d/", "https://10.0.0.5/a.b/c~d"), ("http://[fd00::1]:81", "http://[fd00::1]:81"),
         ("http://edgex_core:59880/...", "http://edgex_core:59880/...")],
    )  # fmt: skip
    def test_keeps_a_target_in_one_spelling(self, make: Callable[..., Route], target: str, kept: str) -> None:
        assert make(target=target).target == kept

    def test_keeps_origins_as_browsers_write_them_each_once(self, make: Callable[..., Route]) -> None:
        wanted = ["HTTPS://App.Example/", "https://app.example:443", "http://10.0.0.7:80", "http://[fd00::1]:8080"]
        kept = ["https://app.example", "http://10.0.0.7", "http://[fd00::1]:8080"]
        assert make(cors_origins=wanted).cors_origins == kept

    @pytest.mark.parametrize(
        "path",
        ["/../x", "/a/..", "/.", "/a/./b", "/%2e%2E/x", "/a/.%2e?x=1", "/a%2F..%2fb", "/..;/x", "/a;b", "/a\\..\\b",
         "/a%5Cb", "/a%00", "/a%", "/a%4", "/a%zz"],
    )  # fmt: skip
    def test_refuses_a_health_path_that_can_be_read_in_two_ways(self, make: Callable[..., Route], path: str) -> None:
        with pytest.raises(Invalid, match="read in two ways") as refused:
            make(health_path=path)
        assert set(refused.value.invalid or {}) == {"health_path"}

    @pytest.mark.parametrize("path", ["/a..b", "/...", "/.well/ping", "/%20", "/x?y=../..%2F", "/a%252e"])
    def test_keeps_a_health_path_that_everybody_reads_alike(self, make: Callable[..., Route], path: str) -> None:
        assert make(health_path=path).health_path == path

    def test_keeps_a_health_path_with_its_query(self, make: Callable[..., Route]) -> None:
        assert make(health_path="/api/v3/ping?deep=1").health_path == "/api/v3/ping?deep=1"

    def test_a_websocket_begins_with_get(self, make: Callable[..., Route]) -> None:
        with pytest.raises(Invalid, match="begins with GET") as no:
            make(websocket=True, methods=["POST"])
        assert list(no.value.invalid or ()) == ["websocket"]

    @pytest.mark.parametrize(
        "target",
        ["http://127.0.0.1:5432", "http://localhost", "http://8.8.8.8", "http://example.com", "http://169.254.169.254",
         "http://metadata.google.internal", "http://127.1", "http://0x7f.0.0.1", "http://[::ffff:127.0.0.1]",
         "http://[fe80::1]", "http://0.0.0.0", "http://100.100.100.200", "ftp://10.0.0.5", "http://u:p@10.0.0.5",
         "http://10.0.0.5:0", "http://10.0.0.5:99999"],
    )  # fmt: skip
    def test_refuses_a_target_that_is_not_open(self, make: Callable[..., Route], target: str) -> None:
        with pytest.raises(TargetNotAllowed) as no:
            make(target=target)
        assert (no.value.status, no.value.code) == (400, "target_not_allowed")

    def test_says_of_a_target_that_it_is_never_one(self, make: Callable[..., Route]) -> None:
        with pytest.raises(TargetNotAllowed, match=r"^169\.254\.169\.254 is never a route target\.$"):
            make(target="http://169.254.169.254/latest")

    @pytest.mark.parametrize("prefix", ["api", "API/x", "portal", "healthz", "static", "v3", "oauth"])
    def test_refuses_what_belongs_to_the_portal(self, make: Callable[..., Route], prefix: str) -> None:
        with pytest.raises(Refusal) as no:
            make(prefix)
        assert (no.value.status, no.value.code) == (400, "prefix_reserved")

    @pytest.mark.parametrize("prefix", ["line", "LINE"])
    def test_refuses_a_prefix_that_is_taken_in_any_case(self, make: Callable[..., Route], prefix: str) -> None:
        make()
        with pytest.raises(Refusal, match=rf"line is already a route to {TARGET}; ") as no:
            make(prefix)
        assert (no.value.status, no.value.code) == (409, "prefix_taken")
        with pytest.raises(IntegrityError), transaction.atomic():
            Route.objects.create(prefix=prefix, target=TARGET, scope="gateway:x")

    def test_asks_a_real_envoy_first_and_gives_its_reason(
        self, make: Callable[..., Route], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A prefix that is no regular expression to Envoy; nothing that is taken here leads to one."""
        monkeypatch.setattr("gateway.envoy.gateway_routes.re.escape", lambda text: f"({text}")
        with pytest.raises(Refusal) as no:
            make()
        assert (no.value.status, no.value.code) == (400, "route_not_possible")
        assert "missing" in str(no.value)
        assert not made_here().exists()
        assert told() == []


class TestChanging:
    def test_tells_what_was_and_what_is(self, make: Callable[..., Route], root: Actor) -> None:
        route = make()
        routes.change(route, by=root, timeout_s=0, methods=["POST", "GET", "GET"], reason="streams")
        assert (route.timeout_s, route.methods, route.revision) == (0, ["GET", "POST"], 2)
        event = AuditEvent.objects.latest("number")
        assert (event.verb, event.reason) == ("route.changed", "streams")
        assert event.before["timeout_s"] == 30
        assert event.after == {"timeout_s": 0, "methods": ["GET", "POST"]}
        assert [topic for topic, _ in told()] == ["route.made", "route.changed"]

    def test_leaves_no_trace_where_nothing_changes(self, make: Callable[..., Route], root: Actor) -> None:
        route = make()
        routes.change(route, by=root, prefix="/line", target=f"{TARGET}/", timeout_s=30)
        assert (route.revision, verbs()) == (1, ["route.made"])

    def test_of_two_at_once_refuses_the_second(self, make: Callable[..., Route], root: Actor) -> None:
        route = make()
        other = routes.find(route.pk)
        routes.change(route, by=root, retries=0)
        for late in (lambda: routes.change(other, by=root, retries=2), lambda: routes.delete(other, by=root)):
            with pytest.raises(routes.Changed):
                late()
        with pytest.raises(routes.Changed):
            routes.change(route, by=root, retries=2, seen=1)
        assert routes.find(route.pk).retries == 0

    def test_takes_no_prefix_of_another(self, make: Callable[..., Route], root: Actor) -> None:
        make()
        with pytest.raises(routes.PrefixTaken):
            routes.change(make("other"), by=root, prefix="Line")

    def test_may_change_the_case_of_its_own_prefix(self, make: Callable[..., Route], root: Actor) -> None:
        route = make()
        routes.change(route, by=root, prefix="Line")
        assert (route.prefix, route.scope) == ("Line", "gateway:line")

    def test_a_target_that_was_closed_meanwhile_is_not_enabled_again(
        self, make: Callable[..., Route], root: Actor, settings: Any
    ) -> None:
        route = make()
        routes.disable(route, by=root)
        settings.ROUTE_TARGETS = ["public"]
        with pytest.raises(TargetNotAllowed):
            routes.enable(route, by=root)
        assert verbs() == ["route.made", "route.disabled"]

    def test_deletes(self, make: Callable[..., Route], root: Actor) -> None:
        routes.delete(make(), by=root, reason="gone")
        assert verbs() == ["route.made", "route.deleted"]
        assert told()[-1][0] == "route.deleted"
        assert not made_here().exists()

    @pytest.mark.django_db(transaction=True)
    def test_deletes_while_the_worker_counts_what_passed(self, make: Callable[..., Route], root: Actor) -> None:
        route, node = make(), nodes.local(by=root)[0]
        comes = Event()

        def count() -> None:
            try:
                connection.ensure_connection()
                comes.set()
                # Whoever counts comes too late, or too early to be missed.
                with suppress(IntegrityError):
                    RouteTraffic.objects.create(route=route, node=node, began_at=timezone.now())
            finally:
                connection.close()

        counting = Thread(target=count)

        def meanwhile(execute: Any, sql: str, *facts: Any) -> Any:
            done = execute(sql, *facts)
            if sql.startswith('DELETE FROM "gateway_routetraffic"'):
                counting.start()
                assert comes.wait(60)
                counting.join(0.5)
            return done

        with connection.execute_wrapper(meanwhile):
            routes.delete(route, by=root)
        counting.join()
        assert verbs() == ["route.made", "route.deleted"]
        assert not RouteTraffic.objects.exists()


class TestCasOfATarget:
    """An https service may be judged by CAs of its own."""

    SAFE = "https://10.0.0.5"

    def test_are_kept_without_what_stands_around_them_each_once(self, make: Callable[..., Route]) -> None:
        one, two = Authority("one"), Authority("two")
        text = f"# plant\n{one.pem}\nSubject: two\n{two.pem}{one.pem}"
        route = make(target=self.SAFE, target_ca=text)
        assert route.target_ca == one.pem + two.pem
        assert AuditEvent.objects.latest("number").after["target_ca"] == [
            ca.certificate.fingerprint(SHA256()).hex() for ca in (one, two)
        ]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (lambda ca: ca.pem + ca.key_pem, "private key"),
            (lambda ca: ca.issue().pem, "Certificate 1: It is not the certificate of a CA"),
            (lambda ca: ca.pem + Authority("old", days=-1).pem, "Certificate 2: It ended on"),
            (lambda ca: ca.issue(is_ca=True, starts=timedelta(days=2)).pem, "It is not valid before"),
            (lambda ca: ca.public_pem, "no CERTIFICATE"),
            (lambda ca: ca.pem.replace("-----END", "----END"), "no PEM bundle"),
            (lambda ca: "plant", "no PEM bundle"),
            (lambda ca: ca.pem[:200] + "\n-----END CERTIFICATE-----\n", "Certificate 1"),
            (lambda ca: ca.pem * 200, "over 64 KiB"),
            (lambda ca: "-----BEGIN X-----\n" * 3600, "no PEM bundle"),
        ],
    )  # fmt: skip
    def test_are_certificates_of_cas_that_are_valid_now(
        self, make: Callable[..., Route], text: Callable[[Authority], str], said: str
    ) -> None:
        with pytest.raises(Invalid, match=said) as no:
            make(target=self.SAFE, target_ca=text(Authority()))
        assert list(no.value.invalid or ()) == ["target_ca"]
        assert str(no.value).endswith(".")
        assert not made_here().exists()

    def test_are_for_https_alone_whichever_of_the_two_changes(self, make: Callable[..., Route], root: Actor) -> None:
        ca = Authority().pem
        route = make(target=self.SAFE, target_ca=ca)
        for wanted in ({"target": "http://10.0.0.5"}, {"target": TARGET, "target_ca": ca}):
            with pytest.raises(Invalid, match="https"):
                routes.change(route, by=root, **wanted)
        routes.change(route, by=root, target="https://10.0.0.6", reason="moved")
        assert (route.target, route.target_ca) == ("https://10.0.0.6", ca)
        routes.change(route, by=root, target=TARGET, target_ca="")
        assert (route.target, route.target_ca) == (TARGET, "")

    def test_are_the_only_way_where_the_machine_has_none(
        self, make: Callable[..., Route], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gateway.system_cas.file", lambda: "")
        with pytest.raises(Invalid, match="No CA certificates are installed") as no:
            make(target=self.SAFE)
        assert list(no.value.invalid or ()) == ["target"]
        assert make(target=self.SAFE, target_ca=Authority().pem).target_ca


class TestEditing:
    """What somebody has changed by hand is known; a list of routes leaves it alone from then on."""

    @pytest.fixture
    def listed(self, make: Callable[..., Route]) -> Route:
        return make(origin=Origin.VARIABLE, is_enabled=False)

    @pytest.mark.parametrize(
        ("by", "edited"),
        [
            (Actor("ann", "person", frozenset(Scope)), True),
            (Actor.token("t", Scope, owner=1, credential="x"), True),
            (Actor.command("import_routes"), False),
            (Actor.worker(), False),
        ],
    )
    @pytest.mark.parametrize("verb", [routes.enable, partial(routes.change, retries=0)])
    def test_is_done_by_people_and_programs(
        self, listed: Route, by: Actor, edited: bool, verb: Callable[..., None]
    ) -> None:
        verb(listed, by=by)
        assert (listed.is_edited, listed.origin) == (edited, "variable")
        routes.disable(listed, by=Actor.worker())
        assert listed.is_edited is edited

    def test_is_not_what_changes_nothing(self, listed: Route) -> None:
        routes.change(listed, by=Actor("ann", "person", frozenset(Scope)), retries=1)
        assert not listed.is_edited

    def test_is_nothing_to_note_of_a_route_that_a_person_made(self, make: Callable[..., Route]) -> None:
        route = make()
        routes.disable(route, by=Actor("ann", "person", frozenset(Scope)))
        assert not route.is_edited


class TestTheWatch:
    def test_disables_a_route_whose_target_is_open_no_more(self, make: Callable[..., Route], settings: Any) -> None:
        stays, goes = make("stays", "http://10.0.0.5"), make("goes", "http://192.168.7.7")
        settings.ROUTE_TARGETS = ["10.0.0.0/8"]
        route_watch.judge_again(Event())
        assert [routes.find(route.pk).is_enabled for route in (stays, goes)] == [True, False]
        event = AuditEvent.objects.latest("number")
        assert (event.verb, event.actor_kind) == ("route.disabled", "worker")
        assert event.reason.startswith("192.168.7.7 is not open as a route target")
        assert told()[-1] == (
            "route.changed",
            {"route": "goes", "enabled": False, "by": "worker worker", "reason": event.reason},
        )

    def test_leaves_a_name_that_only_an_envoy_knows(self, make: Callable[..., Route]) -> None:
        route = make(target="http://no-such-host")
        route_watch.judge_again(Event())
        assert routes.find(route.pk).is_enabled

    def test_looks_a_few_names_up_beside_one_another_so_that_a_slow_one_delays_no_other(
        self, make: Callable[..., Route], settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.ROUTE_TARGETS = ["private"]
        for number in range(20):
            make(f"slow-{number}", f"http://slow-{number}", tried=True)
        bad = [make(f"bad-{port}", f"http://bad:{port}", tried=True) for port in (81, 82)]
        monkeypatch.setattr(route_fields, "LOOK_UP_SECONDS", 1)
        ended = Event()

        def look_up(name: str, port: int, **facts: Any) -> list[Any]:
            if name.startswith("slow"):
                ended.wait(60)
                raise OSError
            return [(0, 0, 0, "", ("127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        started = time.perf_counter()
        route_watch.judge_again(Event())
        took = time.perf_counter() - started
        ended.set()
        assert [routes.find(route.pk).is_enabled for route in bad] == [False, False]
        assert made_here().filter(is_enabled=True).count() == 20
        assert took < 19  # Twenty times a second, one after the other, are twenty.

    def test_stops_where_it_is_when_it_is_told_to(self, make: Callable[..., Route], settings: Any) -> None:
        route = make("goes", "http://192.168.7.7")
        settings.ROUTE_TARGETS = ["10.0.0.0/8"]
        stopping = Event()
        stopping.set()
        route_watch.judge_again(stopping)
        assert routes.find(route.pk).is_enabled


def offered() -> tuple[list[str], list[str]]:
    """The names of the routes and of the clusters that the local node is told of."""
    table, devices = discovery.offer("routes", ()).resources
    assert not [each for each in tree.read(devices["virtual_hosts"][0]).every() if each["name"].startswith("route-")]
    names = [each["name"] for each in tree.read(table["virtual_hosts"][0]).every() if each["name"].startswith("route-")]
    return names, [cluster["name"] for cluster in discovery.offer("clusters", ()).resources]


def test_an_enabled_route_is_offered_and_no_other(make: Callable[..., Route], root: Actor) -> None:
    route, _ = make(), make("off", is_enabled=False)
    name = f"route-{route.pk}"
    assert offered() == ([name] * 3, ["portal", name])
    routes.disable(route, by=root)
    assert offered() == ([], ["portal"])


def test_what_is_offered_follows_each_change_and_is_read_only_then(
    make: Callable[..., Route], root: Actor, django_assert_num_queries: Any
) -> None:
    first, second = make("first"), make("second")

    def asked(queries: int) -> list[str]:
        with django_assert_num_queries(queries):
            table = discovery.offer("routes", ("doors",)).resources[0]
        entries = tree.read(table["virtual_hosts"][0]).every()
        return [each["route"]["timeout"] for each in entries if each["name"].startswith("route-") and "route" in each]

    assert asked(2) == ["30s", "30s"]
    assert asked(1) == ["30s", "30s"]
    routes.change(second, by=root, timeout_s=7)
    assert asked(2) == ["30s", "7s"]
    routes.delete(first, by=root)
    make("third", timeout_s=9)
    assert asked(2) == ["7s", "9s"]
    assert asked(1) == ["7s", "9s"]


def test_what_was_offered_before_a_change_is_kept_no_longer(make: Callable[..., Route], root: Actor) -> None:
    """Of a thousand routes it fills 15 MiB, and each change makes another."""
    route = make()
    before = [weakref.ref(discovery.offer(kind, ())) for kind in ("routes", "clusters")]
    assert all(kept() for kept in before)
    routes.change(route, by=root, timeout_s=7)
    discovery.offer("routes", ())
    gc.collect()
    assert not any(kept() for kept in before)


def test_of_many_routes_the_new_one_alone_is_tried(make: Callable[..., Route], monkeypatch: pytest.MonkeyPatch) -> None:
    """An Envoy that had to judge a thousand others would keep people waiting."""
    tried = []
    real = trial.reason_against_routes
    monkeypatch.setattr(trial, "reason_against_routes", lambda routes: tried.append(len(routes)) or real(routes))
    make("first")
    make("second")
    assert tried == [1, 1]


def test_there_are_at_most_two_thousand(make: Callable[..., Route]) -> None:
    missing = routes.MOST - Route.objects.count()
    Route.objects.bulk_create(Route(prefix=f"p{n}", target=TARGET, scope="gateway:p") for n in range(missing))
    assert Route.objects.count() == 2000
    with pytest.raises(Refusal, match="2000 routes already") as no:
        make()
    assert (no.value.status, no.value.code) == (409, "too_many_routes")
