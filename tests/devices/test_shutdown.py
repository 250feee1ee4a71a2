"""Shutdowns by their rules: who may order what, which device goes off, and that none does so twice."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from devices import (
    admission,
    denial,
    identity,
    installed,
    shutdown,
    shutdown_acks,
    shutdown_approval,
    shutdown_cancel,
    shutdown_claim,
    shutdown_deadlines,
    shutdown_heard,
    shutdown_history,
    submission,
)
from devices.models import Device, ShutdownJob, ShutdownTarget, Status, Via
from devices.shutdown_claim import Report
from devices.shutdown_fields import Order
from portal.actor import Actor
from portal.models import AuditEvent, Outbox, User
from portal.refusal import Invalid, Refusal

pytestmark = pytest.mark.django_db

NONCE = "0123456789abcdef"
OTHER = "fedcba9876543210"
REASON = "maintenance of hall 3"
WORKER = Actor.worker()


@pytest.fixture
def fleet(make_device: Callable[..., Device]) -> list[str]:
    """Three accepted devices, one that waits, one that is denied, one that was rejected."""
    for number in range(1, 4):
        make_device(f"press-{number}", status=Status.ACCEPTED)
    make_device("new-1", status=Status.PENDING)
    make_device("gone-1", status=Status.ACCEPTED, denied_at="2026-01-01T00:00:00Z")
    make_device("no-1", status=Status.REJECTED)
    return ["press-1", "press-2", "press-3"]


@pytest.fixture
def ada(administrator: User) -> Actor:
    return Actor.person(administrator)


@pytest.fixture
def otto(operator: User) -> Actor:
    return Actor.person(operator)


@pytest.fixture
def apps(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[installed.App]]:
    """What is installed on each device; a test puts apps in and takes them away."""
    there: dict[str, list[installed.App]] = {}
    monkeypatch.setattr(installed, "_sources", [lambda devices: {each: there.get(each, []) for each in devices}])
    return there


def order(by: Actor, *devices: str, confirm: int | None = None, via: Via = Via.PAGE, **facts: Any) -> ShutdownJob:
    return shutdown.order(
        Order(list(devices), facts.pop("reason", REASON), **facts),
        by=by,
        via=via,
        confirm_count=len(devices) if confirm is None else confirm,
    )


def refusal(rule: Callable[..., Any], *args: Any, **facts: Any) -> tuple[int, str]:
    with pytest.raises(Refusal) as no:
        rule(*args, **facts)
    assert str(no.value).endswith(".")
    return no.value.status, no.value.code


def later(job: ShutdownJob, **time: int) -> None:
    """Let time pass for this job, by the clock of the database."""
    passed = timedelta(**time)
    for rows, names in (
        (ShutdownJob.objects.filter(pk=job.pk), ("created_at", "start_at", "started_at", "expires_at", "decide_by")),
        (
            ShutdownTarget.objects.filter(job=job),
            ("queued_at", "expires_at", "claimed_at", "deadline", "executing_at", "heard_at", "reported_at"),
        ),
    ):
        rows.update(**{name: F(name) - passed for name in names})


def states(job: ShutdownJob) -> dict[str, str]:
    return dict(job.targets.values_list("device_id", "state"))


def target(job: ShutdownJob, device_id: str = "press-1") -> ShutdownTarget:
    return job.targets.select_related("job").get(device_id=device_id)


def claim(job: ShutdownJob, device_id: str = "press-1", nonce: str = NONCE) -> shutdown_claim.Waiting:
    return shutdown_claim.claim(target(job, device_id), nonce, by=Actor.device(device_id))


def report(job: ShutdownJob, state: str, device_id: str = "press-1", **facts: str) -> str:
    said = Report(state, **facts)
    return shutdown_claim.report(target(job, device_id), said, by=Actor.device(device_id))


def stands(job: ShutdownJob) -> str:
    job.refresh_from_db()
    return job.state


class TestOrder:
    def test_one_device_is_queued_and_told_of(self, fleet: list[str], ada: Actor) -> None:
        job = order(ada, "press-1")
        assert (stands(job), states(job)) == ("running", {"press-1": "queued"})
        assert (job.expires_at - job.started_at).total_seconds() == 900  # type: ignore[operator]
        told = AuditEvent.objects.filter(verb__startswith="shutdown").order_by("number")
        verbs = list(told.values_list("verb", "subject_kind"))
        assert verbs == [
            ("shutdown.requested", "shutdown"), ("shutdown.requested", "device"), ("shutdown.started", "shutdown"),
        ]  # fmt: skip
        topics = list(Outbox.objects.order_by("pk").values_list("topic", flat=True))
        assert topics == ["shutdown.requested", "shutdown.started"]

    @pytest.mark.parametrize(
        ("devices", "facts", "field"),
        [
            ([], {}, "devices"),
            (["press-1", "press-1"], {}, "devices"),
            (["press-1", "nobody-1"], {}, "devices"),
            ([f"d{number}" for number in range(1001)], {}, "devices"),
            (["press-1"], {"reason": "no"}, "reason"),
            (["press-1"], {"reason": "x" * 201}, "reason"),
            (["press-1"], {"reason": "on\u202e"}, "reason"),
            (["press-1"], {"max_ack_seconds": 601}, "max_ack_seconds"),
            (["press-1"], {"max_ack_seconds": -1}, "max_ack_seconds"),
            (["press-1"], {"ttl_seconds": 119}, "ttl_seconds"),
            (["press-1"], {"ttl_seconds": 86401}, "ttl_seconds"),
        ],
    )
    def test_what_no_order_may_say(
        self, fleet: list[str], ada: Actor, devices: list[str], facts: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(Invalid) as no:
            order(ada, *devices, **facts)
        assert list(no.value.invalid or ()) == [field]
        assert not ShutdownJob.objects.exists()

    def test_of_many_unknown_ids_some_are_named_and_none_with_odd_characters(self, ada: Actor) -> None:
        with pytest.raises(Invalid) as no:
            order(ada, "\u202e", *(f"d{number:03}" for number in range(500)))
        assert str(no.value).endswith("d019 and 481 more; check the ids.")
        assert "\u202e" not in str(no.value)

    @pytest.mark.parametrize("confirm", [0, 2, 4])
    def test_the_number_of_several_must_be_said(self, fleet: list[str], ada: Actor, confirm: int) -> None:
        assert refusal(order, ada, *fleet, confirm=confirm) == (409, "count_mismatch")
        assert stands(order(ada, *fleet, confirm=3)) == "running"

    @pytest.mark.parametrize(
        ("device", "code"),
        [("gone-1", "device_denied"), ("no-1", "device_not_accepted"), ("new-1", "device_not_accepted")],
    )
    def test_one_that_cannot_is_a_no_and_among_several_it_is_skipped(
        self, fleet: list[str], ada: Actor, device: str, code: str
    ) -> None:
        assert refusal(order, ada, device) == (409, code)
        job = order(ada, "press-1", device)
        assert states(job) == {"press-1": "queued", device: "skipped"}
        assert target(job, device).code == code

    def test_where_none_can_there_is_nothing_to_do(self, fleet: list[str], ada: Actor) -> None:
        assert refusal(order, ada, "gone-1", "no-1") == (409, "nothing_to_do")

    def test_a_device_has_one_open_shutdown(self, fleet: list[str], ada: Actor) -> None:
        first = order(ada, "press-1")
        assert refusal(order, ada, "press-1") == (409, "open_job")
        shutdown_cancel.cancel(first, by=ada, reason=REASON)
        order(ada, "press-1")

    @pytest.mark.django_db(transaction=True)
    def test_of_four_orders_at_once_one_gets_the_device(
        self, fleet: list[str], ada: Actor, at_once: Callable[..., list[Any]]
    ) -> None:
        ends = at_once(*[lambda: order(ada, "press-1")] * 4)
        assert sorted(getattr(end, "code", "made") for end in ends) == ["made", *["open_job"] * 3]


class TestApproval:
    @pytest.fixture(autouse=True)
    def _from_three(self, settings: Any) -> None:
        settings.SHUTDOWN_APPROVAL_FROM = 3

    def test_many_devices_wait_for_another_person(self, fleet: list[str], ada: Actor, otto: Actor) -> None:
        job = order(ada, *fleet)
        assert (stands(job), set(states(job).values())) == ("awaiting_approval", {"waiting"})
        assert refusal(shutdown_approval.approve, job, by=ada, confirm_count=3) == (403, "same_person")
        assert refusal(shutdown_approval.approve, job, by=otto, confirm_count=2) == (409, "count_mismatch")
        shutdown_approval.approve(job, by=otto, confirm_count=3)
        assert (stands(job), set(states(job).values())) == ("running", {"queued"})
        assert refusal(shutdown_approval.approve, job, by=otto, confirm_count=3) == (409, "not_awaiting_approval")

    def test_refused_it_never_starts(self, fleet: list[str], ada: Actor, otto: Actor) -> None:
        job = order(ada, *fleet)
        shutdown_approval.refuse(job, by=otto, reason="not during the shift")
        assert (stands(job), set(states(job).values())) == ("refused", {"cancelled"})
        assert set(job.targets.values_list("code", flat=True)) == {"requested"}
        assert order(otto, "press-1").state == "running"

    def test_small_orders_in_a_row_are_counted_together(self, fleet: list[str], ada: Actor, otto: Actor) -> None:
        assert order(ada, "press-1", "press-2").state == "running"
        assert order(otto, "press-3").state == "running"
        shutdown_cancel.cancel(ShutdownJob.objects.get(requester=otto.owner), by=otto, reason=REASON)
        assert order(ada, "press-3").state == "awaiting_approval"

    def test_after_ten_minutes_they_are_not(self, fleet: list[str], ada: Actor, otto: Actor) -> None:
        later(order(ada, "press-1", "press-2"), minutes=11)
        assert order(ada, "press-3").state == "running"

    def test_orders_of_other_days_that_begin_together_are(self, fleet: list[str], ada: Actor, otto: Actor) -> None:
        tomorrow = shutdown.clock.now() + timedelta(days=1)
        later(order(ada, "press-1", "press-2", start_at=tomorrow + timedelta(hours=1)), hours=1)
        later_that_day = tomorrow + timedelta(hours=3)
        assert order(ada, "press-3", start_at=later_that_day).state == "scheduled"
        assert order(ada, "press-3", start_at=tomorrow).state == "awaiting_approval"

    def test_where_nobody_else_could_approve_it_is_refused_at_once(self, fleet: list[str], ada: Actor) -> None:
        assert refusal(order, ada, *fleet) == (409, "no_second_approver")

    def test_zero_asks_nobody(self, fleet: list[str], ada: Actor, settings: Any) -> None:
        settings.SHUTDOWN_APPROVAL_FROM = 0
        assert order(ada, *fleet).state == "running"

    def test_after_a_day_it_expires(self, fleet: list[str], ada: Actor, otto: Actor) -> None:
        job = order(ada, *fleet)
        later(job, hours=23)
        shutdown_deadlines.move_on(by=WORKER)
        assert stands(job) == "awaiting_approval"
        later(job, hours=2)
        assert refusal(shutdown_approval.approve, job, by=otto, confirm_count=3) == (409, "too_late")
        shutdown_deadlines.move_on(by=WORKER)
        assert (stands(job), set(states(job).values())) == ("expired", {"expired"})

    def test_what_changed_before_the_approval_is_skipped(self, fleet: list[str], ada: Actor, otto: Actor) -> None:
        job = order(ada, *fleet)
        denial.deny(Device.objects.get(pk="press-2"), by=ada)
        order(otto, "press-3")
        shutdown_approval.approve(job, by=otto, confirm_count=3)
        assert states(job) == {"press-1": "queued", "press-2": "cancelled", "press-3": "skipped"}


class TestDevice:
    def test_it_learns_claims_says_that_it_powers_off_and_is_off(self, fleet: list[str], ada: Actor) -> None:
        job, device = order(ada, "press-1"), Device.objects.get(pk="press-1")
        assert shutdown_claim.next_for(device) == target(job)
        assert shutdown_claim.next_for(Device.objects.get(pk="press-2")) is None
        taken = claim(job)
        assert (taken.target.state, taken.ack_seconds, taken.proceed) == ("claimed", 0, True)
        assert shutdown_claim.next_for(device) is None
        assert (report(job, "executing"), report(job, "executing")) == ("executing", "executing")
        assert (report(job, "succeeded"), report(job, "succeeded")) == ("succeeded", "succeeded")
        assert stands(job) == "completed"

    def test_the_same_nonce_is_the_same_claim_and_another_is_none(self, fleet: list[str], ada: Actor) -> None:
        job = order(ada, "press-1")
        assert claim(job).target.claimed_at == claim(job).target.claimed_at
        assert refusal(claim, job, nonce=OTHER) == (409, "already_claimed")
        assert refusal(claim, job, nonce="short") == (400, "invalid")

    def test_nothing_expired_is_claimed(self, fleet: list[str], ada: Actor) -> None:
        job = order(ada, "press-1")
        later(job, seconds=901)
        assert shutdown_claim.next_for(Device.objects.get(pk="press-1")) is None
        assert refusal(claim, job) == (410, "job_expired")
        shutdown_deadlines.move_on(by=WORKER)
        assert (stands(job), states(job)) == ("expired", {"press-1": "expired"})
        assert refusal(claim, job) == (410, "job_expired")

    def test_nothing_cancelled_is_claimed_and_nothing_claimed_is_cancelled(self, fleet: list[str], ada: Actor) -> None:
        job = order(ada, "press-1", "press-2")
        claim(job, "press-2")
        done = shutdown_cancel.cancel(job, by=ada, reason=REASON)
        assert (done.cancelled, done.too_late) == (["press-1"], ["press-2"])
        assert refusal(claim, job) == (410, "job_cancelled")
        assert refusal(shutdown_cancel.cancel, job, by=ada, reason=REASON) == (409, "too_late")

    @pytest.mark.parametrize("verb", [denial.deny, denial.purge])
    def test_a_device_that_lost_its_place_has_no_order(
        self, fleet: list[str], ada: Actor, verb: Callable[..., None]
    ) -> None:
        job = order(ada, "press-1", "press-2")
        verb(Device.objects.get(pk="press-1"), by=ada)
        assert states(job) == {"press-1": "cancelled", "press-2": "queued"}

    @pytest.mark.parametrize("executing", [False, True])
    @pytest.mark.parametrize(
        ("verb", "code"),
        [("deny", "device_denied"), ("purge", "device_not_accepted"), ("reject", "device_not_accepted")],
    )
    def test_nor_is_it_awaited_with_what_it_has_claimed(
        self, fleet: list[str], ada: Actor, verb: str, code: str, executing: bool
    ) -> None:
        job, device = order(ada, "press-1", "press-2"), Device.objects.get(pk="press-1")
        claim(job)
        if executing:
            report(job, "executing")
        if verb == "reject":
            admission.decide(device, Status.REJECTED, by=ada)
        else:
            getattr(denial, verb)(device, by=ada)
        assert (target(job).state, target(job).code, bool(target(job).finished_at)) == ("unconfirmed", code, True)
        assert states(job)["press-2"] == "queued"
        assert Outbox.objects.get(topic="shutdown.finished").body["outcome"] == "unconfirmed"
        shutdown_cancel.cancel(job, by=ada, reason=REASON)
        assert stands(job) == "completed_with_errors"

    def test_one_that_has_its_place_again_still_waits_for_its_apps(
        self, fleet: list[str], ada: Actor, apps: dict[str, list[installed.App]]
    ) -> None:
        apps["press-1"] = [installed.App("i1", "historian", "v1")]
        job, device = order(ada, "press-1"), Device.objects.get(pk="press-1")
        claim(job)
        admission.decide(device, Status.REJECTED, by=ada)
        admission.decide(device, Status.ACCEPTED, by=ada)
        assert not shutdown_claim.waiting(target(job)).proceed
        later(job, seconds=31)
        assert shutdown_claim.waiting(target(job)).proceed
        assert (report(job, "succeeded"), stands(job)) == ("succeeded", "completed")

    def test_what_comes_with_the_id_of_one_that_was_removed_is_another(
        self, fleet: list[str], ada: Actor, make_device: Callable[..., Device]
    ) -> None:
        went, held = order(ada, "press-1"), Device.objects.get(pk="press-1")
        claim(went)
        report(went, "succeeded")
        job = order(ada, "press-1")
        claim(job)
        denial.purge(held, by=ada)
        another = make_device("press-1", status=Status.ACCEPTED)
        assert refusal(shutdown_claim.find, another, str(job.pk)) == (404, "shutdown_not_found")
        assert refusal(shutdown_acks.find, "press-1", str(job.pk)) == (404, "shutdown_not_found")
        shutdown_history.mark([another])
        assert another.off is None  # type: ignore[attr-defined]
        assert order(ada, "press-1").state == "running"

    @pytest.mark.parametrize("verb", ["reject", "submit"])
    def test_nor_has_one_that_was_rejected_or_submitted_anew_and_accepting_it_revives_nothing(
        self, fleet: list[str], ada: Actor, verb: str
    ) -> None:
        job, device = order(ada, "press-1"), Device.objects.get(pk="press-1")
        if verb == "reject":
            admission.decide(device, Status.REJECTED, by=ada)
        else:
            device = submission.submit(device.pk, identity.read('{"sn": "1"}'), "another key", by=ada)
        admission.decide(device, Status.ACCEPTED, by=ada)
        assert (target(job).code, stands(job)) == ("device_not_accepted", "cancelled")
        assert refusal(claim, job) == (410, "job_cancelled")

    @pytest.mark.parametrize("who", ["requester", "approver"])
    def test_who_is_not_active_any_more_shuts_nothing_down(
        self, fleet: list[str], ada: Actor, otto: Actor, who: str, settings: Any
    ) -> None:
        settings.SHUTDOWN_APPROVAL_FROM = 1
        job = shutdown_approval.approve(order(ada, "press-1"), by=otto)
        User.objects.filter(pk=getattr(job, f"{who}_id")).update(is_active=False)
        assert refusal(claim, job) == (410, "job_cancelled")
        assert (target(job).code, stands(job)) == ("requester_inactive", "cancelled")

    @pytest.mark.parametrize(
        ("reports", "end"),
        [
            (["succeeded"], ("completed", "succeeded")),
            (["failed"], ("completed_with_errors", "failed")),
            (["executing", "failed"], ("completed_with_errors", "failed")),
        ],
    )
    def test_its_reports_are_the_outcome(
        self, fleet: list[str], ada: Actor, reports: list[str], end: tuple[str, str]
    ) -> None:
        job = order(ada, "press-1")
        assert refusal(report, job, "succeeded") == (409, "not_claimed")
        claim(job)
        for state in reports:
            report(job, state, code="not_supported", detail="no relay")
        assert (stands(job), target(job).state) == end
        assert refusal(report, job, "failed" if end[1] == "succeeded" else "succeeded") == (409, "already_reported")

    @pytest.mark.parametrize(("name", "most"), [("code", 64), ("detail", 500), ("device_time", 64)])
    def test_what_it_says_is_bounded(self, fleet: list[str], ada: Actor, name: str, most: int) -> None:
        job = order(ada, "press-1")
        claim(job)
        for said in ("x" * (most + 1), "a\u202eb"):
            assert refusal(report, job, "failed", **{name: said}) == (400, "invalid")
        assert report(job, "failed", **{name: "x" * most}) == "failed"

    def test_before_its_start_it_knows_of_none_and_of_anothers_never(self, fleet: list[str], ada: Actor) -> None:
        job = order(ada, "press-1", start_at=shutdown.clock.now() + timedelta(hours=1))
        for device_id in ("press-1", "press-2"):
            device = Device.objects.get(pk=device_id)
            assert refusal(shutdown_claim.find, device, str(job.pk)) == (404, "shutdown_not_found")
        assert refusal(shutdown_acks.find, "press-1", str(job.pk)) == (404, "shutdown_not_found")
        later(job, hours=1)
        shutdown_deadlines.move_on(by=WORKER)
        assert shutdown_claim.find(Device.objects.get(pk="press-1"), str(job.pk)) == target(job)

    def test_what_it_never_claimed_never_proceeds(self, fleet: list[str], ada: Actor) -> None:
        job = order(ada, "press-1")
        assert not shutdown_claim.waiting(target(job)).proceed
        shutdown_cancel.cancel(job, by=ada, reason=REASON)
        assert not shutdown_claim.waiting(target(job)).proceed

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("repetition", range(10))
    def test_of_a_cancel_and_a_claim_at_once_exactly_one_wins(
        self, fleet: list[str], ada: Actor, at_once: Callable[..., list[Any]], repetition: int
    ) -> None:
        job = order(ada, "press-1")
        cancelled, claimed = at_once(lambda: shutdown_cancel.cancel(job, by=ada, reason=REASON), lambda: claim(job))
        won = [not isinstance(end, Refusal) for end in (cancelled, claimed)]
        assert sorted(won) == [False, True]
        assert states(job) == {"press-1": "cancelled" if won[0] else "claimed"}

    @pytest.mark.django_db(transaction=True)
    def test_of_four_claims_at_once_one_wins(
        self, fleet: list[str], ada: Actor, at_once: Callable[..., list[Any]]
    ) -> None:
        job = order(ada, "press-1")
        ends = at_once(*[lambda number=number: claim(job, nonce=f"{number:016}") for number in range(4)])
        assert sorted(getattr(end, "code", "claimed") for end in ends) == [*["already_claimed"] * 3, "claimed"]


class TestApps:
    def test_it_waits_for_them_until_all_have_acknowledged(
        self, fleet: list[str], ada: Actor, apps: dict[str, list[installed.App]]
    ) -> None:
        historian, hmi = installed.App("i1", "historian", "v1"), installed.App("i2", "hmi", "v2")
        apps["press-1"] = [historian, hmi]
        job = order(ada, "press-1")
        assert refusal(shutdown_acks.acknowledge, target(job), hmi, by=ada) == (409, "not_claimed")
        taken = claim(job)
        assert (taken.ack_seconds, [ack.app for ack in taken.apps], taken.proceed) == (30, ["historian", "hmi"], False)
        assert shutdown_acks.pending("press-1") == target(job)
        first = shutdown_acks.acknowledge(target(job), hmi, by=ada)
        assert shutdown_acks.acknowledge(target(job), hmi, by=ada).acknowledged_at == first.acknowledged_at
        assert not shutdown_claim.waiting(target(job)).proceed
        shutdown_acks.acknowledge(target(job), historian, by=ada)
        assert shutdown_claim.waiting(target(job)).proceed

    def test_one_that_is_gone_meanwhile_is_not_waited_for(
        self, fleet: list[str], ada: Actor, apps: dict[str, list[installed.App]]
    ) -> None:
        apps["press-1"] = [installed.App("i1", "historian", "v1")]
        job = order(ada, "press-1")
        assert not claim(job).proceed
        apps["press-1"] = []
        assert shutdown_claim.waiting(target(job)).proceed

    def test_at_the_deadline_it_waits_for_nobody(
        self, fleet: list[str], ada: Actor, apps: dict[str, list[installed.App]]
    ) -> None:
        apps["press-1"] = [installed.App("i1", "historian", "v1")]
        job = order(ada, "press-1", max_ack_seconds=5)
        assert not claim(job).proceed
        later(job, seconds=6)
        assert shutdown_claim.waiting(target(job)).proceed

    def test_of_a_second_that_has_begun_the_whole_is_theirs(
        self, fleet: list[str], ada: Actor, apps: dict[str, list[installed.App]]
    ) -> None:
        apps["press-1"] = [installed.App("i1", "historian", "v1")]
        job = order(ada, "press-1")
        claim(job)
        seen = target(job)
        seen.deadline = shutdown.clock.now() + timedelta(milliseconds=400)
        waiting = shutdown_claim.waiting(seen)
        assert (waiting.ack_seconds, waiting.proceed, [ack.app for ack in waiting.missing]) == (1, False, ["historian"])

    def test_an_instant_one_tells_them_and_waits_for_none(
        self, fleet: list[str], ada: Actor, apps: dict[str, list[installed.App]]
    ) -> None:
        apps["press-1"] = [installed.App("i1", "historian", "v1")]
        taken = claim(order(ada, "press-1", execute_now=True, max_ack_seconds=30))
        assert (taken.ack_seconds, taken.proceed, len(taken.apps)) == (0, True, 1)


class TestClock:
    def test_a_scheduled_one_starts_at_its_time(self, fleet: list[str], ada: Actor) -> None:
        from_now = shutdown.clock.now() + timedelta(hours=1)
        job = order(ada, "press-1", start_at=from_now)
        assert (stands(job), states(job)) == ("scheduled", {"press-1": "waiting"})
        shutdown_deadlines.move_on(by=WORKER)
        assert stands(job) == "scheduled"
        later(job, hours=1)
        shutdown_deadlines.move_on(by=WORKER)
        assert (stands(job), states(job)) == ("running", {"press-1": "queued"})

    def test_claimed_and_silent_it_stays_unconfirmed_until_a_late_report(self, fleet: list[str], ada: Actor) -> None:
        job = order(ada, "press-1")
        claim(job)
        later(job, seconds=119)
        shutdown_deadlines.move_on(by=WORKER)
        assert states(job) == {"press-1": "claimed"}
        later(job, seconds=2)
        shutdown_deadlines.move_on(by=WORKER)
        assert (stands(job), states(job)) == ("completed_with_errors", {"press-1": "unconfirmed"})
        report(job, "succeeded")
        assert (stands(job), states(job)) == ("completed", {"press-1": "succeeded"})

    @pytest.mark.parametrize(("seen_after", "end"), [(0, "succeeded"), (9, "succeeded"), (30, "unconfirmed")])
    def test_silent_a_minute_after_its_word_it_is_off_and_talking_it_is_not(
        self, fleet: list[str], ada: Actor, seen_after: int, end: str
    ) -> None:
        job = order(ada, "press-1")
        claim(job)
        report(job, "executing")
        later(job, seconds=61)
        seen = target(job).executing_at + timedelta(seconds=seen_after)  # type: ignore[operator]
        Device.objects.filter(pk="press-1").update(last_seen=seen)
        shutdown_deadlines.move_on(by=WORKER)
        assert states(job) == {"press-1": end}

    def test_one_that_is_heard_after_its_word_is_still_on(self, fleet: list[str], ada: Actor) -> None:
        job = order(ada, "press-1")
        claim(job)
        report(job, "executing")
        shutdown_heard.note(target(job).pk)
        assert target(job).heard_at is None  # It may have been under way.
        later(job, seconds=30)
        shutdown_heard.note(target(job).pk)
        later(job, seconds=31)
        shutdown_deadlines.move_on(by=WORKER)
        assert states(job) == {"press-1": "unconfirmed"}

    @pytest.mark.django_db(transaction=True)
    def test_of_two_workers_one_does_it(self, fleet: list[str], ada: Actor, at_once: Callable[..., list[Any]]) -> None:
        job = order(ada, *fleet)
        later(job, seconds=901)
        at_once(*[lambda: shutdown_deadlines.move_on(by=WORKER)] * 2)
        assert (stands(job), set(states(job).values())) == ("expired", {"expired"})
        assert AuditEvent.objects.filter(verb="shutdown.finished").count() == 3


class TestRetry:
    def test_only_what_did_not_go_off_is_ordered_anew(self, fleet: list[str], ada: Actor) -> None:
        job = order(ada, *fleet)
        assert refusal(shutdown.retry, job, by=ada, via=Via.API, reason=REASON) == (409, "still_running")
        claim(job, "press-1")
        report(job, "succeeded", "press-1")
        claim(job, "press-2")
        report(job, "failed", "press-2")
        later(job, seconds=901)
        shutdown_deadlines.move_on(by=WORKER)
        again = shutdown.retry(job, by=ada, via=Via.API, reason=REASON, confirm_count=2)
        assert (again.retry_of, states(again)) == (job, {"press-2": "queued", "press-3": "queued"})

    def test_each_is_ordered_anew_once(self, fleet: list[str], ada: Actor, otto: Actor) -> None:
        job = order(ada, "press-1", "press-2")
        for each in ("press-1", "press-2"):
            claim(job, each)
            report(job, "failed", each)

        def retry(by: Actor, *devices: str) -> ShutdownJob:
            count = len(devices) or None
            chosen = list(devices) or None
            return shutdown.retry(job, by=by, via=Via.API, reason=REASON, confirm_count=count, devices=chosen)

        again = retry(ada, "press-1")
        claim(again)
        report(again, "succeeded")
        for by, devices in ((ada, ["press-1"]), (otto, ["press-1", "press-2"])):
            with pytest.raises(Refusal, match=f"press-1 was ordered anew already, in shutdown {again.pk}") as no:
                retry(by, *devices)
            assert (no.value.status, no.value.code) == (409, "nothing_to_retry")
        rest = retry(otto)  # What is left of it.
        assert states(rest) == {"press-2": "queued"}
        assert refusal(retry, otto) == (409, "nothing_to_retry")
        shutdown_cancel.cancel(rest, by=otto, reason=REASON)
        assert states(retry(ada)) == {"press-2": "queued"}

    @pytest.mark.django_db(transaction=True)
    def test_of_four_retries_at_once_one_is_made(
        self, fleet: list[str], ada: Actor, otto: Actor, at_once: Callable[..., list[Any]]
    ) -> None:
        job = order(ada, "press-1")
        claim(job)
        report(job, "failed")
        people = [ada, otto] * 2
        ends = at_once(
            *[lambda by=by: shutdown.retry(job, by=by, via=Via.API, reason=REASON) for by in people]  # type: ignore[misc]
        )
        assert sorted(getattr(end, "code", "made") for end in ends) == ["made", *["nothing_to_retry"] * 3]

    def test_where_all_went_off_there_is_nothing_to_retry(self, fleet: list[str], ada: Actor) -> None:
        job = order(ada, "press-1")
        claim(job)
        report(job, "succeeded")
        assert refusal(shutdown.retry, job, by=ada, via=Via.API, reason=REASON) == (409, "nothing_to_retry")
