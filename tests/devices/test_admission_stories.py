"""Random stories of devices against a small model: whatever happens in whatever order, the invariants hold.

Told a second time with a database that fails at one call in five.
"""

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import OperationalError, connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from devices import (
    admission,
    bulk,
    counts,
    denial,
    enrolment,
    identity,
    introduction,
    keychange,
    keys,
    rules,
    submission,
)
from devices.models import Device, EnrolmentRule, KeyChange, KeyChangeRequest, RetiredKey, Status
from portal import audit
from portal.actor import Actor
from portal.models import AuditEvent, AuditHead, Outbox
from portal.refusal import Refusal
from tests.amount import many
from tokens import device_tokens, signing

DECIDED = {
    ("pending", "accepted"),
    ("pending", "rejected"),
    ("accepted", "rejected"),
    ("rejected", "accepted"),
}
# Beside what people decide: a client submits anew, and an expected device arrives.
MOVES = DECIDED | {(before, "pending") for before in Status.values} | {("preauthorized", "accepted")}

TEXTS = [json.dumps({"serial": "1"}), json.dumps({"serial": "2", "mac": "00:01"})]
IDENTITIES = [identity.read(text) for text in TEXTS]
SPELLINGS = [[identity.read(text), identity.read(text.replace("1", "\\u0031"))] for text in TEXTS]
IDS = ["press-1", *(one.digest for one in IDENTITIES)]
PUBLIC = [Ed25519PrivateKey.generate().public_key() for _ in range(3)]
KEYS = [keys.read(one.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()) for one in PUBLIC]
STATEMENTS_OF_TRANSACTIONS = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT", "SET CONSTRAINTS")

# Most of a story is about one device with one key, so that much happens to it.
which = st.sampled_from([0, 0, 0, 1])
key = st.sampled_from([0, 0, 0, 1, 2])
ids = st.sampled_from([IDS[1], IDS[1], IDS[1], IDS[0], IDS[2]])
rarely = st.sampled_from([False, False, False, True])


def snapshot() -> list[Any]:
    """Everything that only a recorded change may alter."""
    devices = Device.objects.order_by("pk").values_list(
        "pk",
        "status",
        "identity_digest",
        "fingerprint",
        "revision",
        "epoch",
        "denied_at",
        "decided_by",
        "introduction__key",
    )
    changes = KeyChangeRequest.objects.order_by("pk").values_list("pk", "device_id", "state", "new_fingerprint")
    retired = RetiredKey.objects.order_by("pk").values_list("device_id", "fingerprint")
    enrolling = EnrolmentRule.objects.order_by("pk").values_list("name", "verdict", "is_enabled", "revision", "used")
    return [list(devices), list(changes), list(retired), list(enrolling)]


