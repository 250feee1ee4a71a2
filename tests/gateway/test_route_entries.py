"""Lists of routes: what an entry may be, what it makes of the routes that are there, and what is never touched."""

import time
from collections.abc import Callable
from importlib import import_module
from threading import Barrier, Event
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from gateway import doctor, route_entries, route_fields, route_watch, routes, trial
from gateway.models import Origin, Route, RouteEntryRefusal
from portal.actor import Actor
from portal.models import AuditEvent, User

pytestmark = pytest.mark.django_db
PREFIXES = {
    "core-data": "http://edgex-core-data:59880",
    "core-metadata": "http://edgex-core-metadata:59881",
    "core-command": "http://edgex-core-command:59882",
    "support-notifications": "http://edgex-support-notifications:59860",
    "support-scheduler": "http://edgex-support-scheduler:59861",
    "rules-engine": "http://edgex-kuiper:59720",
    "app-rules-engine": "http://edgex-app-rules-engine:59701",
    "device-virtual": "http://edgex-device-virtual:59900",
}
KEEPER = {"core-keeper": "http://edgex-core-keeper:59890"}


@pytest.fixture
def ada(administrator: User) -> Actor:
    """Somebody who changes routes by hand."""
    return Actor.person(administrator)


@pytest.fixture
def built_in_routes(db: None) -> None:
    """The rows that a fresh installation has."""
    import_module("gateway.migrations.0002_built_in_routes").add(apps, None)


@pytest.fixture
def start(root: Actor) -> Callable[..., list[tuple[str, str]]]:
    """Start with this in EDGEX_ADD_PROXY_ROUTE: what came of each entry, and why not."""

    def take(text: str) -> list[tuple[str, str]]:
        return [(outcome.result, outcome.sentence) for outcome in route_entries.take_variable(text, by=root)]

    return take


def results(outcomes: list[route_entries.Outcome]) -> list[str]:
    return [outcome.result for outcome in outcomes]


def targets(**wanted: object) -> dict[str, str]:
    return dict(Route.objects.filter(**wanted).values_list("prefix", "target"))


def changes() -> int:
    return AuditEvent.objects.filter(subject_kind="route").count()


