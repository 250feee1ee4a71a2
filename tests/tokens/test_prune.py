"""What ended long ago goes, in batches that each stand in the history; what somebody may still ask for stays."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.core.management.base import CommandError

from portal import audit, pruning
from portal.actor import Actor
from portal.models import AuditEvent, ExpiryNotice, KeptAnswer, Letter, User, WindowCount
from portal.scopes import Scope
from tokens import issuing, overlap, rotation, switching
from tokens.models import ApiToken, AppCredential, CredentialSecret, KeyState, Revocation, SigningKey
from tokens.overlap import Rotated

NOON = datetime(2031, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
KINDS = [
    "sessions", "kept_answers", "window_counts", "letters", "notices", "api_tokens", "client_secrets",
    "app_credentials", "app_tokens", "installations", "gateway_logins", "revocations", "signing_keys",
    "device_certificates",
]  # fmt: skip

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def run(*options: str) -> dict[str, int]:
    out = StringIO()
    call_command("prune", "--json", *options, stdout=out)
    said = [json.loads(line) for line in out.getvalue().splitlines()]
    return {one["kind"]: one["number"] for one in said}


def removed(*options: str) -> dict[str, int]:
    return {kind: number for kind, number in run(*options).items() if number}


@pytest.fixture
def make_token(administrator: User, root: Actor) -> Callable[..., ApiToken]:
    def make(days: int) -> ApiToken:
        return issuing.issue("line 3", [Scope.DEVICES_READ], owner=administrator, days=days, by=root)[0]

    return make


def test_it_names_every_kind_in_lines_of_text_or_json() -> None:
    out = StringIO()
    call_command("prune", "--dry-run", stdout=out)
    assert out.getvalue().splitlines() == [f"{kind} 0" for kind in KINDS]
    assert run("--dry-run") == dict.fromkeys(KINDS, 0)


def test_a_token_goes_400_days_after_its_end_unless_told_otherwise(clock: Any, make_token: Any) -> None:
    make_token(days=10)
    kept = make_token(days=300)
    clock.shift(409 * DAY)
    assert removed() == {}
    clock.shift(1 * DAY + timedelta(seconds=1))
    assert removed("--dry-run") == {"api_tokens": 1}
    assert removed() == {"api_tokens": 1}
    assert removed() == {}
    assert ApiToken.objects.get() == kept
    clock.shift(10 * DAY)
    assert removed("--older-than", "100d") == {"api_tokens": 1}


def test_a_successor_outlives_the_token_that_it_replaced(clock: Any, make_token: Any, root: Actor) -> None:
    old = make_token(days=300)
    clock.shift(200 * DAY)
    new = rotation.rotate(old, by=root).token
    clock.shift(150 * DAY)
    assert removed("--older-than", "100d") == {"api_tokens": 1}
    new.refresh_from_db()
    assert new.replaces is None


def test_credentials_go_with_their_secrets_and_a_live_one_loses_its_old_secrets_alone(
    clock: Any, make_credential: Callable[..., Rotated], root: Actor
) -> None:
    dead = make_credential(days=10)
    revoked = make_credential(dead.holder.version, instance="b", days=300)
    switching.revoke(revoked.holder, by=root, reason="leaked")
    live = make_credential(dead.holder.version, instance="c", days=10)
    new = overlap.rotate(live.holder, by=root, days=300, grace_hours=1)
    clock.shift(2 * DAY)
    overlap.rotate(live.holder, by=root, days=365, grace_hours=0)  # The first is written down to have ended now.
    clock.shift(100 * DAY)
    assert removed("--older-than", "60d") == {"client_secrets": 4, "app_credentials": 2, "revocations": 1}
    assert AppCredential.objects.get() == live.holder
    assert live.holder.living()
    assert not CredentialSecret.objects.filter(pk__in=[dead.secret.pk, new.secret.pk, revoked.secret.pk]).exists()


def test_what_the_frame_keeps_goes_by_its_age(clock: Any, db: None) -> None:
    Session.objects.create(session_key="s", session_data="", expire_date=NOON)
    KeptAnswer.objects.create(name="a", request="r")
    WindowCount.objects.create(key="w", window=1, number=1, at=NOON)
    Letter.objects.create(to=["a@b"], subject="sent", text="", sent_at=NOON)
    Letter.objects.create(to=["a@b"], subject="waits", text="x")
    ExpiryNotice.objects.create(kind="api_token", subject="x", ends_at=NOON, days=7)
    ExpiryNotice.objects.create(kind="api_token", subject="y", ends_at=NOON + 300 * DAY, days=30)
    Revocation.objects.create(kind="jti", value="v", until=NOON)
    SigningKey.objects.create(kid="old", state=KeyState.RETIRED, public_jwk={}, sealed_private="", changed_at=NOON)
    clock.shift(100 * DAY)
    assert removed("--older-than", "99d") == {
        "sessions": 1, "kept_answers": 1, "window_counts": 1, "letters": 1, "notices": 1, "revocations": 1,
        "signing_keys": 1,
    }  # fmt: skip
    assert Letter.objects.get().subject == "waits"
    assert ExpiryNotice.objects.get().subject == "y"


def test_each_batch_stands_in_the_history_with_its_numbers_and_a_run_without_any_does_not(
    clock: Any, make_token: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "BATCH", 4)
    for _ in range(6):
        make_token(days=1)
    Revocation.objects.create(kind="jti", value="v", until=NOON)
    clock.shift(500 * DAY)
    before = AuditEvent.objects.count()
    assert removed() == {"api_tokens": 6, "revocations": 1}
    rows = AuditEvent.objects.filter(verb="pruned").order_by("number")
    assert [row.after for row in rows] == [
        {"ended_before": "2031-04-11T12:00:00Z", "api_tokens": 4},
        {"ended_before": "2031-04-11T12:00:00Z", "api_tokens": 2, "revocations": 1},
    ]
    assert {(row.actor_kind, row.actor) for row in rows} == {("command", "prune")}
    assert removed() == {}
    assert AuditEvent.objects.count() == before + 2
    assert audit.verify().holds


def test_a_run_that_is_broken_off_has_removed_what_stands_in_the_history(
    clock: Any, make_token: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "BATCH", 2)
    for _ in range(5):
        make_token(days=1)
    clock.shift(500 * DAY)
    whole, batches = audit.record, iter(range(9))

    def killed(*args: Any, **facts: Any) -> None:
        if next(batches) == 1:
            raise SystemExit
        whole(*args, **facts)

    monkeypatch.setattr(audit, "record", killed)
    with pytest.raises(SystemExit):
        run()
    monkeypatch.setattr(audit, "record", whole)
    assert ApiToken.objects.count() == 3
    assert AuditEvent.objects.filter(verb="pruned").count() == 1
    assert removed() == {"api_tokens": 3}


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_remove_everything_and_count_nothing_twice(
    clock: Any, make_token: Any, at_once: Callable[..., list[Any]], root: Actor
) -> None:
    for _ in range(20):
        make_token(days=1)
    clock.shift(500 * DAY)
    counts = at_once(*(lambda: pruning.prune(by=root)["api_tokens"] for _ in range(2)))
    assert sum(counts) == 20
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("length", ["59d", "0s"])
def test_what_ended_lately_stays_whatever_is_asked(length: str) -> None:
    with pytest.raises(CommandError, match="at least 60d") as ended:
        run("--older-than", length)
    assert ended.value.returncode == 2