class Fleet(RuleBasedStateMachine):
    """Does things to devices, and remembers which tokens were ever refused."""

    failing: float = 0

    def __init__(self) -> None:
        super().__init__()
        self.by = Actor.command("story")
        self.story = transaction.atomic()
        self.story.__enter__()
        self.dead: dict[str, bool] = {}
        self.chance = Random(0)

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.story.__exit__(None, None, None)
        signing.forget_ring()
        enrolment.forget()

    def now_and_then_fail(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if not sql.startswith(STATEMENTS_OF_TRANSACTIONS) and self.chance.random() < self.failing:
            raise OperationalError("the database is gone")
        return execute(sql, *rest)

    def attempt(self, action: Callable[[], Any]) -> Any:
        """Do it; what was refused or failed has changed nothing, and what has changed has a row in the history."""
        before, rows, told = snapshot(), AuditHead.objects.get().number, Outbox.objects.count()
        statuses = dict(Device.objects.values_list("pk", "status"))
        outcome: Any = None
        try:
            with connection.execute_wrapper(self.now_and_then_fail):
                outcome = action()
        except (Refusal, OperationalError) as no:
            outcome = no
            # Outside of a story a statement that stands alone is its own transaction, so nothing is left to roll back.
            transaction.set_rollback(False)
        after, recorded = snapshot(), AuditHead.objects.get().number - rows
        assert (before != after) == (recorded > 0)
        assert AuditEvent.objects.count() == rows + recorded
        assert Outbox.objects.count() - told <= recorded
        if isinstance(outcome, Refusal):
            assert recorded == 0
        for device_id, status in Device.objects.values_list("pk", "status"):
            known = statuses.get(device_id)
            assert known is None or known == status or (known, status) in MOVES
        return outcome

    def device(self, device_id: str) -> Device | None:
        found: Device | None = Device.objects.filter(pk=device_id).first()
        return found

    @rule(device_id=ids, n=which, k=key, really=rarely)
    def submit(self, device_id: str, n: int, k: int, really: bool) -> None:
        if not really:
            return  # It sets everything back, so a story with many of them tells little.
        denied = Device.objects.denied().claiming(IDENTITIES[n].digest) | Device.objects.denied().filter(pk=device_id)
        refused = denied.exists()
        outcome = self.attempt(lambda: submission.submit(device_id, IDENTITIES[n], KEYS[k].pem, by=self.by))
        assert isinstance(outcome, OperationalError) or isinstance(outcome, admission.Denied) == refused

    @rule(n=which, k=key, really=rarely)
    def preauthorize(self, n: int, k: int, really: bool) -> None:
        if not really:
            return
        known = Device.objects.claiming(IDENTITIES[n].digest).exists()
        outcome = self.attempt(lambda: submission.preauthorize(IDENTITIES[n], KEYS[k].pem, by=self.by))
        assert isinstance(outcome, OperationalError) or isinstance(outcome, Refusal) == known

    @rule(n=which, k=key, spelling=which)
    def introduce(self, n: int, k: int, spelling: int) -> None:
        claimed = SPELLINGS[n][spelling]
        denied = Device.objects.denied().claiming(claimed.digest).exists()
        new = not Device.objects.claiming(claimed.digest).exists()
        fitting = [one for one in EnrolmentRule.objects.filter(name=str(n), is_enabled=True) if not one.used]
        outcome = self.attempt(lambda: introduction.introduce(claimed, KEYS[k], address="192.0.2.1"))
        if isinstance(outcome, introduction.Outcome):
            assert not (denied and outcome.is_admitted)
            if new:
                brought = {"accept": "accepted", "reject": "rejected"}[fitting[0].verdict] if fitting else "pending"
                assert outcome.device.status == brought
            if outcome.is_admitted:
                assert (outcome.device.status, outcome.device.fingerprint) == ("accepted", KEYS[k].fingerprint)
                token = device_tokens.issue(outcome.device)
                assert device_tokens.holder(token) == outcome.device
                self.dead[token] = False

    @rule(n=which, verdict=st.sampled_from(["accept", "reject"]), word=st.sampled_from(["disable", "enable", "delete"]))
    def make_a_rule_or_change_it(self, n: int, verdict: str, word: str) -> None:
        present = EnrolmentRule.objects.filter(name=str(n)).first()
        if present:
            outcome = self.attempt(lambda: getattr(rules, word)(present, by=self.by))
        else:
            facts: dict[str, Any] = {"attribute": "serial", "pattern": str(n + 1), "most": 1}
            outcome = self.attempt(lambda: rules.make(name=str(n), verdict=verdict, by=self.by, **facts))
        assert not isinstance(outcome, Refusal)

    @rule(n=which, k=key)
    def come_be_accepted_and_come_again(self, n: int, k: int) -> None:
        self.introduce(n, k, 0)
        if device := self.device(IDENTITIES[n].digest):
            self.attempt(lambda: admission.decide(device, Status.ACCEPTED, by=self.by))
        self.introduce(n, k, 1)

    @rule(
        device_id=ids,
        decision=st.sampled_from([Status.ACCEPTED, Status.ACCEPTED, *Status]),
        stale=st.sampled_from([0, 0, 0, 1]),
    )
    def decide(self, device_id: str, decision: Status, stale: int) -> None:
        device = self.device(device_id)
        if device is None:
            return
        possible = not device.is_denied and (device.status, decision) in DECIDED and not stale
        seen = device.revision - stale
        outcome = self.attempt(lambda: admission.decide(device, decision, by=self.by, seen=seen))
        assert isinstance(outcome, OperationalError) or (outcome is None) == possible

    @rule(
        chosen=st.lists(st.sampled_from([*IDS, "nobody"]), max_size=5),
        word=st.sampled_from(["accept", "accept", "reject", "deny"]),
    )
    def decide_on_many(self, chosen: list[str], word: str) -> None:
        before = {device_id: self.device(device_id) for device_id in chosen}
        outcomes = self.attempt(lambda: bulk.decide(chosen, bulk.DECISIONS[word], by=self.by))
        assert [outcome.id for outcome in outcomes] == list(before)
        brings = {"accept": "accepted", "reject": "rejected", "deny": "denied"}[word]
        reached = [outcome for outcome in outcomes if outcome.code != "service_unavailable"]
        assert self.failing or reached == outcomes
        for outcome in outcomes:
            device = before[outcome.id]
            possible = bool(device) and not device.is_denied and (word == "deny" or (device.status, brings) in DECIDED)
            assert (outcome.code == "") == (possible and outcome in reached)
            after = self.device(outcome.id)
            if outcome.code == "":
                assert after
                assert outcome.status == brings == ("denied" if after.is_denied else after.status)
            else:
                assert (after and after.revision) == (device and device.revision)

    @rule(device_id=ids, verb=st.sampled_from(["deny", "restore", "deny", "restore", "purge"]))
    def deny_restore_or_purge(self, device_id: str, verb: str) -> None:
        device = self.device(device_id)
        if device is None:
            return
        possible = verb == "purge" or device.is_denied == (verb == "restore")
        outcome = self.attempt(lambda: getattr(denial, verb)(device, by=self.by))
        assert isinstance(outcome, OperationalError) or (outcome is None) == possible
        if outcome is None and verb == "purge":
            assert self.device(device_id) is None

    @rule(verb=st.sampled_from(["accept", "refuse"]), number=st.integers(0, 3))
    def decide_on_a_key(self, verb: str, number: int) -> None:
        changes = list(KeyChangeRequest.objects.order_by("pk").select_related("device"))
        if not changes:
            return
        change = changes[number % len(changes)]
        possible = change.state == KeyChange.OPEN and not (verb == "accept" and change.device.is_denied)
        outcome = self.attempt(lambda: getattr(keychange, verb)(change, by=self.by))
        assert isinstance(outcome, OperationalError) or (outcome is None) == possible
        if outcome is None and verb == "accept":
            assert Device.objects.get(pk=change.device_id).fingerprint == change.new_fingerprint

    @invariant()
    def a_token_that_was_refused_is_never_honoured_again(self) -> None:
        for token, was_dead in self.dead.items():
            holder = device_tokens.holder(token)
            assert not (was_dead and holder)
            assert holder is None or holder.is_admitted
            self.dead[token] = holder is None

    @invariant()
    def nothing_is_open_or_stored_for_a_denied_device(self) -> None:
        assert not KeyChangeRequest.objects.filter(state=KeyChange.OPEN).exclude(device__denied_at=None).exists()

    @invariant()
    def the_counts_are_those_of_the_rows(self) -> None:
        by_tab = counts.by_tab()
        assert by_tab["denied"] == Device.objects.denied().count()
        for status in Status.values:
            assert by_tab[status] == Device.objects.present().filter(status=status).count()

    @invariant()
    def no_rule_has_decided_on_more_devices_than_it_may(self) -> None:
        assert all(one.used <= 1 for one in EnrolmentRule.objects.all())

    @invariant()
    def the_chain_holds(self) -> None:
        assert audit.verify().holds


class FailingFleet(Fleet):
    failing = 0.2


@pytest.mark.parametrize("machine", [Fleet, FailingFleet])
def test_the_invariants_hold_in_every_story(db: None, machine: type[Fleet]) -> None:
    signing.ensure_active(by=Actor.worker())
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=many(14), stateful_step_count=40, suppress_health_check=list(HealthCheck)),
    )
