"""Random stories of API tokens against a small model: which secret is honoured when, and what it may then do.

Told a second time with a database that fails at one call in five.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from rest_framework.test import APIClient

from portal import audit, standing
from portal.actor import Actor
from portal.models import AuditEvent, AuditHead, Outbox, User
from portal.refusal import Refusal
from portal.roles import Role
from tests.amount import many
from tokens import issuing
from tokens.models import ApiToken

TOKENS = "/api/v1/tokens"
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
STATEMENTS_OF_TRANSACTIONS = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT", "SET CONSTRAINTS")

READS = {"devices:read", "tokens:read", "users:read"}
HELD = {
    "administrator": READS | {"devices:admit", "tokens:manage", "users:manage", "credentials:rotate-own"},
    "operator": READS | {"devices:admit"},
    "viewer": READS,
}
BUNDLES = [
    {"tokens:manage", "users:manage", "credentials:rotate-own", *READS},
    {"tokens:manage", "tokens:read", "devices:read", "credentials:rotate-own"},
    {"tokens:manage", "devices:read"},
    {"credentials:rotate-own", "devices:admit"},
    {"devices:read"},
]
PEOPLE = {"ada": "administrator", "eve": "administrator", "otto": "operator"}
INSIDE, OUTSIDE, NETWORK = "10.1.2.3", "192.0.2.1", "10.0.0.0/8"
MOST = 6

anybody = st.sampled_from(sorted(PEOPLE))
number = st.sampled_from([0, 0, *range(MOST)])  # The first may do most.
bundle = st.sampled_from([0, 0, 1, 1, 2, 3, 4])
days = st.sampled_from([1, 1, 30, 365])
networks = st.sampled_from([(), (), (), (NETWORK,)])


@dataclass
class Secret:
    """What the model knows of a token."""

    text: str
    id: str
    owner: str
    scopes: set[str]
    addresses: tuple[str, ...]
    created: datetime
    expires: datetime
    revoked: bool = False
    disabled: bool = False
    disabled_by_owner: bool = False
    succeeded: bool = False


def snapshot() -> list[Any]:
    """Everything that only a recorded change may alter; when a token was last used is not of it."""
    noted = {"last_used_at", "last_used_from"}
    names = [field.attname for field in ApiToken._meta.concrete_fields if field.attname not in noted]
    people = User.objects.order_by("username").values_list("username", "role", "is_active")
    return [list(ApiToken.objects.order_by("pk").values_list(*names)), list(people)]


def everything_kept() -> str:
    """Every row of every table."""
    with connection.cursor() as cursor:
        rows = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            rows += cursor.fetchall()
    return repr(rows)


def comes(secret: Secret, address: str) -> Any:
    """How a request with this secret comes from this address."""
    return {"HTTP_AUTHORIZATION": f"Bearer {secret.text}", "REMOTE_ADDR": address}


class Keyring(RuleBasedStateMachine):
    """Does things to tokens and their owners, and remembers every secret that was shown."""

    failing: float = 0
    client = APIClient()  # One for all: a client that asks for the first time takes many milliseconds.

    def __init__(self) -> None:
        super().__init__()
        self.root = Actor.command("story")
        self.story = transaction.atomic()
        self.story.__enter__()
        self.depth = len(connection.savepoint_ids)
        self.now = NOON
        self.chance = Random(0)
        self.secrets: list[Secret] = []
        self.role, self.active = dict(PEOPLE), dict.fromkeys(PEOPLE, True)
        for name, role in PEOPLE.items():
            User.objects.create(username=name, role=role)
        self.issue_at_the_machine("ada", 0, 365, ())
        self.issue_at_the_machine("otto", 4, 30, ())

    def teardown(self) -> None:
        kept = everything_kept()
        assert not [secret.id for secret in self.secrets if secret.text[22:-6] in kept]
        transaction.set_rollback(True)
        self.story.__exit__(None, None, None)

    def honours(self, secret: Secret, address: str) -> bool:
        live = not secret.revoked and not secret.disabled and self.now < secret.expires
        return live and self.active[secret.owner] and (not secret.addresses or address == INSIDE)

    def effective(self, secret: Secret) -> set[str]:
        return secret.scopes & HELD[self.role[secret.owner]]

    def one(self, which: int) -> Secret:
        return self.secrets[which % len(self.secrets)]

    def now_and_then_fail(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        # Only within the transaction of a change: what stands alone would break a story, which is one transaction.
        spared = sql.startswith(STATEMENTS_OF_TRANSACTIONS) or len(connection.savepoint_ids) <= self.depth
        if not spared and self.chance.random() < self.failing:
            raise OperationalError("the database is gone")
        return execute(sql, *rest)

    def attempt(self, action: Callable[[], Any]) -> tuple[bool, Any]:
        """Do it a second later: whether something was changed, and what came of it.

        What was refused or failed has changed nothing, and what has changed has a row in the history.
        """
        self.now += timedelta(seconds=1)
        before, rows, told = snapshot(), AuditHead.objects.get().number, Outbox.objects.count()
        outcome: Any = None
        with time_machine.travel(self.now, tick=False), connection.execute_wrapper(self.now_and_then_fail):
            try:
                outcome = action()
            except (Refusal, OperationalError) as no:
                outcome = no
        # Outside of a story a statement that stands alone is its own transaction, so nothing is left to roll back.
        transaction.set_rollback(False)
        changed, recorded = before != snapshot(), AuditHead.objects.get().number - rows
        assert recorded == int(changed)
        assert AuditEvent.objects.count() == rows + recorded
        assert Outbox.objects.count() == told + recorded
        if isinstance(outcome, Exception) or getattr(outcome, "status_code", 200) >= 400:
            assert not changed
        return changed, outcome

    def send(self, asking: Secret, path: str, body: Any, *, address: str = INSIDE) -> tuple[bool, Any]:
        changed, answer = self.attempt(
            lambda: self.client.post(f"{TOKENS}{path}", body, format="json", **comes(asking, address))
        )
        if not self.honours(asking, address):
            assert answer.status_code in (401, 429, 503)
        return changed, answer

    def fits(self, outcome: Any, expected: bool) -> bool:
        """Whether it was done, after a look at whether it should have been; nobody knows of a database that is gone."""
        if isinstance(outcome, OperationalError) or getattr(outcome, "status_code", 0) == 503:
            assert self.failing
            return False
        done = not isinstance(outcome, Exception) and getattr(outcome, "status_code", 200) < 400
        assert done == expected, (outcome, getattr(outcome, "content", b""))
        return done

    def shown(self, answer: Any, owner: str, scopes: set[str], addresses: Any, life: timedelta) -> None:
        body = answer.json()
        self.secrets.append(
            Secret(body["token"], body["id"], owner, scopes, tuple(addresses), self.now, self.now + life)
        )

    def sees(self, asking: Secret, secret: Secret) -> bool:
        effective = self.effective(asking)
        return asking.owner == secret.owner or "users:read" in effective or "users:manage" in effective

    @rule(owner=anybody, which=bundle, days=days, addresses=networks)
    def issue_at_the_machine(self, owner: str, which: int, days: int, addresses: tuple[str, ...]) -> None:
        if len(self.secrets) >= MOST:
            return
        person, scopes = User.objects.get(username=owner), BUNDLES[which]
        _, outcome = self.attempt(
            lambda: issuing.issue("story", scopes, owner=person, days=days, addresses=addresses, by=self.root)
        )
        if self.fits(outcome, self.active[owner] and scopes <= HELD[self.role[owner]]):
            token, text = outcome
            life = timedelta(days=days)
            self.secrets.append(Secret(text, token.pk, owner, scopes, addresses, self.now, self.now + life))

    @rule(asking=number, which=bundle, days=days, addresses=networks)
    def issue(self, asking: int, which: int, days: int, addresses: tuple[str, ...]) -> None:
        if not self.secrets or len(self.secrets) >= MOST:
            return
        by, scopes = self.one(asking), BUNDLES[which]
        body = {"name": "story", "scopes": sorted(scopes), "days": days, "addresses": list(addresses)}
        _, answer = self.send(by, "", body)
        effective = self.effective(by)
        may = self.honours(by, INSIDE) and "tokens:manage" in effective and scopes <= effective
        if self.fits(answer, may):
            self.shown(answer, by.owner, scopes, addresses or by.addresses, timedelta(days=days))

    @rule(asking=number, which=number, hours=st.sampled_from([0, 0, 24, 720]))
    def rotate(self, asking: int, which: int, hours: int) -> None:
        if not self.secrets or len(self.secrets) >= MOST:
            return
        by, old = self.one(asking), self.one(which)
        _, answer = self.send(by, f"/{old.id}/rotate", {"overlap_hours": hours})
        effective = self.effective(by)
        may = (
            "tokens:manage" in effective
            and by.owner == old.owner
            and (old is by or (old.scopes <= effective and (old.addresses or not by.addresses)))
        )
        self.succeed(answer, by, old, may, hours)

    @rule(asking=number, hours=st.sampled_from([0, 24]))
    def rotate_itself(self, asking: int, hours: int) -> None:
        if not self.secrets or len(self.secrets) >= MOST:
            return
        by = self.one(asking)
        _, answer = self.send(by, "/self/rotate", {"overlap_hours": hours})
        self.succeed(answer, by, by, "credentials:rotate-own" in self.effective(by), hours)

    def succeed(self, answer: Any, by: Secret, old: Secret, may: bool, hours: int) -> None:
        live = not old.revoked and not old.disabled and self.now < old.expires and not old.succeeded
        if self.fits(answer, self.honours(by, INSIDE) and may and live):
            self.shown(answer, old.owner, old.scopes, old.addresses, old.expires - old.created)
            old.expires, old.succeeded = min(old.expires, self.now + timedelta(hours=hours)), True

    @rule(asking=number, which=number, verb=st.sampled_from(["revoke", "disable", "enable", "disable", "enable"]))
    def end_or_switch(self, asking: int, which: int, verb: str) -> None:
        if not self.secrets:
            return
        by, secret = self.one(asking), self.one(which)
        changed, answer = self.send(by, f"/{secret.id}/{verb}", {"reason": "A story."})
        effective = self.effective(by)
        may = "tokens:manage" in effective and (by.owner == secret.owner or "users:manage" in effective)
        if verb == "enable" and secret.disabled:
            may = may and (secret.disabled_by_owner or "users:manage" in effective)
        if self.fits(answer, self.honours(by, INSIDE) and may and not secret.revoked):
            after = replace(
                secret,
                revoked=verb == "revoke",
                disabled=secret.disabled if verb == "revoke" else verb == "disable",
            )
            assert changed == (after != secret)
            if verb == "disable" and not secret.disabled:
                secret.disabled_by_owner = by.owner == secret.owner
            secret.revoked, secret.disabled = after.revoked, after.disabled

    @rule(asking=number)
    def come_from_elsewhere(self, asking: int) -> None:
        if self.secrets:
            by = self.one(asking)
            changed, answer = self.send(by, "", {"name": "", "scopes": [], "days": 0}, address=OUTSIDE)
            assert not changed
            assert answer.status_code >= 400

    @rule(name=anybody, role=st.sampled_from(["administrator", "administrator", "operator", "viewer"]))
    def give_a_role(self, name: str, role: str) -> None:
        person = User.objects.get(username=name)
        _, outcome = self.attempt(lambda: standing.change_role(person, Role(role), by=self.root))
        if self.fits(outcome, role == self.role[name] or not self.is_last(name)):
            self.role[name] = role

    @rule(name=anybody, verb=st.sampled_from(["deactivate", "activate", "activate"]))
    def shut_out_or_let_in(self, name: str, verb: str) -> None:
        person = User.objects.get(username=name)
        _, outcome = self.attempt(lambda: getattr(standing, verb)(person, by=self.root))
        active = verb == "activate"
        if self.fits(outcome, active or not self.active[name] or not self.is_last(name)):
            self.active[name] = active

    def is_last(self, name: str) -> bool:
        return [one for one in PEOPLE if self.active[one] and self.role[one] == "administrator"] == [name]

    @rule(hours=st.sampled_from([0.01, 0.5, 23, 25, 24 * 29, 24 * 200]))
    def time_passes(self, hours: float) -> None:
        self.now += timedelta(hours=hours)

    @invariant()
    def each_secret_is_honoured_exactly_as_the_model_says(self) -> None:
        with time_machine.travel(self.now, tick=False):
            for at, secret in enumerate(self.secrets):
                address = OUTSIDE if secret.addresses and at % 2 else INSIDE
                answer = self.client.get("/api/v1/me", **comes(secret, address))
                if self.honours(secret, address):
                    assert answer.status_code == 200, answer.content
                    assert set(answer.json()["scopes"]) == self.effective(secret)
                else:
                    assert answer.status_code in (401, 429), answer.content

    @invariant()
    def there_is_no_token_beside_those_that_were_shown(self) -> None:
        assert set(ApiToken.objects.values_list("pk", flat=True)) == {secret.id for secret in self.secrets}

    @invariant()
    def the_chain_holds(self) -> None:
        assert audit.verify().holds


class FailingKeyring(Keyring):
    failing = 0.2


@pytest.mark.parametrize("machine", [Keyring, FailingKeyring])
def test_the_invariants_hold_in_every_story(db: None, machine: type[Keyring]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=many(8), stateful_step_count=40, suppress_health_check=list(HealthCheck)),
    )
