"""Random stories of app credentials against a small model: which secret and which access token is good when.

Told a second time with a database that fails at one call in five.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from portal import audit
from portal.actor import Actor
from portal.models import AuditHead, Outbox, Tenant
from portal.refusal import Refusal
from tests.amount import many
from tokens import access_tokens, credentials, overlap, registration, shown_secrets, switching, tenant_grants
from tokens.models import AppCredential, AppVersion, CredentialSecret, Revocation, TenantGrant

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
STATEMENTS_OF_TRANSACTIONS = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT", "SET CONSTRAINTS")
NOTED = ("last_used_at", "last_used_from")
HERE, LIFE = "192.0.2.7", timedelta(minutes=30)


@dataclass(eq=False)
class Secret:
    """What the model knows of a client secret."""

    text: str
    created: datetime
    expires: datetime
    ends: datetime | None = None
    ended: bool = False
    used: datetime | None = None

    def lives(self, now: datetime) -> bool:
        return not self.ended and now < min(self.expires, self.ends or self.expires)


@dataclass(eq=False)
class Bought:
    """What the model knows of an access token."""

    token: access_tokens.AccessToken
    secret: Secret
    tenant: str
    expires: datetime
    dead: bool = False


@dataclass
class Model:
    client_id: str
    secrets: list[Secret]
    disabled: bool = False
    revoked: bool = False
    bought: list[Bought] = field(default_factory=list)

    def living(self, now: datetime) -> list[Secret]:
        return [secret for secret in self.secrets if secret.lives(now)]

    def expired(self, now: datetime) -> bool:
        ends = (min(secret.expires, secret.ends or secret.expires) for secret in self.secrets if not secret.ended)
        return now >= max(ends, default=now)


class Life(RuleBasedStateMachine):
    """Does things to the credentials of one app version in operation, and remembers all that they bought."""

    failing: float = 0

    def __init__(self) -> None:
        super().__init__()
        self.root = Actor.command("story")
        self.story = transaction.atomic()
        self.story.__enter__()
        self.depth = len(connection.savepoint_ids)
        self.now, self.chance = NOON, Random(0)
        Tenant.objects.create(name="ten2")
        app = registration.register("app1", by=self.root)
        made = registration.add_version(app, "v1.0.0", scopes=["users:read"], by=self.root)
        self.version = registration.transfer(made, "main", by=self.root)
        self.granted = False
        self.gone: list[Secret] = []
        self.model: Model | None = None
        self.issue(365)

    def teardown(self) -> None:
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
                kept = repr(cursor.fetchall())
                assert not [secret for secret in self.everything() if secret.text[6:49] in kept]
        transaction.set_rollback(True)
        self.story.__exit__(None, None, None)

    def everything(self) -> list[Secret]:
        return [*self.gone, *(self.model.secrets if self.model else ())]

    def now_and_then_fail(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        # Only within the transaction of a change: what stands alone would break a story, which is one transaction.
        spared = sql.startswith(STATEMENTS_OF_TRANSACTIONS) or len(connection.savepoint_ids) <= self.depth
        if not spared and self.chance.random() < self.failing:
            raise OperationalError("the database is gone")
        return execute(sql, *rest)

    def attempt(self, expected: bool, action: Callable[[], Any]) -> Any:
        """What came of it a second later, None if nothing; it was to be done exactly if `expected`.

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
        transaction.set_rollback(False)
        changed = before != snapshot()
        recorded = AuditHead.objects.get().number - rows
        assert changed == (recorded > 0)
        assert Outbox.objects.count() - told == recorded
        if isinstance(outcome, Exception):
            assert not changed
            assert not expected or isinstance(outcome, OperationalError), outcome
            return None
        assert expected, outcome
        return outcome

    @property
    def holder(self) -> AppCredential:
        found: AppCredential = AppCredential.objects.get(client_id=self.model.client_id, revoked_at=None)  # type: ignore[union-attr]
        return found

    def stands(self) -> bool:
        return self.model is not None and not self.model.revoked

    @rule(days=st.sampled_from([1, 30, 365]))
    def issue(self, days: int) -> None:
        version = AppVersion.objects.get(pk=self.version.pk)
        issued = self.attempt(
            not self.stands(), lambda: credentials.issue(version, by=self.root, owner=None, days=days)
        )
        if issued:
            self.gone += self.model.secrets if self.model else []
            secret = Secret(issued.text, self.now, self.now + timedelta(days=days))
            self.model = Model(issued.holder.client_id, [secret])

    @rule(
        hours=st.sampled_from([0, 1, 24, 720]), days=st.sampled_from([1, 365]), force=st.booleans(), end=st.booleans()
    )
    def rotate(self, hours: int, days: int, force: bool, end: bool) -> None:
        if not self.stands() or self.model is None:
            return
        soon = self.now + timedelta(seconds=1)
        living = self.model.living(soon)
        holder = self.holder
        rotated = self.attempt(
            not self.model.disabled and (len(living) < 2 or force),
            lambda: overlap.rotate(holder, by=self.root, grace_hours=hours, days=days, force=force, end_tokens=end),
        )
        if rotated:
            if len(living) == 2:
                self.finish(living.pop(0), tokens_too=end)
            if living and hours == 0:
                self.finish(living[0], tokens_too=end)
            elif living:
                living[0].ends = min(self.now + timedelta(hours=hours), living[0].expires)
                self.end_tokens(living[0], end)
            self.model.secrets.append(Secret(rotated.text, self.now, self.now + timedelta(days=days)))

    def finish(self, secret: Secret, *, tokens_too: bool) -> None:
        secret.ended = True
        self.end_tokens(secret, tokens_too)

    def end_tokens(self, secret: Secret, end: bool) -> None:
        for bought in self.model.bought if self.model and end else ():
            bought.dead |= bought.secret is secret

    @rule(confirm=st.booleans())
    def end_overlap(self, confirm: bool) -> None:
        if not self.stands() or self.model is None:
            return
        living, soon, holder = self.model.living(self.now + timedelta(seconds=1)), self.now, self.holder
        used = len(living) == 2 and living[0].used and soon - living[0].used < timedelta(hours=24)
        expected = len(living) == 2 and (confirm or not used)
        if self.attempt(expected, lambda: overlap.end_overlap(holder, by=self.root, confirm=confirm)):
            self.finish(living[0], tokens_too=False)

    @rule(confirm=st.booleans())
    def cancel(self, confirm: bool) -> None:
        if not self.stands() or self.model is None:
            return
        living, holder = self.model.living(self.now + timedelta(seconds=1)), self.holder
        expected = len(living) == 2 and (confirm or not living[1].used)
        if self.attempt(expected, lambda: overlap.cancel_rotation(holder, by=self.root, confirm=confirm)):
            self.finish(living[1], tokens_too=False)
            living[0].ends = None

    @rule(disabled=st.booleans())
    def switch(self, disabled: bool) -> None:
        if not self.stands() or self.model is None:
            return
        holder = self.holder
        verb = switching.disable if disabled else switching.enable
        expected = not self.model.expired(self.now + timedelta(seconds=1))
        if self.attempt(expected, lambda: verb(holder, by=self.root, reason="A story.")):
            self.model.disabled = disabled

    @rule(delete=st.booleans(), really=st.sampled_from([False, False, True]))
    def revoke_or_delete(self, delete: bool, really: bool) -> None:
        if not really or not self.stands() or self.model is None:
            return
        holder = self.holder
        if delete:
            expected = self.model.disabled or self.model.expired(self.now + timedelta(seconds=1))
            done = self.attempt(expected, lambda: switching.delete(holder, by=self.root) or True)
        else:
            done = self.attempt(True, lambda: switching.revoke(holder, by=self.root, reason="A story."))
        if done:
            self.model.revoked = True
            for secret in self.model.secrets:
                secret.ended = True

    @rule(wanted=st.sampled_from([True, True, True, False]))
    def grant(self, wanted: bool) -> None:
        """Mostly what is not so yet."""
        give = self.granted != wanted
        verb = tenant_grants.give if give else tenant_grants.withdraw
        if self.attempt(give != self.granted, lambda: verb(self.version, "ten2", by=self.root) or True):
            self.granted = give
            for bought in self.model.bought if self.model and not give else ():
                bought.dead = True

    @rule()
    def buy(self) -> None:
        """With every live secret, for every tenant that may be had."""
        if self.model is None or self.model.disabled:
            return
        with time_machine.travel(self.now, tick=False):
            for secret in self.model.living(self.now):
                buyer = shown_secrets.of_client(self.model.client_id, secret.text, address=HERE)
                if secret.used is None or self.now - secret.used >= timedelta(minutes=1):
                    secret.used = self.now
                for tenant in ("main", "ten2")[: 1 + self.granted]:
                    sold = access_tokens.technical(buyer, tenant)
                    self.model.bought.append(Bought(sold, secret, tenant, self.now + LIFE))

    @rule()
    def buy_again(self) -> None:
        self.buy()

    @rule(minutes=st.sampled_from([0.1, 0.1, 5, 5, 29, 31, 61, 60 * 25, 60 * 24 * 200]))
    def time_passes(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)

    @invariant()
    def each_secret_opens_exactly_as_the_model_says(self) -> None:
        with time_machine.travel(self.now, tick=False):
            for secret in self.everything():
                ours = self.model is not None and secret in self.model.secrets
                opens = ours and secret.lives(self.now) and not self.model.disabled  # type: ignore[union-attr]
                if not opens:  # Those that open are shown by `buy`; here each would count as used.
                    with pytest.raises(Refusal) as no:
                        shown_secrets.of_client("main-app1-v1.0.0", secret.text, address=HERE)
                    assert no.value.status in (401, 429)

    @invariant()
    def each_token_is_good_exactly_as_the_model_says(self) -> None:
        if self.model is None:
            return
        with time_machine.travel(self.now, tick=False):
            for bought in self.model.bought:
                if self.now < bought.expires:
                    good = access_tokens.client_of(bought.token.payload) is not None
                    assert good == (not bought.dead and not self.model.disabled and not self.model.revoked)

    @invariant()
    def what_is_dead_at_the_portal_is_named_for_the_gateway(self) -> None:
        named = set(Revocation.objects.filter(until__gt=self.now).values_list("kind", "value"))
        for bought in self.model.bought if self.model else ():
            if self.now < bought.expires and self.model:
                grant, subject = ("grant", bought.token["grant"]), ("sub", bought.token["sub"])
                dead = bought.dead or self.model.revoked
                assert (grant in named) == dead
                assert (subject in named) == (self.model.disabled and not self.model.revoked)

    @invariant()
    def two_live_at_most_and_the_chain_holds(self) -> None:
        assert CredentialSecret.objects.filter(slot__isnull=False).count() <= 2
        assert audit.verify().holds


class FailingLife(Life):
    failing = 0.2


def snapshot() -> list[Any]:
    """Everything that only a recorded change may alter; when a secret was last used is not of it."""
    tables = (AppVersion, AppCredential, CredentialSecret, TenantGrant)
    return [
        list(
            table._default_manager.order_by("pk").values_list(
                *(one.attname for one in table._meta.concrete_fields if one.attname not in NOTED)
            )
        )
        for table in tables
    ]


@pytest.mark.parametrize("machine", [Life, FailingLife])
def test_the_invariants_hold_in_every_story(db: None, machine: type[Life]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=many(8), stateful_step_count=30, suppress_health_check=list(HealthCheck)),
    )
