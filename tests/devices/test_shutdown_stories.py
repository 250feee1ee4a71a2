"""Random stories of shutdowns against a small model: whatever happens in whatever order, the invariants hold.

Told a second time with a database that fails at one call in five.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import F
from hypothesis import HealthCheck
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

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
    submission,
)
from devices.models import Device, ShutdownAck, ShutdownJob, ShutdownTarget, Status, Via
from devices.shutdown_claim import Report
from devices.shutdown_fields import Order
from portal import audit, clock
from portal.actor import Actor
from portal.models import AuditEvent, AuditHead, Outbox, User
from portal.refusal import Refusal
from portal.roles import Role
from tests.amount import many

LEGAL = {
    "waiting": {"queued", "skipped", "cancelled", "expired"},
    "queued": {"claimed", "cancelled", "expired"},
    "claimed": {"executing", "succeeded", "failed", "unconfirmed"},
    "executing": {"succeeded", "failed", "unconfirmed"},
    "unconfirmed": {"succeeded", "failed"},
}
LEGAL_FOR_JOBS = {
    "awaiting_approval": {"running", "scheduled", "refused", "cancelled", "expired"},
    "scheduled": {"running", "cancelled"},
    "running": {"completed", "completed_with_errors", "cancelled", "expired"},
    "completed_with_errors": {"completed"},
}
OPEN = {"queued", "claimed", "executing"}
CLAIMED = {"claimed", "executing", "succeeded", "failed", "unconfirmed"}
FOR_ITS_TIME = ("created_at", "start_at", "started_at", "expires_at", "decide_by")
FOR_TIME = ("queued_at", "expires_at", "claimed_at", "deadline", "executing_at", "heard_at", "reported_at")
STATEMENTS_OF_TRANSACTIONS = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT", "SET CONSTRAINTS")

IDS = ["press-1", "press-2", "press-3"]
APPS = [installed.App("i1", "historian", "v1"), installed.App("i2", "hmi", "v2")]
NONCES = ["0123456789abcdef", "fedcba9876543210"]
REASON = "maintenance of hall 3"
MOVES = ["deny", "restore", "reject", "accept", "submit", "purge"]

# Most of a story is about one device, so that much happens to it.
ids = st.sampled_from([IDS[0], IDS[0], IDS[0], IDS[1], IDS[2]])
several = st.sampled_from([[IDS[0]], [IDS[0]], [IDS[0], IDS[1]], IDS])
people = st.sampled_from([0, 0, 1])
mostly = st.sampled_from([True, True, True, False])
rarely = st.sampled_from([False, False, False, True])
seldom = st.sampled_from([False] * 9 + [True])


def snapshot() -> list[Any]:
    """Everything of shutdowns that only a recorded change may alter."""
    jobs = ShutdownJob.objects.order_by("pk").values_list("pk", "state", "decided_by", "approver_id", "started_at")
    targets = ShutdownTarget.objects.order_by("pk").values_list(
        "pk", "state", "code", "detail", "nonce", "claimed_at", "deadline", "executing_at", "reported_at", "finished_at"
    )
    acks = ShutdownAck.objects.order_by("pk").values_list("pk", "installation", "acknowledged_at")
    devices = Device.objects.order_by("pk").values_list("pk", "status", "revision", "denied_at")
    return [list(jobs), list(targets), list(acks), list(devices)]


def states() -> dict[Any, str]:
    """Where each target stands, and each job, by their keys: a number or a UUID."""
    return dict([*ShutdownTarget.objects.values_list("pk", "state"), *ShutdownJob.objects.values_list("pk", "state")])


class Shutdowns(RuleBasedStateMachine):
    """Orders shutdowns and does what may come of them; remembers which claims were granted."""

    failing: float = 0

    def __init__(self) -> None:
        super().__init__()
        self.story = transaction.atomic()
        self.story.__enter__()
        self.chance = Random(0)
        self.there = {device_id: list(APPS) for device_id in IDS}
        self.granted: dict[int, str] = {}
        Device.objects.bulk_create([Device(id=device_id, status=Status.ACCEPTED) for device_id in IDS])
        made = [User.objects.create(username=name, role=Role.ADMINISTRATOR) for name in ("ada", "otto")]
        self.people = [Actor.person(user) for user in made]
        self.known = installed._sources[:]
        installed._sources[:] = [lambda devices: {each: list(self.there.get(each, [])) for each in devices}]

    def teardown(self) -> None:
        installed._sources[:] = self.known
        transaction.set_rollback(True)
        self.story.__exit__(None, None, None)

    def now_and_then_fail(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if not sql.startswith(STATEMENTS_OF_TRANSACTIONS) and self.chance.random() < self.failing:
            raise OperationalError("the database is gone")
        return execute(sql, *rest)

    def attempt(self, action: Callable[[], Any]) -> Any:
        """Do it; what was refused or failed has changed nothing, and what has changed has rows in the history."""
        before, stood, rows, told = snapshot(), states(), AuditHead.objects.get().number, Outbox.objects.count()
        try:
            with connection.execute_wrapper(self.now_and_then_fail):
                outcome = action()
        except (Refusal, OperationalError) as no:
            outcome = no
            transaction.set_rollback(False)
        recorded = AuditHead.objects.get().number - rows
        assert (before != snapshot()) == (recorded > 0)
        assert AuditEvent.objects.count() == rows + recorded
        assert Outbox.objects.count() - told <= recorded
        if isinstance(outcome, Refusal) and outcome.code != "job_cancelled":  # Asking for it may have cancelled it.
            assert recorded == 0
        for key, state in states().items():
            legal = LEGAL if isinstance(key, int) else LEGAL_FOR_JOBS
            assert key not in stood or state == stood[key] or state in legal.get(stood[key], ())
        return outcome

    def refused(self, outcome: Any) -> str | None:
        """The code of a refusal; None for a yes. A story with a failing database says neither."""
        if isinstance(outcome, OperationalError):
            assert self.failing
            return "failed"
        return outcome.code if isinstance(outcome, Refusal) else None

    def some_target(self, device_id: str, number: int, *, led_to: str = "") -> ShutdownTarget | None:
        """One of the device's latest two; led to this state first, where that can be, or stories would tell little."""
        is_open = ShutdownTarget.objects.filter(device_id=device_id, state__in=OPEN).exists()
        if led_to and not is_open:
            self.order([device_id], 0, False, False, True)
        if led_to == "claimed":
            self.claim(device_id, 0, NONCES[0], False)
        found = ShutdownTarget.objects.filter(device_id=device_id).select_related("job").order_by("-pk")[:2]
        return found[number % len(found)] if found else None

    def some_job(self, number: int, *, led_to: Sequence[str] = ()) -> ShutdownJob | None:
        if led_to and not ShutdownJob.objects.filter(state="awaiting_approval").exists():
            self.order(led_to, 0, False, False, False)
        jobs = ShutdownJob.objects.order_by("-created_at", "pk")[:3]
        return jobs[number % len(jobs)] if jobs else None

    @rule(devices=several, who=people, now=rarely, in_a_minute=rarely, by_app=rarely)
    def order(self, devices: Sequence[str], who: int, now: bool, in_a_minute: bool, by_app: bool) -> None:
        by, via, facts = self.people[who], Via.API, {}
        if by_app:
            by, via = Actor.app("historian", (), credential="i1"), Via.EDGE_APP
            facts = {"installation": "i1", "app": "historian"}
        start = clock.now() + timedelta(seconds=60) if in_a_minute else None
        wanted = Order(devices, REASON, execute_now=now, start_at=start)
        fit = Device.objects.filter(pk__in=devices, denied_at=None, status="accepted")
        busy = ShutdownTarget.objects.filter(state__in=OPEN).values("device_id")
        possible = fit.exclude(pk__in=busy).exists() and Device.objects.filter(pk__in=devices).count() == len(devices)
        said = self.attempt(
            lambda: shutdown.order(wanted, by=by, via=via, confirm_count=len(devices), **facts)  # type: ignore[arg-type]
        )
        code = self.refused(said)
        assert code in ("failed", "no_second_approver") or (code is None) == possible

    @rule(
        number=st.sampled_from([0, 0, 0, 1, 2]),
        who=st.sampled_from([1, 1, 0]),
        verb=st.sampled_from(["approve", "approve", "refuse"]),
        anew=mostly,
    )
    def decide(self, number: int, who: int, verb: str, anew: bool) -> None:
        job, by = self.some_job(number, led_to=IDS if anew else ()), self.people[who]
        if job is None:
            return
        possible = job.state == "awaiting_approval" and by.owner != job.requester_id
        late = job.decide_by is not None and job.decide_by <= clock.now()
        if verb == "approve":
            said = self.attempt(lambda: shutdown_approval.approve(job, by=by, confirm_count=job.device_count))
        else:
            said = self.attempt(lambda: shutdown_approval.refuse(job, by=by, reason=REASON))
        code = self.refused(said)
        assert code == "failed" or (code is None) == (possible and not (late and verb == "approve"))

    @rule(number=st.sampled_from([0, 0, 0, 1, 2]), device_id=st.none() | ids, anew=mostly)
    def cancel(self, number: int, device_id: str | None, anew: bool) -> None:
        if anew:
            self.some_target(device_id or IDS[0], 0, led_to="queued")
        job = self.some_job(number)
        if job is None:
            return
        asked = job.targets.all() if device_id is None else job.targets.filter(device_id=device_id)
        left = set(asked.filter(state__in=["waiting", "queued"]).values_list("device_id", flat=True))
        chosen = None if device_id is None else [device_id]
        said = self.attempt(lambda: shutdown_cancel.cancel(job, by=self.people[0], reason=REASON, devices=chosen))
        code = self.refused(said)
        assert code == "failed" or (code is None) == bool(left)
        if code is None:
            assert set(said.cancelled) == left

    @rule(
        device_id=ids,
        number=st.sampled_from([0, 0, 0, 1]),
        nonce=st.sampled_from([*NONCES[:1] * 3, NONCES[1]]),
        anew=mostly,
    )
    def claim(self, device_id: str, number: int, nonce: str, anew: bool) -> None:
        target = self.some_target(device_id, number, led_to="queued" if anew else "")
        if target is None:
            return
        people = User.objects.filter(pk__in=[target.job.requester_id, target.job.approver_id])
        valid = target.expires_at is not None and target.expires_at > clock.now()
        new = target.state == "queued" and valid and not people.filter(is_active=False).exists()
        was = self.granted.get(target.pk)
        # Where the answer was lost to a fault, only the digest says whose it is.
        code = self.refused(self.attempt(lambda: shutdown_claim.claim(target, nonce, by=Actor.device(device_id))))
        if code is None:
            assert new or target.state in CLAIMED
            assert was in (None, nonce)
            self.granted[target.pk] = nonce
        elif code != "failed":
            assert not new
            assert was != nonce

    @rule(device_id=ids, app=st.sampled_from(APPS), anew=mostly)
    def acknowledge(self, device_id: str, app: installed.App, anew: bool) -> None:
        target = self.some_target(device_id, 0, led_to="claimed" if anew else "")
        if target is None:
            return
        has = target.acks.filter(installation=app.installation, acknowledged_at__isnull=False).exists()
        by = Actor.app(app.name, (), credential=app.installation)
        code = self.refused(self.attempt(lambda: shutdown_acks.acknowledge(target, app, by=by)))
        assert code == "failed" or (code is None) == (target.state == "claimed" or (has and target.state in CLAIMED))

    @rule(
        device_id=ids,
        number=st.sampled_from([0, 0, 0, 1]),
        state=st.sampled_from(["executing", "executing", "succeeded", "failed"]),
        anew=mostly,
    )
    def report(self, device_id: str, number: int, state: str, anew: bool) -> None:
        target = self.some_target(device_id, number, led_to="claimed" if anew else "")
        if target is None:
            return
        by = Actor.device(device_id)
        code = self.refused(self.attempt(lambda: shutdown_claim.report(target, Report(state), by=by)))
        if state in LEGAL.get(target.state, ()) or state == target.state:
            assert code in (None, "failed")
        elif target.claimed_at is None:
            assert code in ("not_claimed", "failed")

    @rule(device_id=ids)
    def poll(self, device_id: str) -> None:
        device = Device.objects.filter(pk=device_id).first()
        offered = device and self.attempt(lambda: shutdown_claim.next_for(device))
        if isinstance(offered, ShutdownTarget):
            assert (offered.device_id, offered.state) == (device_id, "queued")

    @rule(device_id=ids, verb=st.sampled_from([*MOVES, "accept", "restore", "submit"]), ordered=mostly)
    def move_the_device(self, device_id: str, verb: str, ordered: bool) -> None:
        if ordered:
            self.some_target(device_id, 0, led_to="queued")
        device = Device.objects.filter(pk=device_id).first()
        if device is None:
            Device.objects.create(id=device_id, status=Status.ACCEPTED)
            return
        by = self.people[0]
        if verb in ("reject", "accept"):
            decision = Status.REJECTED if verb == "reject" else Status.ACCEPTED
            self.attempt(lambda: admission.decide(device, decision, by=by))
        elif verb == "submit":
            self.attempt(lambda: submission.submit(device_id, identity.read(f'{{"sn": "{device_id}"}}'), "", by=by))
        else:
            self.attempt(lambda: getattr(denial, verb)(device, by=by))

    @rule(device_id=ids, app=st.sampled_from(APPS))
    def install_or_uninstall(self, device_id: str, app: installed.App) -> None:
        there = self.there[device_id]
        if app in there:
            there.remove(app)
        else:
            there.append(app)

    @rule(who=people, really=seldom)
    def leave_or_come_back(self, who: int, really: bool) -> None:
        if really:
            person = User.objects.get(pk=self.people[who].owner)
            User.objects.filter(pk=person.pk).update(is_active=not person.is_active)

    @rule(seconds=st.sampled_from([5, 31, 61, 121, 200, 901, 90_000]))
    def let_time_pass(self, seconds: int) -> None:
        passed = timedelta(seconds=seconds)
        ShutdownJob.objects.update(**{name: F(name) - passed for name in FOR_ITS_TIME})
        ShutdownTarget.objects.update(**{name: F(name) - passed for name in FOR_TIME})
        self.move_on()

    @rule(device_id=ids, word=rarely, talking=rarely)
    def fall_silent(self, device_id: str, word: bool, talking: bool) -> None:
        self.some_target(device_id, 0, led_to="claimed")
        if word:
            self.report(device_id, 0, "executing", False)
        ShutdownTarget.objects.filter(state="executing").update(heard_at=clock.now() if talking else None)
        self.let_time_pass(200)

    @rule()
    def move_on(self) -> None:
        self.attempt(lambda: shutdown_deadlines.move_on(by=Actor.worker()))
        if not self.failing:
            now = clock.now()
            assert not ShutdownTarget.objects.filter(state="queued", expires_at__lte=now).exists()
            assert not ShutdownJob.objects.filter(state="scheduled", start_at__lte=now).exists()

    @rule(number=st.integers(0, 2))
    def retry(self, number: int) -> None:
        job = self.some_job(number)
        if job is None:
            return
        failed = job.targets.filter(state__in=["failed", "unconfirmed", "expired", "skipped"])
        count = failed.count()
        said = self.attempt(
            lambda: shutdown.retry(job, by=self.people[0], via=Via.API, reason=REASON, confirm_count=count)
        )
        code = self.refused(said)
        if code is None:
            assert said.device_count == count > 0
            assert job.state not in ("awaiting_approval", "scheduled", "running")

    @invariant()
    def a_claim_is_granted_once_and_nothing_else_is_executed(self) -> None:
        claims = AuditEvent.objects.filter(verb="shutdown.claimed").values_list("subject_id", "after__shutdown")
        assert not [claim for claim, times in Counter(claims).items() if times > 1]
        never = ShutdownTarget.objects.exclude(state__in=CLAIMED)
        assert not never.exclude(claimed_at=None).exists()
        assert not ShutdownTarget.objects.filter(state__in=CLAIMED, claimed_at__gt=F("expires_at")).exists()
        assert set(never.values_list("pk", flat=True)).isdisjoint(self.granted)

    @invariant()
    def a_device_has_one_open_shutdown_and_a_denied_one_none_to_claim(self) -> None:
        busy = Counter(ShutdownTarget.objects.filter(state__in=OPEN).values_list("device_id", flat=True))
        assert max(busy.values(), default=0) <= 1
        served = Device.objects.filter(denied_at=None, status="accepted").values("pk")
        assert not ShutdownTarget.objects.filter(state__in=["queued", "waiting"]).exclude(device_id__in=served).exists()

    @invariant()
    def a_job_stands_as_its_targets_do(self) -> None:
        for job in ShutdownJob.objects.prefetch_related("targets"):
            states = {target.state for target in job.targets.all()}
            if job.state in ("awaiting_approval", "scheduled"):
                assert "waiting" in states
                assert states <= {"waiting", "skipped", "cancelled"}
                continue
            assert "waiting" not in states
            if job.state == "running":
                assert states & OPEN
                continue
            assert not states & OPEN
            if job.state == "completed":
                assert states == {"succeeded"}
            elif job.state == "completed_with_errors":
                assert states & CLAIMED
                assert states != {"succeeded"}
            else:
                assert not states & CLAIMED
                assert job.state != "expired" or "expired" in states
                assert job.state != "cancelled" or "expired" not in states

    @invariant()
    def the_chain_holds(self) -> None:
        assert audit.verify().holds


class FailingShutdowns(Shutdowns):
    failing = 0.2


@pytest.mark.parametrize("machine", [Shutdowns, FailingShutdowns])
def test_the_invariants_hold_in_every_story(db: None, machine: type[Shutdowns], settings: Any) -> None:
    settings.SHUTDOWN_APPROVAL_FROM = 3
    run_state_machine_as_test(
        machine,
        settings=examples(max_examples=many(16), stateful_step_count=40, suppress_health_check=list(HealthCheck)),
    )
