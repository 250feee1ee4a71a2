"""Shutdowns at the device door: a device learns of one, claims it at most once, follows it and reports."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices import admission, denial, keychange, polling, shutdown, shutdown_acks, shutdown_cancel, shutdown_deadlines
from devices.installed import App
from devices.models import Device, DeviceCount, KeyChangeRequest, ShutdownJob, ShutdownTarget, Status, Via
from devices.shutdown_fields import Order
from gateway import device_identity
from gateway.models import DeviceCA
from portal.actor import Actor
from portal.models import AuditEvent, User
from tests.amount import many
from tests.gateway.test_device_identity import trust
from tests.gateway.test_satellite_device import HALL, PRESS, call, no
from tokens import installing, switching
from tokens.models import AppVersion, InstalledApp

pytestmark = pytest.mark.django_db

NONCE, OTHER = "0123456789abcdef", "fedcba9876543210"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def hall() -> Iterator[DeviceCA]:
    polling.forget()
    yield trust(HALL)
    polling.forget()
    device_identity.forget_bundle()


@pytest.fixture
def press(make_device: Callable[..., Device]) -> Device:
    return make_device("press-1", {}, PRESS.public_pem, status=Status.ACCEPTED)


@pytest.fixture
def ada(administrator: User) -> Actor:
    return Actor.person(administrator)


@pytest.fixture
def order(press: Device, ada: Actor) -> Callable[..., str]:
    """Order a shutdown of the device, or of these, and give its id."""

    def make(*devices: str, **facts: Any) -> str:
        wanted = Order(list(devices or ["press-1"]), "maintenance of hall 3", **facts)
        return str(shutdown.order(wanted, by=ada, via=Via.PAGE, confirm_count=len(devices) or 1).pk)

    return make


@pytest.fixture
def apps(press: Device, make_version: Callable[..., AppVersion], root: Actor) -> list[App]:
    """Two that are installed on the device."""
    made = [installing.install(make_version("1.0.0", app=app), "press-1", by=root) for app in ("historian", "hmi")]
    return [App(each.holder.pk, each.holder.app.name, "1.0.0") for each in made]


def claim(job: str, nonce: Any = NONCE, **facts: Any) -> Any:
    return call("POST", f"/jobs/{job}/claim", {"claim": nonce}, **facts)


def report(job: str, state: Any, **facts: Any) -> Any:
    return call("POST", f"/jobs/{job}/report", {"state": state, **facts})


def target(device: str = "press-1") -> ShutdownTarget:
    return ShutdownTarget.objects.select_related("job").filter(device_id=device).latest("pk")


def later(**time: int) -> None:
    passed = timedelta(**time)
    names = ("queued_at", "expires_at", "claimed_at", "deadline", "executing_at", "heard_at", "reported_at")
    ShutdownTarget.objects.update(**{name: F(name) - passed for name in names})


class TestNext:
    def test_there_is_nothing(self, press: Device) -> None:
        answer = call("GET", "/jobs/next")
        assert (answer.status_code, answer.content) == (204, b"")
        assert 4 <= int(answer["Retry-After"]) <= 6

    def test_there_is_one_and_asking_claims_nothing(self, order: Callable[..., str]) -> None:
        job = order(max_ack_seconds=45)
        for _ in range(2):
            answer = call("GET", "/jobs/next")
            told = answer.json()
            assert 4 <= int(answer["Retry-After"]) <= 6
            assert 890 <= told.pop("expires_in") <= 900
            assert told == {
                "id": job, "kind": "shutdown", "execute_now": False, "max_ack_seconds": 45,
                "reason": "maintenance of hall 3", "requested_by": "ada",
            }  # fmt: skip
            assert target().state == "queued"

    def test_what_is_claimed_expired_cancelled_or_not_begun_is_not_offered(
        self, order: Callable[..., str], ada: Actor
    ) -> None:
        def is_offered() -> bool:
            return bool(call("GET", "/jobs/next").status_code == 200)

        order(start_at=shutdown.clock.now() + timedelta(hours=1))
        assert not is_offered()
        shutdown_cancel.cancel(target().job, by=ada, reason="not today")
        order()
        assert is_offered()
        later(seconds=901)
        assert not is_offered()
        shutdown_deadlines.move_on(by=Actor.worker())
        claim(order())
        assert not is_offered()

    @pytest.mark.parametrize(
        ("accepted", "least", "most"),
        [(0, 4, 6), (200, 4, 6), (400, 8, 12), (1000, 20, 30), (2400, 48, 60), (1_000_000, 48, 60)],
    )
    def test_the_more_devices_there_are_the_later_the_next_poll(self, accepted: int, least: int, most: int) -> None:
        DeviceCount.objects.update_or_create(tab="accepted", defaults={"number": accepted})
        polling.forget()
        waits = {polling.seconds() for _ in range(300)}
        assert min(waits) == least
        assert max(waits) == most

    def test_with_nothing_to_do_it_costs_the_look_for_the_device_and_one_more(self, press: Device) -> None:
        call("GET", "/jobs/next")  # The CA and the number of devices are known from now on, and that it was seen.
        with CaptureQueriesContext(connection) as asked:
            assert call("GET", "/jobs/next").status_code == 204
        device, work = [query["sql"] for query in asked.captured_queries]
        assert "devices_device" in device
        assert "devices_shutdowntarget" in work
        if connection.vendor == "sqlite":  # PostgreSQL reads a table of one page in whatever way.
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {work}")
                plan = str(cursor.fetchall())
            assert "one_open_shutdown_per_device" in plan or "shutdown_target_by_device" in plan

    def test_a_query_is_no_matter_and_other_methods_are_405(self, press: Device) -> None:
        assert call("GET", "/jobs/next?wait=30").status_code == 204
        no(call("POST", "/jobs/next"), 405, "method_not_allowed")


class TestClaim:
    def test_it_is_told_who_is_waited_for(self, order: Callable[..., str], apps: list[App]) -> None:
        job = order()
        answer = claim(job)
        assert (answer.status_code, answer.json()) == (
            200,
            {
                "id": job, "state": "claimed", "ack_seconds": 30,
                "apps": [{"app": name, "version": "1.0.0", "acknowledged": False} for name in ("historian", "hmi")],
            },
        )  # fmt: skip

    def test_the_same_again_is_the_same_with_the_seconds_that_are_left(
        self, order: Callable[..., str], apps: list[App]
    ) -> None:
        job = order()
        first = claim(job).json()
        later(seconds=10)
        shutdown_acks.acknowledge(target(), apps[0], by=Actor.command("x"))
        again = claim(job).json()
        assert again["ack_seconds"] == 20
        assert [app["acknowledged"] for app in again["apps"]] == [True, False]
        assert (again["id"], again["state"]) == (first["id"], first["state"])
        assert AuditEvent.objects.filter(verb="shutdown.claimed").count() == 1

    def test_another_is_refused(self, order: Callable[..., str]) -> None:
        job = order()
        claim(job)
        no(claim(job, OTHER), 409, "already_claimed")
        report(job, "succeeded")
        no(claim(job, OTHER), 409, "already_claimed")

    def test_an_instant_one_waits_for_none(self, order: Callable[..., str], apps: list[App]) -> None:
        told = claim(order(execute_now=True)).json()
        assert (told["ack_seconds"], len(told["apps"])) == (0, 2)

    @pytest.mark.parametrize("settled", [False, True])
    def test_one_that_has_expired(self, order: Callable[..., str], settled: bool) -> None:
        job = order()
        later(seconds=901)
        if settled:
            shutdown_deadlines.move_on(by=Actor.worker())
        no(claim(job), 410, "job_expired")
        assert target().claimed_at is None

    def test_one_that_was_cancelled(self, order: Callable[..., str], ada: Actor) -> None:
        job = order()
        shutdown_cancel.cancel(target().job, by=ada, reason="not today")
        no(claim(job), 410, "job_cancelled")

    def test_one_whose_requester_is_not_active_any_more(self, order: Callable[..., str]) -> None:
        job = order()
        User.objects.update(is_active=False)
        no(claim(job), 410, "job_cancelled")
        assert (target().state, target().code) == ("cancelled", "requester_inactive")

    def test_one_that_has_not_begun_is_not_known(self, order: Callable[..., str]) -> None:
        job = order(start_at=shutdown.clock.now() + timedelta(hours=1))
        for answer in (claim(job), call("GET", f"/jobs/{job}"), report(job, "succeeded")):
            no(answer, 404, "shutdown_not_found")

    @pytest.mark.parametrize("job", [UNKNOWN, "x", "next", "%20", "{id}", UNKNOWN.replace("4", "A")])
    def test_one_that_there_is_not(self, press: Device, job: str) -> None:
        for answer in (claim(job), report(job, "succeeded")):
            no(answer, 404, "shutdown_not_found")

    def test_one_of_another_device(self, order: Callable[..., str], make_device: Callable[..., Device]) -> None:
        make_device("press-2", status=Status.ACCEPTED)
        job = order("press-2")
        for answer in (claim(job), call("GET", f"/jobs/{job}"), report(job, "succeeded")):
            no(answer, 404, "shutdown_not_found")
        assert target("press-2").state == "queued"

    @pytest.mark.parametrize("nonce", ["x" * 16, "x" * 64, "A-z_0123456789-_"])
    def test_what_a_claim_is(self, order: Callable[..., str], nonce: str) -> None:
        assert claim(order(), nonce).status_code == 200

    @pytest.mark.parametrize(
        "nonce",
        ["", "x" * 15, "x" * 65, "x" * 15 + " ", "é" * 16, "x" * 16 + "\n", None, 1234567890123456, True, ["x" * 16]],
    )
    def test_and_what_is_none(self, order: Callable[..., str], nonce: Any) -> None:
        assert list(no(claim(order(), nonce), 400, "invalid")["invalid"]) == ["claim"]
        assert target().state == "queued"

    @pytest.mark.parametrize(
        "body", ["", "[]", "null", "x", b"\xff", '{"claim": "0123456789abcdef", "claim": "0123456789abcdef"}']
    )
    def test_a_body_that_is_none(self, order: Callable[..., str], body: Any) -> None:
        job = order()
        for verb in ("claim", "report"):
            assert list(no(call("POST", f"/jobs/{job}/{verb}", body), 400, "invalid")["invalid"]) == ["body"]
        assert target().state == "queued"

    def test_one_is_recalled_and_not_executed_when_the_device_loses_its_place(
        self, order: Callable[..., str], root: Actor
    ) -> None:
        job = order()
        admission.decide(Device.objects.get(), Status.REJECTED, by=root)
        no(claim(job), 403, "device_rejected")
        admission.decide(Device.objects.get(), Status.ACCEPTED, by=root)
        no(claim(job), 410, "job_cancelled")

    def test_only_the_present_key_claims_and_reports(self, order: Callable[..., str], root: Actor) -> None:
        job, other = order(), HALL.issue("press-1")
        no(claim(job, holder=other), 403, "key_change_pending")
        keychange.accept(KeyChangeRequest.objects.get(), by=root)
        no(claim(job), 403, "key_refused")
        assert call("GET", "/jobs/next", holder=other).json()["id"] == job
        assert claim(job, holder=other).status_code == 200
        no(report(job, "succeeded"), 403, "key_refused")


class TestProgress:
    def test_it_proceeds_when_all_have_acknowledged(self, order: Callable[..., str], apps: list[App]) -> None:
        job = order()
        claim(job)
        answer = call("GET", f"/jobs/{job}")
        assert list(answer.json()) == ["id", "state", "proceed", "ack_seconds", "apps"]
        assert (answer.status_code, answer.json()["proceed"]) == (200, False)
        for app in apps:
            shutdown_acks.acknowledge(target(), app, by=Actor.command("x"))
        told = call("GET", f"/jobs/{job}").json()
        assert (told["proceed"], [app["acknowledged"] for app in told["apps"]]) == (True, [True, True])

    def test_or_at_the_deadline_and_not_a_part_of_a_second_before(
        self, order: Callable[..., str], apps: list[App]
    ) -> None:
        job = order()
        claim(job)
        ShutdownTarget.objects.update(deadline=shutdown.clock.now() + timedelta(seconds=5))
        told = call("GET", f"/jobs/{job}").json()
        assert (told["proceed"], told["ack_seconds"]) == (False, 5)
        later(seconds=6)
        told = call("GET", f"/jobs/{job}").json()
        assert (told["proceed"], told["ack_seconds"]) == (True, 0)

    def test_one_that_is_switched_off_meanwhile_is_not_waited_for(
        self, order: Callable[..., str], apps: list[App], root: Actor
    ) -> None:
        job = order()
        claim(job)
        shutdown_acks.acknowledge(target(), apps[0], by=root)
        switching.disable(InstalledApp.objects.get(pk=apps[1].installation), by=root, reason="leaked")
        assert call("GET", f"/jobs/{job}").json()["proceed"] is True
        switching.enable(InstalledApp.objects.get(pk=apps[1].installation), by=root)
        assert call("GET", f"/jobs/{job}").json()["proceed"] is True  # It may have gone by the first answer.

    def test_what_was_never_claimed_never_proceeds(self, order: Callable[..., str], ada: Actor) -> None:
        job = order()
        told = call("GET", f"/jobs/{job}").json()
        assert (told["state"], told["proceed"]) == ("queued", False)
        shutdown_cancel.cancel(target().job, by=ada, reason="not today")
        told = call("GET", f"/jobs/{job}").json()
        assert (told["state"], told["proceed"]) == ("cancelled", False)
        job = order()
        later(seconds=901)
        shutdown_deadlines.move_on(by=Actor.worker())
        told = call("GET", f"/jobs/{job}").json()
        assert (told["state"], told["proceed"]) == ("expired", False)

    @pytest.mark.parametrize("path", ["/jobs/next", "/jobs/{job}", "/device", "/config", "/jobs/{job}/report"])
    def test_one_that_still_asks_after_it_said_that_it_powers_off_is_heard(
        self, order: Callable[..., str], path: str
    ) -> None:
        job = order()
        claim(job)
        report(job, "executing")
        again = (
            ("POST", path.format(job=job), {"state": "executing"})
            if "report" in path
            else ("GET", path.format(job=job))
        )
        call(*again)
        assert target().heard_at is None  # It may have been under way.
        later(seconds=30)
        assert call(*again).status_code < 300
        assert target().heard_at is not None
        with CaptureQueriesContext(connection) as asked:
            call("GET", "/config")
        assert not [query for query in asked if query["sql"].startswith("UPDATE")]  # Once is enough.
        later(seconds=31)
        shutdown_deadlines.move_on(by=Actor.worker())
        assert target().state == "unconfirmed"


class TestReport:
    @pytest.mark.parametrize(
        "reports",
        [["succeeded"], ["failed"], ["executing", "succeeded"], ["executing", "executing", "failed"],
         ["executing", "succeeded", "succeeded"]],
    )  # fmt: skip
    def test_each_way(self, order: Callable[..., str], reports: list[str]) -> None:
        job = order()
        claim(job)
        for state in reports:
            answer = report(job, state)
            assert (answer.status_code, answer.json()) == (200, {"id": job, "state": state})
        assert target().state == reports[-1]

    def test_it_says_why_and_its_own_time_is_only_kept(self, order: Callable[..., str]) -> None:
        job = order()
        claim(job)
        said = {"code": "not_supported", "detail": "x" * 500, "device_time": "1970-01-01T00:00:07Z"}
        assert report(job, "failed", **said, more=1).status_code == 200
        kept = target()
        assert {name: getattr(kept, name) for name in said} == said
        assert kept.reported_at.year > 2000  # type: ignore[union-attr]

    def test_before_the_claim(self, order: Callable[..., str], ada: Actor) -> None:
        job = order()
        no(report(job, "succeeded"), 409, "not_claimed")
        shutdown_cancel.cancel(target().job, by=ada, reason="not today")
        no(report(job, "succeeded"), 409, "not_claimed")

    @pytest.mark.parametrize(("first", "second"), [("succeeded", "failed"), ("failed", "succeeded")])
    def test_after_another_outcome(self, order: Callable[..., str], first: str, second: str) -> None:
        job = order()
        claim(job)
        report(job, first)
        no(report(job, second), 409, "already_reported")
        assert target().state == first

    def test_late_it_mends_what_stayed_unconfirmed(self, order: Callable[..., str]) -> None:
        job = order()
        claim(job)
        later(seconds=200)
        shutdown_deadlines.move_on(by=Actor.worker())
        assert target().state == "unconfirmed"
        assert report(job, "succeeded").status_code == 200
        assert (target().state, ShutdownJob.objects.get().state) == ("succeeded", "completed")

    @pytest.mark.parametrize("verb", [denial.deny, denial.purge])
    def test_not_by_one_that_is_denied_or_gone(self, order: Callable[..., str], root: Actor, verb: Any) -> None:
        job = order()
        claim(job)
        verb(Device.objects.get(), by=root)
        assert report(job, "succeeded").status_code == 403
        assert target().state == "unconfirmed"

    def test_not_by_another_that_comes_with_the_id_of_one_that_is_gone(
        self, order: Callable[..., str], root: Actor
    ) -> None:
        job = order()
        claim(job)
        denial.purge(Device.objects.get(), by=root)
        assert call("GET", "/device").json()["code"] == "device_pending"
        admission.decide(Device.objects.get(), Status.ACCEPTED, by=root)
        no(call("GET", f"/jobs/{job}"), 404, "shutdown_not_found")
        no(report(job, "succeeded"), 404, "shutdown_not_found")
        no(claim(job), 404, "shutdown_not_found")
        assert order() != job

    @pytest.mark.parametrize(
        ("said", "field"),
        [
            ({"state": "claimed"}, "state"), ({"state": ""}, "state"), ({"state": None}, "state"),
            ({"state": 1}, "state"), ({"state": "Succeeded"}, "state"), ({}, "state"),
            ({"state": "failed", "code": "x" * 65}, "code"), ({"state": "failed", "code": 7}, "code"),
            ({"state": "failed", "detail": "x" * 501}, "detail"), ({"state": "failed", "detail": "a\u202eb"}, "detail"),
            ({"state": "failed", "detail": None}, "detail"), ({"state": "failed", "device_time": 7}, "device_time"),
            ({"state": "failed", "device_time": "x" * 65}, "device_time"),
        ],
    )  # fmt: skip
    def test_what_it_cannot_say(self, order: Callable[..., str], said: dict[str, Any], field: str) -> None:
        job = order()
        claim(job)
        assert list(no(call("POST", f"/jobs/{job}/report", said), 400, "invalid")["invalid"]) == [field]
        assert target().state == "claimed"


class TestFaults:
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=600),
        lambda each: st.lists(each, max_size=3),
        max_leaves=5,
    )
    names = st.sampled_from(["claim", "state", "code", "detail", "device_time"]) | st.text(max_size=40)
    states = st.fixed_dictionaries({"state": st.sampled_from(["executing", "failed"]), "detail": values})

    @settings(max_examples=many(150), suppress_health_check=list(HealthCheck))
    @given(
        path=st.sampled_from(["/jobs/{job}/claim", "/jobs/{job}/report", "/jobs/x/claim"]),
        body=st.binary(max_size=60) | st.dictionaries(names, values, max_size=4) | states,
    )
    def test_no_body_meets_a_fault(self, order: Callable[..., str], path: str, body: Any) -> None:
        open_one = ShutdownTarget.objects.filter(state__in=["queued", "claimed", "executing"]).first()
        job = str(open_one.job_id) if open_one else order()
        claim(job)
        assert call("POST", path.format(job=job), body).status_code in (200, 400, 404, 409)


def test_the_examples_of_the_document_are_taken_and_answered_so(order: Callable[..., str], apps: list[App]) -> None:
    told = Client().get("/device/schema/").json()["paths"]

    def of(method: str, path: str, part: str) -> Any:
        operation = told[path][method]
        place = operation["requestBody"] if part == "sent" else operation["responses"]["200"]
        [example] = place["content"]["application/json"]["examples"].values()
        return example["value"]

    def members(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: members(each) for name, each in value.items()}
        return [members(value[0])] if isinstance(value, list) else type(value)

    job = order(max_ack_seconds=30)
    calls = [
        ("get", "/jobs/next"), ("post", "/jobs/{id}/claim"), ("get", "/jobs/{id}"), ("post", "/jobs/{id}/report")
    ]  # fmt: skip
    for method, path in calls:
        sent = of(method, path, "sent") if method == "post" else None
        answer = call(method.upper(), path.format(id=job), sent)
        assert answer.status_code == 200
        assert members(answer.json()) == members(of(method, path, "answered"))
        assert list(answer.json()) == list(of(method, path, "answered"))
    assert {path for path in told if path.startswith("/jobs")} == {path for _, path in calls}