class TestForm:
    def test_the_line_of_the_manual_makes_its_route(self, start: Callable[..., list[tuple[str, str]]]) -> None:
        assert start("app-myservice.http://edgex-app-myservice:56789") == [("created", "")]
        route = Route.objects.get()
        assert (route.prefix, route.target) == ("app-myservice", "http://edgex-app-myservice:56789")
        assert (route.scope, route.is_enabled, route.origin, route.is_edited, route.created_by) == (
            "gateway:app-myservice", True, "variable", False, "command test",
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("entry", "prefix", "target"),
        [
            ("a.http://10.0.0.5:81", "a", "http://10.0.0.5:81"),
            ("a.http://10.0.0.5", "a", "http://10.0.0.5"),
            ("a.https://[fd00::1]:8443/b", "a", "https://[fd00::1]:8443/b"),
            ("a.b.c.http://edgex_app:1", "a.b.c", "http://edgex_app:1"),
            ("/a/b.http://app.plant.internal/x.y/z/", "a/b", "http://app.plant.internal/x.y/z"),
            ("a.http://h:1/b.http", "a", "http://h:1/b.http"),
            ("a.HTTP://H:80", "a", "http://h"),
        ],
    )
    def test_an_entry_is_split_at_its_first_scheme(
        self, start: Callable[..., list[tuple[str, str]]], entry: str, prefix: str, target: str
    ) -> None:
        assert start(entry) == [("created", "")]
        assert targets() == {prefix: target}

    def test_commas_and_white_space_stand_between_entries(self, start: Callable[..., list[tuple[str, str]]]) -> None:
        assert len(start(" a.http://h:1,b.http://h:2 ,\n c.http://h:3\td.http://h:4,, ")) == 4
        assert sorted(targets()) == ["a", "b", "c", "d"]
        assert start(" ,\n") == []

    @pytest.mark.parametrize(
        ("entry", "said"),
        [
            ("http://h:1", "(`http://h:1`) has no prefix; write prefix.http://host:port."),
            (".http://h:1", "(`.http://h:1`) has no prefix; write prefix.http://host:port."),
            ("/.http://h:1", "(`/.http://h:1`) has no prefix; write prefix.http://host:port."),
            ("app-x", "(`app-x`) has no http:// or https:// target."),
            ("app.ftp://h:21", "(`app.ftp://h:21`) has no http:// or https:// target."),
            (
                "a.http://h1:1;b.http://h2:2",
                "(`a.http://h1:1;b.http://h2:2`) holds two targets; separate entries with a comma.",
            ),
            ("app.http://h:abc", "(`app.http://h:abc`) has a port that is not a number from 1 to 65535."),
            ("app.http://h:", "(`app.http://h:`) has a port that is not a number from 1 to 65535."),
            ("app.http://h:0", "(`app.http://h:0`) has a port that is not a number from 1 to 65535."),
            ("app.http://h:99999/x", "(`app.http://h:99999/x`) has a port that is not a number from 1 to 65535."),
            ("app.http://h:٣", "(`app.http://h:٣`) has a port that is not a number from 1 to 65535."),
            ("app.http://[fd00::1]:x", "(`app.http://[fd00::1]:x`) has a port that is not a number from 1 to 65535."),
            ("app.http://h?x", "(`app.http://h?…`) must not hold a user, a query or a fragment."),
            ("app.http://h/b#x", "(`app.http://h/b#…`) must not hold a user, a query or a fragment."),
            ("app.http://h:1/../x", "(`app.http://h:1/../x`) A target has no query, and below its base path only"),
            ("api/x.http://h:1", "(`api/x.http://h:1`) /api belongs to the portal; choose another prefix."),
            ("a//b.http://h:1", "(`a//b.http://h:1`) A prefix is 1 to 4 segments joined by /"),
            (
                "app.http://169.254.169.254",
                "(`app.http://169.254.169.254`) 169.254.169.254 is never a route target.",
            ),
            ("app.http://localhost:1", "(`app.http://localhost:1`) localhost is not open as a route target; "),
            ("good.http://h:2", "(`good.http://h:2`) is already a route to http://h:1; left as it is."),
            ("GOOD.http://h:1", "(`GOOD.http://h:1`) is already a route to http://h:1; left as it is."),
            ("good.http://h:1", "(`good.http://h:1`) is already a route to http://h:1; left as it is."),
            (
                "a.http://h\x07:1",
                "(`a.http://h\N{REPLACEMENT CHARACTER}:1`) Write a URL such as http://10.0.0.5:8080, of",
            ),
        ],
    )  # fmt: skip
    def test_a_bad_entry_is_refused_by_its_position(self, root: Actor, entry: str, said: str) -> None:
        outcomes = route_entries.take_list(f"good.http://h:1, {entry}, last.http://h:3", by=root)
        assert len(outcomes) == 3
        assert outcomes[1].result == "refused"
        assert outcomes[1].sentence.startswith(f"Entry 2 {said}")
        assert outcomes[1].sentence.endswith(".")

    @pytest.mark.parametrize(
        ("entry", "shown"),
        [
            ("app.http://ann:hunter2@h:1", "app.http://…@h:1"),
            ("app.http://ann:hunter2/x@h:1", "app.http://…@h:1"),
            ("app.http://ann:hunter2?x@h:1", "app.http://…@h:1"),
            ("app.http://ann:hunter2#x@h@h:1", "app.http://…@h:1"),
            ("app.http://ann:hunter2,x@h:1", "app.http://…"),
            ("app.http://ann:x,hunter2,y@h:1", "app.http://…"),
            ("ann:hunter2@app.http://h:1", "…@app.http://h:1"),
            ("app.http://h:1/?key=hunter2", "app.http://h:1/?…"),
        ],
    )
    def test_what_may_be_a_password_is_repeated_nowhere(
        self, start: Callable[..., list[tuple[str, str]]], root: Actor, entry: str, shown: str
    ) -> None:
        if "," not in entry and not entry.startswith("ann"):
            sentence = f"Entry 1 (`{shown}`) must not hold a user, a query or a fragment."
            assert start(entry) == [("refused", sentence)]
        outcomes = route_entries.take_variable(entry, by=root)
        assert outcomes[0].entry.shown == shown
        assert set(results(outcomes)) == {"refused"}
        told = f"{[outcome.as_json() for outcome in outcomes]} {outcomes} {RouteEntryRefusal.objects.all()}"
        assert "hunter2" not in told
        assert "ann:" not in told


