"""Enrolment rules decide on devices that prove their key: which rule, how often, and against whom."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from devices import admission, arrival, counts, enrolment, identity, introduction, keys, rules
from devices.enrolment import Candidate
from devices.models import Device, EnrolmentRule, Introduction
from portal import audit
from portal.actor import Actor
from portal.models import AuditEvent, Outbox
from portal.refusal import Refusal
from tests.conftest import MenderDevice

AUTH = "/api/devices/v1/authentication/auth_requests"
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
PRESS = Candidate("press-1", {"hall": "3", "sn": "SN0007"}, "a" * 64)
FITTING: dict[str, Any] = {"attribute": "hall", "pattern": "3"}
OTHER: dict[str, Any] = {"attribute": "hall", "pattern": "4"}

real_transactions = pytest.mark.django_db(transaction=True)


@pytest.fixture
def make_rule(db: None, root: Actor) -> Callable[..., EnrolmentRule]:
    """Make a rule that fits PRESS; say only what matters."""

    def make(name: str = "hall 3", verdict: str = "accept", **facts: Any) -> EnrolmentRule:
        asked = facts if {"ca", "attribute", "first"} & set(facts) else {**FITTING, **facts}
        return rules.make(name=name, verdict=verdict, by=root, **asked)

    return make


def post(machine: MenderDevice) -> Any:
    body, headers = machine.request()
    client: Any = APIClient(headers=headers)
    return client.generic("POST", AUTH, body, content_type="application/json")


def introduce(machine: MenderDevice) -> introduction.Outcome:
    claim = identity.Identity("{}", machine.members, identity.digest(machine.members))
    return introduction.introduce(claim, keys.read(machine.pem), address="192.0.2.1")


class TestRuling:
    def test_without_rules_the_setting_decides(self, db: None, settings: Any) -> None:
        made = enrolment.ruling(PRESS)
        assert (made.status, made.by, made.rule) == ("pending", "", None)
        settings.ENROLMENT = "auto"
        made = enrolment.ruling(PRESS)
        assert (made.status, made.by, made.rule) == ("accepted", "enrolment", None)

    @pytest.mark.parametrize("setting", ["approve", "auto"])
    def test_a_rejecting_rule_goes_before_an_older_accepting_one_and_before_the_setting(
        self, make_rule: Callable[..., EnrolmentRule], settings: Any, setting: str
    ) -> None:
        settings.ENROLMENT = setting
        make_rule("older")
        rejecting = make_rule("younger", "reject")
        made = enrolment.ruling(PRESS)
        assert (made.status, made.by, made.rule) == ("rejected", "rule younger", rejecting)

    def test_of_two_that_accept_the_older_decides(self, make_rule: Callable[..., EnrolmentRule]) -> None:
        make_rule("other", **OTHER)
        with time_machine.travel(timezone.now() + timedelta(hours=1)):
            make_rule("made later")
        make_rule("made first")
        assert enrolment.ruling(PRESS).by == "rule made first"

    def test_a_disabled_one_and_one_that_is_used_up_do_not_fit(
        self, make_rule: Callable[..., EnrolmentRule], root: Actor
    ) -> None:
        rule = make_rule(most=1)
        assert enrolment.ruling(PRESS).rule == rule
        enrolment.count(enrolment.ruling(PRESS))
        enrolment.forget()
        assert enrolment.ruling(PRESS).rule is None
        rules.change(rule, by=root, most=2)
        assert enrolment.ruling(PRESS).rule == rule
        rules.disable(rule, by=root)
        assert enrolment.ruling(PRESS).rule is None

    def test_it_decides_from_its_start_on_and_before_its_end(self, make_rule: Callable[..., EnrolmentRule]) -> None:
        with time_machine.travel(NOON, tick=False) as clock:
            make_rule(starts_at=NOON + timedelta(minutes=1), ends_at=NOON + timedelta(minutes=2))
            for seconds, fits in ((0, False), (59, False), (1, True), (59, True), (1, False)):
                clock.shift(seconds)
                assert bool(enrolment.ruling(PRESS).rule) == fits

    def test_rules_are_read_once_a_second(
        self, make_rule: Callable[..., EnrolmentRule], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = 100.0
        monkeypatch.setattr("devices.enrolment.time.monotonic", lambda: now)
        make_rule()
        with CaptureQueriesContext(connection) as asked:
            enrolment.ruling(PRESS)
            now = 100.99
            enrolment.ruling(PRESS)
        assert len(asked) == 1
        EnrolmentRule.objects.update(is_enabled=False)  # As another process would.
        assert enrolment.ruling(PRESS).rule
        now = 101.01
        assert not enrolment.ruling(PRESS).rule

    def test_what_this_process_changes_counts_at_once(
        self, make_rule: Callable[..., EnrolmentRule], root: Actor
    ) -> None:
        assert not enrolment.ruling(PRESS).rule
        rule = make_rule()
        assert enrolment.ruling(PRESS).rule
        rules.change(rule, by=root, pattern="4")
        assert not enrolment.ruling(PRESS).rule
        rules.change(rule, by=root, pattern="3")
        assert enrolment.ruling(PRESS).rule
        rules.delete(rule, by=root)
        assert not enrolment.ruling(PRESS).rule


class TestCounting:
    def test_a_ruling_without_a_rule_asks_nothing(self, db: None) -> None:
        with CaptureQueriesContext(connection) as asked:
            enrolment.count(enrolment.Ruling("accepted", "enrolment"))  # type: ignore[arg-type]
        assert not asked

    @pytest.mark.parametrize(
        "meanwhile",
        [{"is_enabled": False}, {"most": 1, "used": 1}, {"revision": 2}],
        ids=["disabled", "used up", "changed"],
    )
    def test_a_rule_that_another_process_changed_since_does_not_count_and_is_read_anew(
        self, make_rule: Callable[..., EnrolmentRule], meanwhile: dict[str, Any]
    ) -> None:
        make_rule()
        made = enrolment.ruling(PRESS)
        EnrolmentRule.objects.update(**meanwhile)
        with pytest.raises(enrolment.RuleChanged), transaction.atomic():
            enrolment.count(made)
        assert EnrolmentRule.objects.get().used == meanwhile.get("used", 0)
        assert bool(enrolment.ruling(PRESS).rule) == ("revision" in meanwhile)

    def test_a_rule_that_was_deleted_does_not_count(self, make_rule: Callable[..., EnrolmentRule]) -> None:
        make_rule()
        made = enrolment.ruling(PRESS)
        EnrolmentRule.objects.all().delete()
        with pytest.raises(enrolment.RuleChanged):
            enrolment.count(made)


class TestUnknownDevice:
    @pytest.mark.parametrize(
        ("verdict", "status", "answer", "verb"),
        [("accept", "accepted", 200, "device.enrolled"), ("reject", "rejected", 401, "device.rejected")],
    )
    def test_a_rule_decides_on_it_when_it_first_asks_as_a_mender_client(
        self,
        make_rule: Callable[..., EnrolmentRule],
        mender_device: Callable[..., MenderDevice],
        verdict: str,
        status: str,
        answer: int,
        verb: str,
    ) -> None:
        make_rule(verdict=verdict)
        machine = mender_device(hall="3", sn="1")
        for _ in range(2):
            assert post(machine).status_code == answer
        device = Device.objects.get()
        assert (device.status, device.decided_by, device.revision) == (status, "rule hall 3", 1)
        assert device.decided_at is not None
        assert EnrolmentRule.objects.get().used == 1
        event = AuditEvent.objects.get(subject_kind="device")
        after: Any = event.after
        assert (event.verb, event.actor, after["rule"]) == (verb, device.pk, "hall 3")
        told = Outbox.objects.get(topic=f"device.{status}").body
        assert (told["device"], told["by"]) == (device.pk, "rule hall 3")
        assert audit.verify().holds

    def test_one_that_no_rule_fits_waits(
        self, make_rule: Callable[..., EnrolmentRule], mender_device: Callable[..., MenderDevice]
    ) -> None:
        make_rule(**OTHER)
        assert post(mender_device(hall="3")).status_code == 401
        assert Device.objects.get().status == "pending"
        assert EnrolmentRule.objects.get().used == 0

    def test_one_with_a_list_fits_by_any_of_it(
        self, make_rule: Callable[..., EnrolmentRule], mender_device: Callable[..., MenderDevice]
    ) -> None:
        make_rule()
        assert post(mender_device(hall=["2", "3"])).status_code == 200

    def test_a_rule_decides_also_while_too_many_wait(
        self,
        make_rule: Callable[..., EnrolmentRule],
        make_device: Callable[..., Device],
        mender_device: Callable[..., MenderDevice],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(arrival, "MOST_WAITING", 1)
        make_device("waits")
        make_rule()
        assert post(mender_device(hall="4")).status_code == 429
        assert post(mender_device(hall="3")).status_code == 200

    def test_one_that_comes_with_a_certificate_alone_keeps_its_ca_and_fits_by_it(
        self, make_rule: Callable[..., EnrolmentRule], mender_device: Callable[..., MenderDevice]
    ) -> None:
        make_rule("ours", ca="a" * 64, first="press-1", last="press-9")
        key = keys.read(mender_device().pem)
        for candidate in (Candidate("press-1", {}, "a" * 64), Candidate("press-2", {}, "b" * 64)):
            arrival.create(candidate, key, address="192.0.2.1")
        mine, other = Device.objects.order_by("pk")
        assert (mine.status, other.status) == ("accepted", "pending")
        assert (mine.decided_by, mine.identity_digest, mine.introduction.text) == ("rule ours", "", "")
        assert [said.ca for said in Introduction.objects.order_by("device_id")] == ["a" * 64, "b" * 64]
        after: Any = AuditEvent.objects.get(subject_id="press-1").after
        assert after["ca"] == "a" * 64


class TestKnownDevice:
    def test_one_that_waits_is_judged_again_whenever_it_asks(
        self, make_rule: Callable[..., EnrolmentRule], mender_device: Callable[..., MenderDevice]
    ) -> None:
        machine = mender_device(hall="3")
        assert post(machine).status_code == 401
        make_rule()
        assert post(machine).status_code == 200
        device = Device.objects.get()
        assert (device.status, device.decided_by, device.revision) == ("accepted", "rule hall 3", 2)
        event = AuditEvent.objects.get(verb="device.enrolled")
        assert (event.before, event.after) == ({"status": "pending"}, {"status": "accepted", "rule": "hall 3"})
        assert EnrolmentRule.objects.get().used == 1

    def test_one_that_waits_may_be_rejected_by_a_rule(
        self, make_rule: Callable[..., EnrolmentRule], mender_device: Callable[..., MenderDevice], settings: Any
    ) -> None:
        machine = mender_device(hall="3")
        post(machine)
        settings.ENROLMENT = "auto"
        make_rule(verdict="reject")
        assert post(machine).status_code == 401
        assert Device.objects.get().status == "rejected"
        assert AuditEvent.objects.filter(verb="device.rejected").count() == 1

    @pytest.mark.parametrize("status", ["accepted", "rejected", "preauthorized"])
    def test_no_rule_touches_one_that_was_decided_on_or_is_expected(
        self,
        make_rule: Callable[..., EnrolmentRule],
        make_device: Callable[..., Device],
        mender_device: Callable[..., MenderDevice],
        status: str,
    ) -> None:
        machine = mender_device(hall="3")
        make_device("press-1", members=machine.members, key=machine.pem, status=status)
        make_rule(verdict="reject" if status != "rejected" else "accept")
        assert post(machine).status_code == (401 if status == "rejected" else 200)
        assert EnrolmentRule.objects.get().used == 0

    def test_another_key_is_no_matter_for_rules(
        self, make_rule: Callable[..., EnrolmentRule], mender_device: Callable[..., MenderDevice]
    ) -> None:
        post(mender_device(hall="3"))
        make_rule()
        assert post(mender_device(hall="3")).status_code == 401
        assert (Device.objects.get().status, EnrolmentRule.objects.get().used) == ("pending", 0)

    def test_one_that_polls_costs_no_more_statements_with_rules_than_without(
        self, make_rule: Callable[..., EnrolmentRule], mender_device: Callable[..., MenderDevice]
    ) -> None:
        machine = mender_device(hall="5")
        introduce(machine)
        numbers = []
        for name in (None, "one", "two"):
            if name:
                make_rule(name)
            introduce(machine)
            with CaptureQueriesContext(connection) as asked:
                introduce(machine)
            numbers.append(len(asked))
        assert numbers == [1, 1, 1]


@real_transactions
class TestAtOnce:
    @pytest.mark.parametrize("turn", range(3))
    @pytest.mark.parametrize("known", [False, True], ids=["unknown", "waiting"])
    def test_a_rule_for_three_lets_in_exactly_three_of_eight(
        self,
        make_rule: Callable[..., EnrolmentRule],
        mender_device: Callable[..., MenderDevice],
        at_once: Callable[..., list[Any]],
        known: bool,
        turn: int,
    ) -> None:
        machines = [mender_device(hall="3", sn=str(number)) for number in range(8)]
        if known:
            for machine in machines:
                introduce(machine)
        make_rule(most=3)
        outcomes = at_once(*(lambda machine=machine: introduce(machine) for machine in machines))
        contended = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
        assert contended == []
        assert sum(outcome.is_admitted for outcome in outcomes) == 3
        assert EnrolmentRule.objects.get().used == Device.objects.filter(status="accepted").count() == 3
        assert (counts.by_tab()["accepted"], counts.by_tab()["pending"]) == (3, 5)
        assert AuditEvent.objects.filter(verb="device.enrolled").count() == 3
        assert audit.verify().holds

    @pytest.mark.parametrize("turn", range(4))
    def test_a_rule_that_is_deleted_in_this_moment_has_counted_every_device_that_it_let_in(
        self,
        make_rule: Callable[..., EnrolmentRule],
        mender_device: Callable[..., MenderDevice],
        at_once: Callable[..., list[Any]],
        root: Actor,
        turn: int,
    ) -> None:
        rule = make_rule()
        machines = [mender_device(hall="3", sn=str(number)) for number in range(3)]
        ways = [lambda machine=machine: introduce(machine) for machine in machines]
        *outcomes, _ = at_once(*ways, lambda: rules.delete(rule, by=root))
        deleted = AuditEvent.objects.get(verb="enrolment_rule.deleted").number
        enrolled = AuditEvent.objects.filter(verb="device.enrolled")
        assert all(event.number < deleted for event in enrolled)
        assert enrolled.count() == sum(outcome.is_admitted for outcome in outcomes)
        assert not EnrolmentRule.objects.exists()
        assert audit.verify().holds

    @pytest.mark.parametrize("turn", range(4))
    def test_a_person_who_decides_in_this_moment_is_not_overruled(
        self,
        make_rule: Callable[..., EnrolmentRule],
        mender_device: Callable[..., MenderDevice],
        at_once: Callable[..., list[Any]],
        root: Actor,
        turn: int,
    ) -> None:
        machine = mender_device(hall="3")
        device = introduce(machine).device
        make_rule()
        outcome, decision = at_once(
            lambda: introduce(machine),
            lambda: admission.decide(device, "rejected", by=root, seen=1),  # type: ignore[arg-type]
        )
        now = Device.objects.get()
        by_rule = isinstance(decision, Refusal)
        assert (now.status, now.decided_by) == (("accepted", "rule hall 3") if by_rule else ("rejected", str(root)))
        assert outcome.is_admitted == by_rule
        assert EnrolmentRule.objects.get().used == by_rule
        decided = AuditEvent.objects.filter(verb__in=["device.enrolled", "device.rejected"])
        assert decided.count() == 1
