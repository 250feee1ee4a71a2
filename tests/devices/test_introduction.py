"""A device has proved a key and says who it is: every record and key it may meet, and what follows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices import arrival, counts, denial, identity, introduction, keychange, keys
from devices.models import Device, Introduction, KeyChangeRequest
from portal import audit
from portal.actor import Actor
from portal.models import AuditEvent, Outbox
from tests.conftest import MenderDevice

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
CLAIM = identity.read('{"mac":"00:01:02:03:04:05"}')
STATES = ["pending", "accepted", "rejected", "preauthorized"]

# (record before, whether the key is its own, whether devices are let in)
# to (status after, whether it is admitted, whether a key change is opened).
TABLE: dict[tuple[str | None, bool, bool], tuple[str, bool, bool]] = {
    (None, True, False): ("pending", False, False),
    (None, True, True): ("accepted", True, False),
    ("preauthorized", True, False): ("accepted", True, False),
    ("preauthorized", True, True): ("accepted", True, False),
    ("preauthorized", False, False): ("preauthorized", False, True),
    ("preauthorized", False, True): ("preauthorized", False, True),
    ("pending", True, False): ("pending", False, False),
    ("pending", True, True): ("accepted", True, False),
    ("pending", False, False): ("pending", False, True),
    ("pending", False, True): ("pending", False, True),
    ("accepted", True, False): ("accepted", True, False),
    ("accepted", True, True): ("accepted", True, False),
    ("accepted", False, False): ("accepted", False, True),
    ("accepted", False, True): ("accepted", False, True),
    ("rejected", True, False): ("rejected", False, False),
    ("rejected", True, True): ("rejected", False, False),
    ("rejected", False, False): ("rejected", False, True),
    ("rejected", False, True): ("rejected", False, True),
}


@pytest.fixture
def new_key(db: None, mender_device: Callable[..., MenderDevice]) -> Callable[[], keys.Key]:
    return lambda: keys.read(mender_device().pem)


def ask(key: keys.Key, claim: identity.Identity = CLAIM) -> introduction.Outcome:
    return introduction.introduce(claim, key, address="192.0.2.1")


@pytest.mark.parametrize(("before", "own", "lets_in"), TABLE)
def test_each_record_and_key(
    make_device: Callable[..., Device],
    new_key: Callable[[], keys.Key],
    settings: Any,
    before: str | None,
    own: bool,
    lets_in: bool,
) -> None:
    settings.ENROLMENT = "auto" if lets_in else "approve"
    key = new_key()
    if before:
        members = dict(CLAIM.members)
        make_device("press-1", members=members, status=before, key=key.pem if own else new_key().pem)
    status, admitted, opened = TABLE[before, own, lets_in]
    outcome = ask(key)
    device = Device.objects.get()
    assert (device.status, outcome.is_admitted, outcome.proved) == (status, admitted, own)
    assert KeyChangeRequest.objects.exists() == opened
    assert outcome.device == device
    changed = before != status
    assert AuditEvent.objects.count() == Outbox.objects.count() == changed + opened
    if changed:
        row = AuditEvent.objects.get()
        assert row.actor == device.pk
        assert row.after["status"] == status
        assert row.address == "192.0.2.1"
    assert device.decided_by == ("enrolment" if changed and status == "accepted" else "")


@pytest.mark.parametrize("status", STATES)
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("enrolment", ["auto", "approve"])
def test_of_a_denied_device_nothing_is_stored(
    make_device: Callable[..., Device],
    new_key: Callable[[], keys.Key],
    settings: Any,
    status: str,
    own: bool,
    enrolment: str,
) -> None:
    settings.ENROLMENT = enrolment
    key = new_key()
    make_device(members=dict(CLAIM.members), status=status, key=key.pem if own else new_key().pem, denied_at=NOON)
    before = Device.objects.values().get()
    outcome = ask(key)
    assert (outcome.is_admitted, outcome.proved) == (False, False)
    assert Device.objects.values().get() == before
    assert not AuditEvent.objects.exists()
    assert not KeyChangeRequest.objects.exists()


def test_a_new_device_is_kept_with_all_it_said(new_key: Callable[[], keys.Key]) -> None:
    key, claim = new_key(), identity.read(' {"sn": "1", "net": ["a", "b"]} ', lists=True)
    with time_machine.travel(NOON, tick=False):
        device = ask(key, claim).device
    assert device.pk == device.identity_digest == claim.digest
    assert device.fingerprint == key.fingerprint
    assert device.request_time == device.last_seen == NOON
    said = Introduction.objects.get()
    assert (said.text, said.members, said.key) == (claim.text, {"sn": "1", "net": ["a", "b"]}, key.pem)


@pytest.mark.parametrize("status", [None, "pending", "accepted", "rejected"])
def test_a_device_that_repeats_itself_changes_nothing_but_last_seen_once_a_minute(
    make_device: Callable[..., Device], new_key: Callable[[], keys.Key], status: str | None
) -> None:
    key = new_key()
    with time_machine.travel(NOON, tick=False) as clock:
        if status:
            make_device(members=dict(CLAIM.members), status=status, key=key.pem)
        ask(key)
        before, history = Device.objects.values().get(), AuditEvent.objects.count()
        for seconds, noted in ((20, False), (39, False), (2, True), (30, False), (31, True)):
            clock.shift(seconds)
            with CaptureQueriesContext(connection) as asked:
                ask(key)
            assert len([query for query in asked if query["sql"].startswith("UPDATE")]) == noted
            before["last_seen"] = timezone.now() if noted else before["last_seen"]
            assert Device.objects.values().get() == before
        assert AuditEvent.objects.count() == history


def test_a_clock_that_was_set_back_does_not_stop_the_noting(
    make_device: Callable[..., Device], new_key: Callable[[], keys.Key]
) -> None:
    key = new_key()
    make_device(members=dict(CLAIM.members), key=key.pem, last_seen=NOON + timedelta(hours=1))
    with time_machine.travel(NOON, tick=False):
        ask(key)
    assert Device.objects.get().last_seen == NOON


def test_a_stranger_with_another_key_does_not_make_the_device_look_alive(
    make_device: Callable[..., Device], new_key: Callable[[], keys.Key]
) -> None:
    make_device(members=dict(CLAIM.members), status="accepted", key=new_key().pem, last_seen=NOON)
    ask(new_key())
    assert Device.objects.get().last_seen == NOON


def test_a_key_that_was_refused_or_replaced_opens_no_request(
    make_device: Callable[..., Device], new_key: Callable[[], keys.Key], root: Actor
) -> None:
    old, second, third = new_key(), new_key(), new_key()
    make_device(members=dict(CLAIM.members), status="accepted", key=old.pem)
    ask(second)
    keychange.accept(KeyChangeRequest.objects.get(), by=root)
    ask(third)
    keychange.refuse(KeyChangeRequest.objects.get(state="open"), by=root)
    for key in (old, third):
        assert not ask(key).is_admitted
    assert not KeyChangeRequest.objects.filter(state="open").exists()
    assert ask(second).is_admitted


def test_too_many_waiting_turn_a_new_one_away_and_store_nothing(
    make_device: Callable[..., Device], new_key: Callable[[], keys.Key], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(arrival, "MOST_WAITING", 2)
    key = new_key()
    make_device("waits", members={"n": "1"}, key=key.pem)
    make_device("accepted", members={"n": "2"}, status="accepted")
    make_device("denied", members={"n": "3"}, denied_at=NOON)
    ask(new_key(), identity.read('{"n":"4"}'))
    with pytest.raises(arrival.TooManyWaiting) as refused:
        ask(new_key())
    assert (refused.value.status, refused.value.retry_after) == (429, 300)
    assert Device.objects.count() == 4
    assert not ask(key, identity.read('{"n":"1"}')).is_admitted
    settings.ENROLMENT = "auto"
    assert ask(new_key()).is_admitted


class TestWhoSpeaks:
    """Among several records of one identity."""

    @pytest.fixture
    def record(self, make_device: Callable[..., Device]) -> Callable[..., Device]:
        def make(device_id: str, key: keys.Key | None = None, status: str = "pending", **facts: Any) -> Device:
            return make_device(
                device_id, members=dict(CLAIM.members), key=key.pem if key else "", status=status, **facts
            )

        return make

    def test_a_denied_one_before_all(self, record: Any, new_key: Callable[[], keys.Key]) -> None:
        key = new_key()
        record("a", key, "accepted")
        record("z", denied_at=NOON)
        assert ask(key).device.pk == "z"
        assert not ask(key).is_admitted

    def test_a_denied_one_whose_id_is_the_digest_and_whose_identity_is_another(
        self, record: Any, make_device: Callable[..., Device], new_key: Callable[[], keys.Key]
    ) -> None:
        key = new_key()
        record("a", key, "accepted")
        make_device(CLAIM.digest, members={"other": "x"}, denied_at=NOON)
        assert not ask(key).is_admitted

    def test_the_one_with_the_key_before_the_one_whose_id_is_the_digest(
        self, record: Any, new_key: Callable[[], keys.Key]
    ) -> None:
        key = new_key()
        record(CLAIM.digest, new_key(), "accepted")
        record("z", key)
        assert ask(key).device.pk == "z"

    def test_of_those_with_the_key_an_accepted_one(self, record: Any, new_key: Callable[[], keys.Key]) -> None:
        key = new_key()
        record("a", key, "rejected")
        record(CLAIM.digest, key, "pending")
        record("z", key, "accepted")
        assert ask(key).device.pk == "z"
        assert ask(key).is_admitted

    @pytest.mark.parametrize("status", ["rejected", "accepted"])
    def test_of_those_with_the_key_and_equal_status_the_digest_and_then_the_smallest_id(
        self, record: Any, new_key: Callable[[], keys.Key], status: str
    ) -> None:
        key = new_key()
        record("B", key, status)
        record("a", key, status)
        assert ask(key).device.pk == "B"
        record(CLAIM.digest, key, status)
        assert ask(key).device.pk == CLAIM.digest

    def test_without_the_key_the_one_whose_id_is_the_digest_and_then_the_smallest_whatever_its_status(
        self, record: Any, new_key: Callable[[], keys.Key]
    ) -> None:
        record("z", new_key(), "accepted")
        record("b", new_key(), "rejected")
        assert ask(new_key()).device.pk == "b"
        record(CLAIM.digest, new_key(), "pending")
        assert ask(new_key()).device.pk == CLAIM.digest

    def test_a_record_whose_key_is_no_key_never_proves_itself(
        self, record: Any, new_key: Callable[[], keys.Key]
    ) -> None:
        record("a", None, "accepted")
        assert not ask(new_key()).is_admitted
        assert Device.objects.count() == 1


class TestARecordWithoutAnIdentity:
    def test_it_takes_the_identity_that_its_own_key_claims(
        self, make_device: Callable[..., Device], new_key: Callable[[], keys.Key]
    ) -> None:
        key = new_key()
        make_device(CLAIM.digest, members={}, status="accepted", key=key.pem)
        assert ask(key).is_admitted
        device = Device.objects.get()
        assert (device.identity_digest, device.introduction.text) == (CLAIM.digest, CLAIM.text)
        assert AuditEvent.objects.get().verb == "device.identified"
        assert ask(key).is_admitted
        assert AuditEvent.objects.count() == 1

    def test_it_takes_none_from_another_key(
        self, make_device: Callable[..., Device], new_key: Callable[[], keys.Key]
    ) -> None:
        make_device(CLAIM.digest, members={}, status="accepted", key=new_key().pem)
        assert not ask(new_key()).is_admitted
        assert Device.objects.get().identity_digest == ""


class TestMeanwhile:
    """Somebody changes the record between the look at it and what follows from it."""

    @pytest.fixture
    def meanwhile(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Device], None]], None]:
        speaker = introduction.speaker

        def arrange(change: Callable[[Device], None]) -> None:
            def late(*args: Any) -> Device | None:
                device = speaker(*args)
                monkeypatch.setattr(introduction, "speaker", speaker)
                if device:
                    change(Device.objects.get(pk=device.pk))
                return device

            monkeypatch.setattr(introduction, "speaker", late)

        return arrange

    @pytest.mark.parametrize("status", ["preauthorized", "pending"])
    def test_a_device_that_is_denied_in_this_moment_is_not_let_in(
        self,
        make_device: Callable[..., Device],
        new_key: Callable[[], keys.Key],
        meanwhile: Any,
        root: Actor,
        settings: Any,
        status: str,
    ) -> None:
        settings.ENROLMENT = "auto"
        key = new_key()
        make_device(members=dict(CLAIM.members), status=status, key=key.pem)
        meanwhile(lambda device: denial.deny(device, by=root))
        assert not ask(key).is_admitted
        assert Device.objects.get().status == status

    def test_a_device_that_is_purged_in_this_moment_is_new(
        self, make_device: Callable[..., Device], new_key: Callable[[], keys.Key], meanwhile: Any, root: Actor
    ) -> None:
        key = new_key()
        make_device(members=dict(CLAIM.members), status="preauthorized", key=key.pem)
        meanwhile(lambda device: denial.purge(device, by=root))
        assert not ask(key).is_admitted
        device = Device.objects.get()
        assert (device.pk, device.status) == (CLAIM.digest, "pending")


@pytest.mark.django_db(transaction=True)
class TestRaces:
    @pytest.mark.parametrize("turn", range(3))
    def test_a_first_request_four_times_at_once_makes_one_record(
        self, new_key: Callable[[], keys.Key], at_once: Callable[..., list[Any]], turn: int
    ) -> None:
        key = new_key()
        outcomes = at_once(*(lambda: ask(key) for _ in range(4)))
        assert {outcome.device.pk for outcome in outcomes} == {CLAIM.digest}
        assert AuditEvent.objects.count() == Outbox.objects.count() == counts.by_tab()["pending"] == 1
        assert audit.verify().holds

    @pytest.mark.parametrize("turn", range(3))
    def test_two_keys_that_claim_one_new_identity_at_once_make_one_record_and_one_key_change(
        self, new_key: Callable[[], keys.Key], at_once: Callable[..., list[Any]], turn: int
    ) -> None:
        wanted = [new_key(), new_key()]
        outcomes = at_once(*(lambda key=key: ask(key) for key in wanted))
        assert sorted(outcome.proved for outcome in outcomes) == [False, True]
        winner = wanted[[outcome.proved for outcome in outcomes].index(True)]
        assert Device.objects.get().fingerprint == winner.fingerprint
        assert KeyChangeRequest.objects.get().present_fingerprint == winner.fingerprint

    @pytest.mark.parametrize("turn", range(3))
    def test_a_preauthorized_device_that_asks_four_times_at_once_is_accepted_once(
        self,
        make_device: Callable[..., Device],
        new_key: Callable[[], keys.Key],
        at_once: Callable[..., list[Any]],
        turn: int,
    ) -> None:
        key = new_key()
        make_device(members=dict(CLAIM.members), status="preauthorized", key=key.pem)
        outcomes = at_once(*(lambda: ask(key) for _ in range(4)))
        assert all(outcome.is_admitted for outcome in outcomes)
        assert AuditEvent.objects.count() == 1