class TestAtStart:
    def test_a_bad_entry_keeps_no_other_back(self, start: Callable[..., list[tuple[str, str]]]) -> None:
        outcomes = start("good.http://h:1, app-x, good.http://h:2, last.http://h:3")
        assert [result for result, _ in outcomes] == ["created", "refused", "refused", "created"]
        assert targets() == {"good": "http://h:1", "last": "http://h:3"}
        assert [str(refusal) for refusal in RouteEntryRefusal.objects.order_by("position")] == [
            "Entry 2 (`app-x`) has no http:// or https:// target.",
            "Entry 3 (`good.http://h:2`) is already a route to http://h:1; left as it is.",
        ]

    def test_running_it_again_changes_nothing(self, start: Callable[..., list[tuple[str, str]]]) -> None:
        start("a.http://h:1, b.http://h:2")
        before = changes()
        assert start("a.http://h:1, b.http://h:2") == [("unchanged", ""), ("unchanged", "")]
        assert changes() == before

    def test_an_entry_changes_the_route_it_made(self, start: Callable[..., list[tuple[str, str]]]) -> None:
        start("a.http://h:1")
        assert start("A.http://h:2") == [("updated", "")]
        assert targets(is_enabled=True, is_edited=False) == {"A": "http://h:2"}

    def test_a_route_whose_entry_left_is_disabled_and_comes_back_with_it(
        self, start: Callable[..., list[tuple[str, str]]]
    ) -> None:
        start("a.http://h:1, b.http://h:2")
        start("b.http://h:2")
        assert targets(is_enabled=False) == {"a": "http://h:1"}
        event = AuditEvent.objects.latest("number")
        assert (event.verb, event.reason) == ("route.disabled", "Its entry has left EDGEX_ADD_PROXY_ROUTE.")
        assert start("a.http://h:1, b.http://h:2") == [("updated", ""), ("unchanged", "")]
        assert sorted(targets(is_enabled=True)) == ["a", "b"]
        start("")
        assert targets(is_enabled=True) == {}

    @pytest.mark.parametrize("slip", ["a.http://h:x", "a.htp://h:1", "a", "a.http://169.254.169.254"])
    def test_a_slip_of_the_pen_does_not_take_the_route_down(
        self, start: Callable[..., list[tuple[str, str]]], slip: str
    ) -> None:
        start("a.http://h:1")
        assert start(slip)[0][0] == "refused"
        assert targets(is_enabled=True) == {"a": "http://h:1"}

    def test_what_a_person_made_or_edited_stays_as_it_is(
        self, start: Callable[..., list[tuple[str, str]]], ada: Actor
    ) -> None:
        routes.make("theirs", "http://h:1", by=ada)
        routes.disable(routes.make("off", "http://h:1", by=ada), by=ada)
        start("edited.http://h:1, stopped.http://h:1")
        routes.change(Route.objects.get(prefix="edited"), by=ada, timeout_s=5)
        routes.disable(Route.objects.get(prefix="stopped"), by=ada)
        before = changes()
        assert [
            result for result, _ in start("theirs.http://h:1 off.http://h:1 edited.http://h:1 stopped.http://h:1")
        ] == ["unchanged"] * 4
        taken = "is already a route to http://h:1; left as it is."
        assert start("theirs.http://h:2 off.http://h:2 edited.http://h:2 stopped.http://h:2") == [
            ("refused", f"Entry {position} (`{prefix}.http://h:2`) {taken}")
            for position, prefix in enumerate(("theirs", "off", "edited", "stopped"), 1)
        ]
        start("")
        assert changes() == before

    def test_a_route_that_the_worker_disabled_is_not_edited_and_comes_back(
        self, start: Callable[..., list[tuple[str, str]]]
    ) -> None:
        start("a.http://h:1")
        route_watch._disable(Route.objects.get(), "h is at 127.0.0.1")
        assert targets(is_enabled=False, is_edited=False) == {"a": "http://h:1"}
        assert start("a.http://h:1") == [("updated", "")]

    @pytest.mark.usefixtures("built_in_routes")
    def test_an_entry_gives_an_untouched_built_in_route_its_target(
        self, start: Callable[..., list[tuple[str, str]]], ada: Actor
    ) -> None:
        assert start("core-data.http://10.0.0.5:59880") == [("updated", "")]
        route = Route.objects.get(prefix="core-data")
        assert (route.target, route.is_enabled, route.origin) == ("http://10.0.0.5:59880", True, "variable")
        assert route.forward_token
        start("")
        assert not Route.objects.filter(is_enabled=True).exists()
        routes.change(Route.objects.get(prefix="core-command"), by=ada, retries=0)
        assert start("core-command.http://10.0.0.5:59882")[0][0] == "refused"

    def test_refusals_are_those_of_the_last_start_and_doctor_tells_them(
        self, start: Callable[..., list[tuple[str, str]]]
    ) -> None:
        start("a, b, c.http://h:1")
        start("c.http://h:1, b")
        [refusal] = RouteEntryRefusal.objects.all()
        said = "Entry 2 (`b`) has no http:// or https:// target."
        assert (refusal.position, str(refusal)) == (2, said)
        told = {finding.about: finding.wrong for finding in doctor.examine()}
        assert told["route entries"] == f"{said} Correct EDGEX_ADD_PROXY_ROUTE and start serve again."
        start("c.http://h:1")
        assert {finding.about: finding.wrong for finding in doctor.examine()}["route entries"] is None


class TestByHand:
    def test_a_list_is_refused_as_a_whole_with_all_reasons(self, root: Actor) -> None:
        outcomes = route_entries.take_list("a.http://h:1, b, api.http://h:1", by=root)
        assert [outcome.sentence for outcome in outcomes] == [
            "Entry 1 (`a.http://h:1`) is not taken either, since other entries of the list are refused.",
            "Entry 2 (`b`) has no http:// or https:// target.",
            "Entry 3 (`api.http://h:1`) /api belongs to the portal; choose another prefix.",
        ]
        assert not Route.objects.exists()
        assert changes() == 0
        assert results(route_entries.take_list("a.http://h:1, b", by=root, skip_bad=True)) == ["created", "refused"]
        assert targets(origin=Origin.COMMAND) == {"a": "http://h:1"}
        assert not RouteEntryRefusal.objects.exists()

    def test_a_refusal_while_it_is_taken_takes_everything_back(
        self, root: Actor, ada: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = trial.reason_against_routes

        def meanwhile(asked: Any) -> str | None:
            routes.make("b", "http://h:2", by=ada, tried=True)
            return real(asked)

        monkeypatch.setattr(trial, "reason_against_routes", meanwhile)
        outcomes = route_entries.take_list("a.http://h:1, b.http://h:1", by=root)
        assert results(outcomes) == ["refused", "refused"]
        assert "b is already a route to http://h:2" in outcomes[1].error
        assert targets() == {"b": "http://h:2"}
        assert changes() == 1

    def test_more_than_there_may_be_are_refused_and_nobody_is_asked_about_them(
        self, root: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[int] = []
        real = trial.reason_against_routes
        monkeypatch.setattr(trial, "reason_against_routes", lambda some: asked.append(len(some)) or real(some))
        monkeypatch.setattr(routes, "MOST", 1)
        entries = "a.http://h:1, b.http://h:1, c.http://h:1"
        outcomes = route_entries.take_list(entries, by=root)
        assert [outcome.error for outcome in outcomes[1:]] == 2 * [
            "There are 1 routes already; delete one that nobody needs."
        ]
        assert results(route_entries.take_list(entries, by=root, skip_bad=True)) == ["created", "refused", "refused"]
        assert asked == [1]

    def test_names_are_looked_up_and_envoy_is_asked_before_anything_is_done(
        self, root: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else every other change would wait for a name server that does not answer."""
        done: list[int] = []
        for where, name in ((route_fields.targets, "addresses_of"), (trial, "reason_against_routes")):
            real = getattr(where, name)
            monkeypatch.setattr(
                where, name, lambda *args, real=real, **facts: done.append(changes()) or real(*args, **facts)
            )
        assert results(route_entries.take_list("a.http://h:1, b.http://i:1", by=root)) == ["created", "created"]
        assert results(route_entries.take_list("a.http://h:2, b.http://i:1", by=root)) == ["updated", "unchanged"]
        assert done == [0, 0, 0, 2, 2]

    def test_routes_that_envoy_would_not_take_are_refused_with_its_reason(
        self, root: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gateway.envoy.gateway_routes.re.escape", lambda text: f"({text}")
        [outcome] = route_entries.take_list("a.http://h:1", by=root)
        assert outcome.error.startswith("Envoy would not take this route: ")
        assert not Route.objects.exists()

    def test_lists_leave_each_others_routes_alone_while_they_are_served(
        self, start: Callable[..., list[tuple[str, str]]], root: Actor
    ) -> None:
        start("a.http://h:1")
        assert results(route_entries.take_list("a.http://h:2", by=root)) == ["refused"]
        start("")
        assert results(route_entries.take_list("a.http://h:2", by=root)) == ["updated"]
        assert targets(origin=Origin.COMMAND, is_enabled=True) == {"a": "http://h:2"}
        assert results(route_entries.take_list("b.http://h:1", by=root)) == ["created"]
        start("")
        assert sorted(targets(is_enabled=True)) == ["a", "b"]


@pytest.mark.usefixtures("built_in_routes")
class TestBuiltIn:
    def test_they_exist_disabled_and_pass_the_token_on(self) -> None:
        rows = Route.objects.filter(origin=Origin.BUILT_IN, is_enabled=False, forward_token=True, is_edited=False)
        assert dict(rows.values_list("prefix", "target")) == PREFIXES | KEEPER
        assert all(route.scope == f"gateway:{route.prefix}" for route in rows)
        assert {route.created_by for route in rows} == {"Gatehouse"}

    def test_a_migration_leaves_a_route_that_was_there_before_as_it_is(self) -> None:
        Route.objects.filter(prefix="core-data").delete()
        Route.objects.create(prefix="Core-Data", target="http://10.0.0.5", scope="gateway:x", methods=["GET"])
        import_module("gateway.migrations.0002_built_in_routes").add(apps, None)
        assert Route.objects.filter(prefix__iexact="core-data").get().target == "http://10.0.0.5"
        assert Route.objects.count() == 9

    def test_edgex_3_enables_its_own_and_4_moves_one_and_adds_one(self, root: Actor) -> None:
        assert results(route_entries.take_built_in("3", by=root)) == ["updated"] * 8
        assert targets(is_enabled=True) == PREFIXES
        before = changes()
        assert results(route_entries.take_built_in("3", by=root)) == ["unchanged"] * 8
        assert changes() == before
        outcomes = {one.prefix: one.result for one in route_entries.take_built_in("4", by=root)}
        assert {prefix for prefix, result in outcomes.items() if result == "updated"} == {
            "support-scheduler", "core-keeper",
        }  # fmt: skip
        moved = {"support-scheduler": "http://edgex-support-scheduler:59863"}
        assert targets(is_enabled=True, origin=Origin.BUILT_IN) == PREFIXES | moved | KEEPER

    @pytest.mark.parametrize(
        ("host", "target"), [("10.0.0.5", "http://10.0.0.5:59720"), ("fd00::1", "http://[fd00::1]:59720")]
    )
    def test_one_host_stands_in_for_all(self, root: Actor, host: str, target: str) -> None:
        route_entries.take_built_in("3", host, by=root)
        assert Route.objects.get(prefix="rules-engine", is_enabled=True).target == target

    @pytest.mark.parametrize("host", ["localhost", "h/x", "u@h", "h?x", "a b", "8.8.8.8"])
    def test_a_host_that_is_no_target_is_refused_for_all(self, root: Actor, host: str) -> None:
        assert results(route_entries.take_built_in("3", host, by=root)) == ["refused"] * 8
        assert not Route.objects.filter(is_enabled=True).exists()

    def test_one_that_was_deleted_is_made_again_and_one_that_was_edited_stays(self, root: Actor, ada: Actor) -> None:
        routes.delete(Route.objects.get(prefix="core-data"), by=root)
        routes.change(Route.objects.get(prefix="core-command"), by=ada, target="http://10.0.0.9:1")
        outcomes = route_entries.take_built_in("3", by=root, skip_bad=True)
        assert results(outcomes) == ["created", "updated", "refused", *["updated"] * 5]
        assert outcomes[2].error == "is already a route to http://10.0.0.9:1; left as it is."
        made = Route.objects.get(prefix="core-data")
        assert (made.origin, made.forward_token, made.is_enabled) == ("built_in", True, True)


class TestAtOnce:
    """Whoever comes second waits and is told; none holds what another one waits for."""

    ENTRIES = tuple(f"line-{number}.http://10.0.0.5:{80 + number}" for number in range(8))

    @pytest.mark.django_db(transaction=True)
    def test_of_two_lists_of_the_same_new_routes_one_makes_them(
        self, root: Actor, at_once: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        both_judged = Barrier(2)
        monkeypatch.setattr(trial, "reason_against_routes", lambda some: both_judged.wait(60) and None)
        orders = (self.ENTRIES, self.ENTRIES[::-1])
        lists = [lambda order=order: route_entries.take_list(", ".join(order), by=root) for order in orders]
        outcomes = [set(results(taken)) for taken in at_once(*lists)]
        assert sorted(outcomes, key=str) == [{"created"}, {"refused"}]
        assert set(targets(origin=Origin.COMMAND)) == {f"line-{number}" for number in range(8)}
        assert changes() == 8

    @pytest.mark.django_db(transaction=True)
    def test_a_list_waits_for_a_person_who_makes_its_last_route(
        self, ada: Actor, root: Actor, at_once: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        is_written = Event()

        def slowly(execute: Any, sql: str, *facts: Any) -> Any:
            done = execute(sql, *facts)
            if sql.startswith('INSERT INTO "gateway_route"'):
                is_written.set()
                time.sleep(0.5)
            return done

        def make() -> Route:
            with connection.execute_wrapper(slowly):
                return routes.make("line-7", "http://10.0.0.9", by=ada, tried=True)

        # The list is judged before the person comes, and taken while the person's route is written and not recorded.
        monkeypatch.setattr(trial, "reason_against_routes", lambda some: None if is_written.wait(60) else "late")
        made, taken = at_once(make, lambda: route_entries.take_list(", ".join(self.ENTRIES), by=root))
        assert made.prefix == "line-7"
        assert set(results(taken)) == {"refused"}
        assert "line-7 is already a route to http://10.0.0.9" in taken[7].sentence
        assert taken[0].sentence.endswith(route_entries.NOT_ALONE)
        assert changes() == 1
